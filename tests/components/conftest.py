"""A small sample of the real data, prepared and trained once by the components' own scripts."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

ROOT = Path(__file__).parents[2]
TRAINERS = ("train_lightgbm", "train_hist_gradient_boosting", "train_logistic")
AGAIN = ("train_lightgbm-again", "train_hist_gradient_boosting-again")

Outcome = subprocess.CompletedProcess[str]


def command_of(name: str, values: Mapping[str, object], outputs: Mapping[str, object]) -> list[str]:
    """The component's own command line with *values* filled in over its defaults, the way Azure ML fills it in."""
    spec = yaml.safe_load((ROOT / "components" / name / "component.yml").read_text())
    inputs = {key: port["default"] for key, port in spec["inputs"].items() if "default" in port} | dict(values)

    def fill(text: str) -> str:
        text = re.sub(r"\$\{\{outputs\.(\w+)\}\}", lambda found: str(outputs[found[1]]), text)
        return re.sub(r"\$\{\{inputs\.(\w+)\}\}", lambda found: str(inputs[found[1]]), text)

    def optional(found: re.Match[str]) -> str:
        names = re.findall(r"inputs\.(\w+)", found[1])
        return found[1] if all(name in inputs for name in names) else ""

    words = shlex.split(fill(re.sub(r"\$\[\[(.*?)\]\]", optional, spec["command"])))
    return [sys.executable, "-W", "ignore", *words[1:]]


def includes(name: str) -> list[str]:
    """The folders of what the component's code includes, which Azure ML puts beside it."""
    spec = yaml.safe_load((ROOT / "components" / name / "component.yml").read_text())
    return sorted({str((ROOT / "components" / name / path).resolve().parent) for path in spec.get("additional_includes", ())})


def run(name: str, work: Path, values: Mapping[str, object], outputs: Mapping[str, object], tracking: str) -> Outcome:
    """Run a component's script in a process of its own, in the empty folder *work*."""
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # or the code folder, which is hashed, gets a __pycache__
        "PYTHONPATH": os.pathsep.join(includes(name)),
    }
    words = command_of(name, values, outputs)
    words[3] = str(ROOT / "components" / name / "src" / words[3])
    work.mkdir(parents=True, exist_ok=True)
    return subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, timeout=120)


def load(name: str, module: str = "") -> ModuleType:
    """A component's script as a module, or another module of its code, for its pure functions."""
    path = ROOT / "components" / name / "src" / f"{module or name}.py"
    if module and path == Path(getattr(sys.modules.get(module), "__file__", None) or ""):
        return sys.modules[module]  # as the others of that code have imported it
    spec = importlib.util.spec_from_file_location(module or f"component_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folders = [str(path.parent), *includes(name)]
    sys.path[:0] = folders
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow warns about itself when it is imported
            spec.loader.exec_module(module)
    finally:
        for folder in folders:
            sys.path.remove(folder)
    return module


def shared(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder *name*, filled by *build* once for all of pytest's worker processes."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            build(folder)
    return folder


def write(table: pa.Table, folder: Path, name: str = "part-00000.parquet") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow and its database library warn about themselves, on import and in use: not ours to mend."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def component() -> Callable[..., ModuleType]:
    """``component(name)`` is its script as a module, ``component(name, module)`` another module of its code."""
    return load


@pytest.fixture(scope="session")
def save() -> Callable[..., Path]:
    """``save(table, folder, name)`` writes a Parquet file and returns the folder."""
    return write


@pytest.fixture(scope="session")
def prep() -> ModuleType:
    return load("prep")


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every 20th flight of 2013 with all the weather."""
    folder = tmp_path_factory.mktemp("raw")
    flights = pq.read_table(ROOT / "data" / "flights" / "flights.parquet")
    write(flights.take(pa.array(range(0, flights.num_rows, 20))), folder, "flights.parquet")
    write(pq.read_table(ROOT / "data" / "flights" / "weather.parquet"), folder, "weather.parquet")
    return folder


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of one MLflow store for all steps: making its tables takes longer than most of them."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def build(folder: Path) -> None:
        SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts"))

    return f"sqlite:///{shared(tmp_path_factory, 'tracking', build) / 'mlflow.db'}"


@pytest.fixture(scope="session")
def parts(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Train, validation and test, as prep writes them for `raw`."""

    def folders(work: Path) -> dict[str, Path]:
        return {name: work / name for name in ("train", "validation", "test")}

    def build(work: Path) -> None:
        outcome = run("prep", work, {"raw": raw}, folders(work), tracking="")
        assert outcome.returncode == 0, outcome.stderr

    return folders(shared(tmp_path_factory, "prep", build))


@pytest.fixture(scope="session")
def models(parts: dict[str, Path], tracking: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One saved model for each trainer, and those that are trained a second time."""
    data = {"train": parts["train"], "validation": parts["validation"]}

    def build(work: Path) -> None:
        def train(folder: str) -> Outcome:
            return run(folder.removesuffix("-again"), work, data, {"model": work / folder}, tracking)

        with ThreadPoolExecutor(2) as pool:
            for outcome in pool.map(train, (*TRAINERS, *AGAIN)):
                assert outcome.returncode == 0, outcome.stderr

    work = shared(tmp_path_factory, "models", build)
    return {name: work / name for name in (*TRAINERS, *AGAIN)}


@pytest.fixture(scope="session")
def broken_model(parts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the flights' signature that predicts NaN for every row."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    work = tmp_path_factory.mktemp("broken")
    (work / "not_a_number.py").write_text(
        "import numpy as np\n\n\nclass Model:\n    def predict(self, data, params=None):\n"
        "        return np.full(len(data), np.nan)\n\n\ndef _load_pyfunc(path):\n    return Model()\n"
    )
    mlflow.pyfunc.save_model(
        work / "model",
        input_example=pd.DataFrame({"carrier": [0]}, dtype="int32"),
        loader_module="not_a_number",
        code_paths=[str(work / "not_a_number.py")],
        signature=ModelSignature(Schema([ColSpec("integer", "carrier")])),
        pip_requirements=["mlflow"],
    )
    return work / "model"


@pytest.fixture
def step(tmp_path: Path, tracking: str) -> Callable[..., Outcome]:
    """``step(name, values, outputs)`` runs a component in a folder of the test."""

    def start(name: str, values: Mapping[str, object], outputs: Mapping[str, object]) -> Outcome:
        return run(name, tmp_path / "work", values, outputs, tracking)

    return start


@pytest.fixture(scope="session")
def arrived(raw: Path) -> int:
    """How many flights of `raw` arrived."""
    return int(pc.sum(pc.is_valid(pq.read_table(raw / "flights.parquet")["arr_delay"])).as_py())
