"""LightGBM trees as machine code, where making it pays; run as a program it makes it: ``compiled.py MODEL OBJECT``.

The library (lleaves) is optional. With it or without, results agree to 1e-9: that is checked on the rows at hand before
the first of them is scored, and where it does not hold, LightGBM itself goes on.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

CACHE = "MLOPS_COMPILED_TREES"  # the variable that names the folder of compiled trees
AGREEMENT = 1e-9
SAMPLE = 2048  # rows on which it is checked
TIMES = 1.5  # as fast as LightGBM, compilation included, or it is not worth another library's answer

# Seconds on one core, measured with 50 to 1,000 trees of 31 leaves. Only their ratios matter: a faster machine does all of
# it faster. Trees of 127 leaves take twice as long on both sides, so that they would pay a little sooner than this says.
START_S = 0.6  # a process that compiles
LOAD_S = 0.3
COMPILE_LEAF_S = 0.47e-3
LIGHTGBM_S = 36e-9  # a row and tree
COMPILED_S = 7.5e-9
COMPILE_LIMIT_S = 1800


@dataclass(frozen=True)
class Plan:
    """Trees that it pays to compile, or to load.

    Attributes:
        text: The model as LightGBM writes it.
        place: Where its code is kept, under a name that follows from the model, the library and the processor.
    """

    text: str
    place: Path
    trees: int


class Compiled:
    """Machine code for the trees of one model."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, rows: Numbers) -> Numbers:
        return np.asarray(self._model.predict(rows, n_jobs=1))


def threads() -> int:
    """How many OpenMP would take, so that a step keeps to its share of the cores."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if given.isdigit() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pays(rows: int, trees: int, leaves: int, cores: int, *, cached: bool) -> bool:
    """Whether compiled trees are expected to be `TIMES` as fast as LightGBM on so many rows, everything included."""
    once = LOAD_S + (0.0 if cached else START_S + COMPILE_LEAF_S * leaves)
    return rows * trees * LIGHTGBM_S / cores >= TIMES * (once + rows * trees * COMPILED_S / cores)


def plan(booster: Any, rows: int) -> Plan | None:
    """What to compile or load for so many rows; None when LightGBM itself is the better choice, or the only one."""
    trees = booster.num_trees()
    if not trees or importlib.util.find_spec("lleaves") is None:
        return None
    if not pays(rows, trees, 0, threads(), cached=True):  # not with any number of leaves: nothing more to look at
        return None
    text = booster.model_to_string(num_iteration=-1)
    place = folder() / f"{identity(text)}.o"
    leaves = sum(int(line[11:]) for line in text.splitlines() if line.startswith("num_leaves="))
    return Plan(text, place, trees) if pays(rows, trees, leaves, threads(), cached=whole(place)) else None


def folder() -> Path:
    """Where compiled trees are kept: what `CACHE` says, else the user's cache."""
    given = os.environ.get(CACHE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "mlops-lib", "trees")


def identity(text: str) -> str:
    """What makes compiled code other code: the model, the versions of the compilers, the processor."""
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot tell on every system
        features = ""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("lleaves", "llvmlite")]
    parts = [*versions, llvm.get_process_triple(), llvm.get_host_cpu_name(), features, text]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def whole(place: Path) -> bool:
    """Whether the code at *place* is there as it was written: code that is cut off would end the process."""
    try:
        return digest(place) == place.with_suffix(".sha256").read_text()
    except OSError:
        return False


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prepare(plan: Plan, booster: Any, sample: Numbers) -> tuple[Compiled | None, str]:
    """Load the trees of *plan*, compiling them first unless that was done before.

    They have to agree with *booster* on the first `SAMPLE` rows of *sample*, as they are and with holes.

    Returns:
        The trees, or None when LightGBM has to do it; and what happened, in words.
    """
    begun = time.perf_counter()
    found = whole(plan.place)
    try:
        with tempfile.TemporaryDirectory() as work:
            model = Path(work, "model.txt")
            model.write_text(plan.text)
            if not found:
                make(model, plan.place)
            trees = Compiled(load(model, plan.place))
    except Exception as error:  # another library's, of any kind: LightGBM can do it all the same
        return None, f"LightGBM itself predicts: its trees could not be compiled ({str(error).splitlines()[0]})"
    checked = holes(sample[:SAMPLE])
    apart = np.abs(trees.predict(checked) - booster.predict(checked))
    if not (apart <= AGREEMENT).all():
        return None, f"LightGBM itself predicts: its compiled trees differ by up to {apart.max():.1g}"
    how = "loaded" if found else "compiled"
    return trees, f"{plan.trees} trees {how} in {time.perf_counter() - begun:.1f} s, from {plan.place.parent}"


def holes(rows: Numbers) -> Numbers:
    """The rows, and the same with a tenth of their values missing."""
    spoilt = rows.copy()
    spoilt[np.random.default_rng(0).random(rows.shape) < 0.1] = np.nan
    return np.ascontiguousarray(np.concatenate([rows, spoilt]))


def make(model: Path, place: Path) -> None:
    """Compile in a process of its own: what LLVM needs for that is given back when it ends, and a crash is only its own."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        target = Path(work, "trees.o")
        done = subprocess.run([sys.executable, "-W", "ignore", __file__, str(model), str(target)], capture_output=True,
                              text=True, timeout=COMPILE_LIMIT_S)  # fmt: skip
        if done.returncode or not target.exists():
            raise RuntimeError((done.stderr.strip().splitlines() or [f"the compiler exited with {done.returncode}"])[-1])
        Path(work, "digest").write_text(digest(target))
        target.replace(place)
        Path(work, "digest").replace(place.with_suffix(".sha256"))


def load(model: Path, place: Path) -> Any:
    """The compiled trees; compiles to *place* when nothing is there."""
    import lleaves

    trees = lleaves.Model(model_file=str(model))
    # Inlining the trees takes three times as long to compile, and predicts no faster.
    trees.compile(cache=str(place), finline=False)
    return trees


if __name__ == "__main__":
    load(Path(sys.argv[1]), Path(sys.argv[2]))
