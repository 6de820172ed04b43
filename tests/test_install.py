"""What a machine has after ``pip install mlops-lib``, without any extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROJECT = {
    "components/say.yml": "type: command\nname: say\nversion: 1\noutputs: {said: {type: uri_folder}}\n"
                          "command: echo hello > ${{outputs.said}}/text\nenvironment: azureml:any@latest\n",
    "pipelines/hello.yml": "type: pipeline\njobs:\n  say: {type: command, component: ../components/say.yml}\n",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel of this checkout and what it requires, and the folder of its programs."""
    folder = tmp_path_factory.mktemp("install")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "mlops_lib").rglob("*"):
        if path.is_file() and path.suffix in (".py", ".typed"):
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    programs = folder / "venv" / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", str(source)], check=True)
    return programs


def test_the_compiler_and_the_engine_need_no_extra(installed: Path, tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for command in (["validate"], ["plan", "hello"], ["run", "hello"], ["runs", "show"], ["export", "hello"]):
        done = subprocess.run([installed / "mlops", *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


def test_the_wheel_has_every_module_and_says_that_it_is_typed(installed: Path) -> None:
    code = "import mlops_lib, pathlib; print(pathlib.Path(mlops_lib.__file__).parent)"
    found = Path(subprocess.run([installed / "python", "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    want = {str(path.relative_to(ROOT / "mlops_lib")) for path in (ROOT / "mlops_lib").rglob("*.py")}
    assert {str(path.relative_to(found)) for path in found.rglob("*.py")} == want
    assert (found / "py.typed").is_file()


def test_starting_loads_nothing_heavy(installed: Path) -> None:
    code = ("import sys, mlops_lib.cli; "
            "print([name for name in ('pandas', 'mlflow', 'azure', 'rich', 'yaml', 'sqlite3', 'numpy') if name in sys.modules])")
    done = subprocess.run([installed / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
