"""score's compiled trees: used where they pay, kept for the next time, and never another result."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MANY = 100_000_000
pytest.importorskip("lleaves", reason="compiled trees are not for this version of Python")


@pytest.fixture(scope="module")
def compiled(component: Callable[..., ModuleType]) -> ModuleType:
    component("score", "columns")
    return component("score", "compiled")


@pytest.fixture(scope="module")
def predictor(compiled: ModuleType, component: Callable[..., ModuleType]) -> ModuleType:
    return component("score", "predictor")


@pytest.fixture(scope="module")
def booster(models: dict[str, Path]) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(models["train_lightgbm"] / "model.lgb"))


@pytest.fixture(scope="module")
def rows(parts: dict[str, Path], booster: Any) -> pa.Table:
    return pq.read_table(parts["test"]).select(booster.feature_name()).combine_chunks()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_COMPILED_TREES", str(tmp_path / "trees"))
    return tmp_path / "trees"


def predicted(predictor: ModuleType, model: Path, rows: pa.Table, expected_rows: int) -> Any:
    columns = {name: rows[name].chunk(0) for name in rows.column_names}
    return predictor.load(model, expected_rows).predictor.predict(columns)


def test_compiled_trees_predict_what_lightgbm_predicts_and_are_kept(
    predictor: ModuleType,
    compiled: ModuleType,
    models: dict[str, Path],
    rows: pa.Table,
    cache: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    itself = predicted(predictor, models["train_lightgbm"], rows, 10)
    assert not cache.exists()
    first = predicted(predictor, models["train_lightgbm"], rows, MANY)
    assert "trees compiled in" in capfd.readouterr().err
    again = predicted(predictor, models["train_lightgbm"], rows, MANY)
    assert "trees loaded in" in capfd.readouterr().err
    np.testing.assert_allclose(first, itself, rtol=0, atol=compiled.AGREEMENT)
    np.testing.assert_array_equal(first, again)
    assert sorted(path.suffix for path in cache.iterdir()) == [".o", ".sha256"]

    [code] = cache.glob("*.o")  # cut off, as by a full disk: it would end the process if it was loaded
    code.write_bytes(code.read_bytes()[:1000])
    third = predicted(predictor, models["train_lightgbm"], rows, MANY)
    assert "trees compiled in" in capfd.readouterr().err
    np.testing.assert_array_equal(first, third)


def test_trees_of_another_model_have_another_name(compiled: ModuleType, booster: Any, cache: Path) -> None:
    names = {compiled.identity(booster.model_to_string(num_iteration=number)) for number in (1, 2, 2)}
    assert len(names) == 2


def test_trees_that_differ_are_not_used(compiled: ModuleType, booster: Any, rows: pa.Table, cache: Path) -> None:
    sample = np.column_stack([rows[name].to_numpy() for name in rows.column_names]).astype("float64")
    fewer = compiled.Plan(booster.model_to_string(num_iteration=2), cache / "x.o", 2)
    trees, told = compiled.prepare(fewer, booster, sample)
    assert trees is None
    assert told.startswith("LightGBM itself predicts: its compiled trees differ by up to 0.")


def test_what_cannot_be_compiled_is_left_to_lightgbm(
    compiled: ModuleType, booster: Any, rows: pa.Table, cache: Path
) -> None:
    trees, told = compiled.prepare(compiled.Plan("no trees\n", cache / "x.o", 1), booster, np.zeros((1, 17)))
    assert trees is None
    assert told.startswith("LightGBM itself predicts: its trees could not be compiled (")
    assert list(cache.iterdir()) == []


def test_without_the_library_lightgbm_predicts(
    compiled: ModuleType, booster: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled.plan(booster, MANY) is not None
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "lleaves" else find(name))
    assert compiled.plan(booster, MANY) is None


def test_the_more_rows_the_more_compiling_pays_and_it_pays_sooner_when_it_is_done(compiled: ModuleType) -> None:
    def least(trees: int, leaves: int, cores: int, *, cached: bool) -> int:
        return next(rows for rows in range(10_000, MANY, 10_000) if compiled.pays(rows, trees, leaves, cores, cached=cached))

    assert 50_000 < least(200, 6_200, 1, cached=True) < least(200, 6_200, 1, cached=False) < 1_500_000
    assert least(200, 6_200, 1, cached=False) < least(200, 6_200, 2, cached=False)
    for cached in (True, False):
        worth = [compiled.pays(rows, 200, 6_200, 2, cached=cached) for rows in (1, 10**5, 10**6, 10**7, 10**8)]
        assert worth == sorted(worth)
        assert not worth[0]
        assert worth[-1]


def test_threads_are_those_that_openmp_would_take(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert compiled.threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert compiled.threads() >= 1


def test_the_folder_is_the_users_cache_unless_one_is_named(
    compiled: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(compiled.CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiled.folder() == tmp_path / "mlops-lib" / "trees"
    monkeypatch.setenv(compiled.CACHE, str(tmp_path / "mine"))
    assert compiled.folder() == tmp_path / "mine"
