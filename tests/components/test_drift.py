"""drift: two samples of the same data are the same, and every way in which data changes is told."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

Outcome = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def batches(component: Callable[..., ModuleType]) -> ModuleType:
    component("score", "columns")
    return component("score", "batches")


@pytest.fixture(scope="module")
def distances(component: Callable[..., ModuleType]) -> ModuleType:
    return component("drift", "distances")


@pytest.fixture(scope="module")
def tallies(batches: ModuleType, component: Callable[..., ModuleType]) -> ModuleType:
    return component("drift", "tallies")


@pytest.fixture(scope="module")
def comparison(tallies: ModuleType, distances: ModuleType, component: Callable[..., ModuleType]) -> ModuleType:
    return component("drift", "comparison")


@pytest.fixture(scope="module")
def drift_report(comparison: ModuleType, component: Callable[..., ModuleType]) -> ModuleType:
    return component("drift", "drift_report")


@pytest.fixture(scope="module")
def train(parts: dict[str, Path]) -> pa.Table:
    return pq.read_table(parts["train"])


@pytest.fixture
def compare(comparison: ModuleType, batches: ModuleType, save: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """``compare(reference, current, …)`` for two tables, with the limits of component.yml."""

    def compared(reference: pa.Table, current: pa.Table, **more: Any) -> Any:
        places = [save(table, tmp_path / name) for table, name in ((reference, "reference"), (current, "current"))]
        limits = comparison.Limits(psi=0.2, ks=0.2, missing_change=0.05, unseen=0.01, prediction_psi=0.1)
        return comparison.compare(*map(batches.source, places), limits, **more)

    return compared


def flights(table: pa.Table) -> pa.Table:
    return table.drop_columns(["flight_id", "late"])


def replaced(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The same table with another column in its place, and what its field says beside the type."""
    field = pa.field(name, values.type, metadata=table.schema.field(name).metadata)
    return table.set_column(table.schema.get_field_index(name), field, values)


def drifted(found: Any) -> dict[str, tuple[str, ...]]:
    return {result.feature.name: result.breaches for result in found.drifted}


# --- the numbers -----------------------------------------------------------------------------------------------------

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=30)


@given(pairs=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=30))
def test_the_stability_index_is_at_least_0_and_the_same_from_both_sides(
    distances: ModuleType, pairs: list[tuple[int, int]]
) -> None:
    expected, actual = (distances.shares(np.array(side)) for side in zip(*pairs, strict=True))
    index = distances.population_stability(expected, actual)
    assert index >= 0
    assert math.isfinite(index)
    assert index == pytest.approx(distances.population_stability(actual, expected), rel=1e-12)


@given(counts=COUNTS, times=st.integers(1, 9))
def test_the_stability_index_of_equal_shares_is_0(distances: ModuleType, counts: list[int], times: int) -> None:
    shares = [distances.shares(np.array(counts) * factor) for factor in (1, times)]
    assert distances.population_stability(*shares) == pytest.approx(0, abs=1e-12)


def test_the_stability_index_by_hand(distances: ModuleType) -> None:
    index = distances.population_stability(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    assert index == pytest.approx(0.25 * math.log(3))  # -0.25 ln 0.5 + 0.25 ln 1.5
    emptied = distances.population_stability(np.array([0.5, 0.5]), np.array([0.0, 1.0]))
    assert emptied == pytest.approx((0.0001 - 0.5) * math.log(0.0001 / 0.5) + 0.5 * math.log(2))


@pytest.mark.parametrize("number", [2, 10])
def test_what_is_expected_by_chance_is_what_samples_of_the_same_data_have(distances: ModuleType, number: int) -> None:
    random, bins = np.random.default_rng(7), np.full(number, 1 / number)
    found = [
        distances.population_stability(*(distances.shares(random.multinomial(rows, bins)) for rows in (2000, 3000)))
        for _ in range(600)
    ]
    assert np.mean(found) == pytest.approx(distances.by_chance(number, 2000, 3000), rel=0.1)


VALUES = st.lists(st.one_of(st.integers(-5, 5), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


def counted(tallies: ModuleType, samples: tuple[Any, ...]) -> list[Any]:
    edges = tallies.edges(np.concatenate(samples))
    sides = [tallies.NumberTally(edges) for _ in samples]
    for side, sample in zip(sides, samples, strict=True):
        side.add(pa.array(sample, pa.float64()))
    return [side.counts for side in sides]


@given(first=VALUES, second=VALUES)
def test_the_kolmogorov_smirnov_distance_is_that_of_scipy(
    distances: ModuleType, tallies: ModuleType, first: list[float], second: list[float]
) -> None:
    from scipy.stats import ks_2samp

    samples = (np.array(first, "float64"), np.array(second, "float64"))
    distance, error = distances.kolmogorov_smirnov(*counted(tallies, samples))
    assert 0 <= distance <= 1
    assert error == 0
    assert distance == pytest.approx(ks_2samp(*samples, method="asymp").statistic, abs=1e-12)


def test_with_fewer_cells_than_values_the_distance_says_how_far_off_it_may_be(
    distances: ModuleType, tallies: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scipy.stats import ks_2samp

    monkeypatch.setattr(tallies, "CELLS", 64)
    random = np.random.default_rng(3)
    for shift in (0.0, 0.1, 3.0):
        samples = (random.normal(size=5000), np.append(random.normal(shift, size=3000), np.zeros(500)))
        edges = tallies.edges(np.concatenate([sample[::7] for sample in samples]))  # chosen by some of the rows
        sides = [tallies.NumberTally(edges) for _ in samples]
        for side, sample in zip(sides, samples, strict=True):
            side.add(pa.array(sample))
        distance, error = distances.kolmogorov_smirnov(*(side.counts for side in sides))
        exact = ks_2samp(*samples, method="asymp").statistic
        assert distance <= exact <= distance + error
        assert 0 < error < 0.1


def test_bins_are_deciles_and_a_frequent_value_has_its_own(distances: ModuleType) -> None:
    bins = distances.deciles(np.full(1000, 3))
    assert np.bincount(bins).tolist() == [100] * 10
    zeros = distances.deciles(np.array([0, 700, 0, 100, 0, 100, 0, 100, 0]))
    assert distances.binned(np.array([0, 700, 0, 100, 0, 100, 0, 100, 0]), zeros, zeros.max() + 1).tolist() == [0, 700, 100, 100, 100]


# --- two tables ------------------------------------------------------------------------------------------------------


def test_two_samples_of_the_same_flights_have_not_drifted(compare: Callable[..., Any], train: pa.Table) -> None:
    rows = np.random.default_rng(1).permutation(train.num_rows)
    table = flights(train)
    found = compare(table.take(rows[::2]), table.take(rows[1::2]), categories=["weekday"])
    assert drifted(found) == {}
    kinds = {result.feature.name: result.feature.kind for result in found.features}
    assert {name for name, kind in kinds.items() if kind == "category"} == {"carrier", "origin", "dest", "weekday"}
    assert found.passed_over == {"scheduled_departure": "of type timestamp[ns, tz=UTC]"}
    assert all(result.psi < 6 * result.psi_by_chance + 0.001 for result in found.features)
    assert all(result.ks_error < 0.001 for result in found.features)


def test_only_what_was_shifted_has_drifted(compare: Callable[..., Any], train: pa.Table) -> None:
    from scipy.stats import ks_2samp

    rows = np.random.default_rng(2).permutation(train.num_rows)
    table = flights(train)
    reference, current = table.take(rows[::2]), table.take(rows[1::2])
    warmer = replaced(current, "temp", pa.compute.add(current["temp"], 15.0))
    found = compare(reference, warmer)
    assert list(drifted(found)) == ["temp"]
    [temp] = found.drifted
    exact = ks_2samp(reference["temp"].drop_null().to_numpy(), warmer["temp"].drop_null().to_numpy()).statistic
    assert temp.ks == pytest.approx(exact, abs=1e-12)
    assert temp.means[1] - temp.means[0] == pytest.approx(15, abs=1)
    assert temp.breaches == (f"PSI {temp.psi:.3f}, limit 0.2", f"KS {temp.ks:.3f}, limit 0.2")


def test_neither_the_number_of_files_nor_the_size_of_batches_changes_anything(
    comparison: ModuleType, batches: ModuleType, tallies: ModuleType, save: Callable[..., Path], train: pa.Table,
    parts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    table = flights(train)
    save(table.slice(0, 4000), tmp_path / "many", "a.parquet")
    save(table.slice(4000), tmp_path / "many", "b.parquet")
    test = batches.source(save(flights(pq.read_table(parts["test"])), tmp_path / "test"))
    limits = comparison.Limits(psi=0.2, ks=0.2, missing_change=0.05, unseen=0.01, prediction_psi=0.1)
    monkeypatch.setattr(tallies, "SAMPLE", 1000)
    one = comparison.compare(batches.source(save(table, tmp_path / "one")), test, limits)
    monkeypatch.setattr(tallies, "BATCH", 777)
    many = comparison.compare(batches.source(tmp_path / "many"), test, limits)
    for left, right in zip(one.features, many.features, strict=True):
        assert (left.feature, left.psi, left.ks, left.ks_error, left.missing, left.bars, left.breaches) == (
            right.feature, right.psi, right.ks, right.ks_error, right.missing, right.bars, right.breaches)  # fmt: skip


def test_missing_values_are_told_however_they_are_written(compare: Callable[..., Any]) -> None:
    values = np.random.default_rng(4).normal(size=1000)
    reference = pa.table({"null": values, "nan": values, "as_before": values})
    gone = np.arange(1000) % 10 < 3
    current = pa.table({
        "null": pa.array(values, mask=gone), "nan": np.where(gone, np.nan, values), "as_before": values,
    })  # fmt: skip
    found = compare(reference, current)
    told = ("missing 0.0% before and 30.0% now, limit 5.0% apart",)
    assert drifted(found) == {"null": told, "nan": told}
    gone_again = ("missing 30.0% before and 0.0% now, limit 5.0% apart",)
    assert drifted(compare(current, reference)) == dict.fromkeys(("null", "nan"), gone_again)


def test_a_column_without_any_value_is_missing_and_nothing_else(compare: Callable[..., Any]) -> None:
    found = compare(pa.table({"a": [1.0, 2.0], "b": [None, 1.0]}), pa.table({"a": [1.0, 2.0], "b": pa.nulls(2)}))
    [result] = found.drifted
    assert (result.feature.name, result.psi, result.note) == ("b", None, "no value in the current data")


def test_a_column_of_one_value_has_not_drifted_until_it_has_another(compare: Callable[..., Any]) -> None:
    constant = pa.table({"a": [3.0] * 50, "b": ["x"] * 50})
    same = compare(constant, pa.table({"a": [3.0] * 20, "b": ["x"] * 20}))
    assert [(result.psi, result.ks) for result in same.features] == [(0.0, 0.0), (0.0, None)]
    assert drifted(same) == {}
    [number] = compare(constant, pa.table({"a": [4.0] * 20, "b": ["x"] * 20})).drifted
    assert (number.feature.name, number.ks) == ("a", 1.0)
    assert number.psi == pytest.approx(2 * (1 - 0.0001) * math.log(1 / 0.0001)), "all of one bin is in another"


def test_infinite_numbers_are_counted_at_the_ends(compare: Callable[..., Any]) -> None:
    reference = pa.table({"a": [float(value) for value in range(10)] * 10})
    current = pa.table({"a": [math.inf, -math.inf, 4.0, 5.0, 6.0] * 20})
    [result] = compare(reference, current).features
    assert result.ks == pytest.approx(0.2)  # below 0: 0 % before and 20 % now; up to 9: 100 % before and 80 % now
    assert result.means == (4.5, 5.0)


def test_columns_that_are_gone_new_or_of_another_type_are_told(compare: Callable[..., Any], train: pa.Table) -> None:
    table = flights(train)
    current = table.drop_columns(["dewp"]).append_column("gate", pa.array(["A"] * table.num_rows))
    current = replaced(current, "distance", current["distance"].cast(pa.string()))
    current = replaced(current, "carrier", current["carrier"].cast(pa.float64()))  # as pandas does; no change
    found = compare(table, current)
    assert drifted(found) == {
        "distance": ("was int32, and is string now",),
        "dewp": ("the current data has no such column",),
    }
    assert found.added == ("gate",)
    assert [result.missing for result in found.drifted] == [None, None]


def test_new_categories_are_counted_and_named(compare: Callable[..., Any], train: pa.Table) -> None:
    table = flights(train)
    codes = table["carrier"].to_numpy().copy()
    codes[: len(codes) // 50] = 77
    found = compare(table, replaced(table, "carrier", pa.array(codes, pa.int32())))
    [result] = found.drifted
    assert result.breaches == ("2.0% new values (77), limit 1.0%",)
    assert result.unseen == pytest.approx((len(codes) // 50) / len(codes))
    assert {"UA", "new values"} < set(result.bars.labels)


def test_an_explosion_of_categories_is_told_and_kept_small(
    compare: Callable[..., Any], tallies: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "CATEGORIES", 50)
    few = pa.table({"city": [f"c{row % 40}" for row in range(2000)]})
    many = pa.table({"city": [f"{row}" for row in range(2000)]})
    [result] = compare(few, many).drifted
    assert result.unseen == 1.0
    assert result.unseen_values == ("0", "1", "2", "3", "4")
    assert result.psi > 1
    assert sum(result.bars.current) == pytest.approx(1)

    named = compare(many, pa.table({"city": [f"other {row}" for row in range(2000)]}))
    assert drifted(named) == {}
    assert named.features[0].note == "too many values to be categories"
    gone = pa.table({"city": [None if row % 5 == 0 else f"{row}" for row in range(2000)]})
    assert drifted(compare(many, gone)) == {"city": ("missing 0.0% before and 20.0% now, limit 5.0% apart",)}


def test_more_categories_than_are_named_are_compared_together(compare: Callable[..., Any]) -> None:
    reference = pa.table({"city": [f"c{row % 200:03d}" for row in range(2000)] + ["c000"] * 50})
    [same] = compare(reference, reference).features
    assert same.psi == 0
    assert len(same.bars.labels) == 51
    assert same.bars.labels[0] == "c000"
    assert same.bars.labels[-1] == "rarer values"


def test_text_booleans_and_dictionaries_are_categories(compare: Callable[..., Any]) -> None:
    reference = pa.table({
        "text": ["a", "b"] * 50, "flag": [True, False] * 50, "coded": pa.array(["x", "y"] * 50).dictionary_encode(),
    })  # fmt: skip
    current = pa.table({"text": ["a"] * 100, "flag": [True] * 100, "coded": ["x"] * 100})
    found = compare(reference, current)
    assert {result.feature.kind for result in found.features} == {"category"}
    index = (1 - 0.5) * math.log(2) + (0.0001 - 0.5) * math.log(0.0001 / 0.5)
    assert [result.psi for result in found.features] == pytest.approx([index] * 3)


def test_a_code_is_the_same_value_whatever_is_beside_it(tallies: ModuleType) -> None:
    codes = pa.array([1.0, 123456792.0, 1.5, float("inf"), float("nan"), None], pa.float32())
    together = tallies.plain(pa.chunked_array([codes]), "category").to_pylist()
    assert together == ["1", "123456792", "1.5", "inf", None, None]
    assert [tallies.plain(pa.chunked_array([codes[row : row + 1]]), "category")[0].as_py() for row in range(6)] == together


def test_predictions_have_a_limit_of_their_own(
    compare: Callable[..., Any], batches: ModuleType, save: Callable[..., Path], tmp_path: Path
) -> None:
    random = np.random.default_rng(5)
    table = pa.table({"a": random.normal(size=4000)})
    said = random.beta(2, 6, size=4000)
    sources = [batches.source(save(pa.table({"id": np.arange(4000), "p": values}), tmp_path / name))
               for name, values in (("before", said), ("now", said**0.84))]  # fmt: skip
    found = compare(table, table, predictions=tuple(sources), prediction="p")
    assert 0.1 < found.predictions.psi < 0.2  # past its limit, and not past a feature's
    assert list(drifted(found)) == ["p"]
    with pytest.raises(batches.InputError, match="the reference predictions have no column q"):
        compare(table, table, predictions=tuple(sources), prediction="q")


def test_no_rows_and_nothing_to_compare_are_refused(compare: Callable[..., Any], batches: ModuleType, train: pa.Table) -> None:
    table = flights(train)
    with pytest.raises(batches.InputError, match="the current data has no rows"):
        compare(table, table.slice(0, 0))
    with pytest.raises(batches.InputError, match="the reference has no rows"):
        compare(table.slice(0, 0), table)
    with pytest.raises(batches.InputError, match="the current data has columns of the same name: a"):
        compare(pa.table({"a": [1]}), pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(batches.InputError, match="no column that can be compared"):
        compare(pa.table({"a": [1]}), pa.table({"a": [1]}), ignored=["a"])
    with pytest.raises(batches.InputError, match="no column wekday for categories"):
        compare(table, table, categories=["wekday"])


# --- report and step -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "width", "text"), [
    (1013.25, 2.1, "1013"), (1034.9, 2.1, "1035"), (37.5, 0.8, "37.5"), (0.0509, 0.03, "0.05"), (-2.02, 3.6, "-2"),
    (2.5e7, 1e6, "2.5e+07"), (0.00012, 0.0001, "0.00012"), (1013.25, 0.0, "1013.25"), (0.0, 0.0, "0"), (999_999.0, 10.0, "999999"),
])  # fmt: skip
def test_numbers_below_a_histogram_are_written_out_as_far_as_they_differ(
    comparison: ModuleType, start: float, width: float, text: str
) -> None:
    feature = comparison.Feature(name="x", kind="number", whole=False)
    assert comparison.label(feature, start, width) == text


def test_the_report_is_one_page_and_shows_names_as_they_are(
    compare: Callable[..., Any], comparison: ModuleType, drift_report: ModuleType
) -> None:
    table = pa.table({"<b>bold</b>": ["<i>", "&"] * 20, "one": [1.0] * 40, "gone": [1] * 40})
    limits = comparison.Limits(psi=0.2, ks=0.2, missing_change=0.05, unseen=0.01, prediction_psi=0.1)
    page = drift_report.render(compare(table, table.drop_columns(["gone"])), limits)
    assert "<h1>1 of 3 have drifted</h1>" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "&lt;i&gt;" in page
    assert page.count("<svg") == 2
    for tag in ("<script", "<link", "<img", "<b>bold", "<i>"):
        assert tag not in page
    assert "Nothing has drifted" in drift_report.render(compare(table, table), limits)


def test_the_step_reports_logs_and_fails_when_asked(
    step: Callable[..., Outcome], save: Callable[..., Path], train: pa.Table, tracking: str, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    current = save(replaced(train, "temp", pa.compute.add(train["temp"], 40.0)), tmp_path / "current")
    values = {"reference": save(train, tmp_path / "reference"), "current": current, "fail_on_drift": "True"}
    done = step("drift", values, {"report": tmp_path / "report"})
    assert (done.returncode, done.stdout) == (1, "1 of 17 have drifted\n")
    told = json.loads((tmp_path / "report" / "drift.json").read_text())
    assert told["drifted"] == ["temp"]
    assert told["rows"] == {"reference": train.num_rows, "current": train.num_rows}
    assert told["limits"] == {"psi": 0.2, "ks": 0.2, "missing_change": 0.05, "unseen": 0.01, "prediction_psi": 0.1}
    assert told["features"]["carrier"]["psi"] == 0
    assert told["predictions"] is None
    assert sum(bar["reference"] for bar in told["features"]["temp"]["bars"]) == pytest.approx(1)
    assert (tmp_path / "report" / "report.html").read_text().count("<svg") == 17
    client = MlflowClient(tracking)
    logged = next(run.data.metrics for run in client.search_runs(["0"]) if "temp.psi" in run.data.metrics)
    assert (logged["features"], logged["drifted"], logged["carrier.unseen"]) == (17, 1, 0)
    assert logged["max_psi"] == logged["temp.psi"] == told["features"]["temp"]["psi"] > 0.2

    first, last = done.stderr.splitlines()[-2:]
    assert re.fullmatch(r"temp: PSI [\d.]+, limit 0\.2; KS [\d.]+, limit 0\.2", first)
    assert last == "drift: 1 of 17 are past their limits; the report is in outputs/drift"
    kept = tmp_path / "work" / "outputs" / "drift"
    assert {path.name for path in kept.iterdir()} == {"drift.json", "report.html"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"current_predictions": "reference"}, "predictions of one side were given; they are compared, so it takes both or none"),
        ({"current": "text"}, "text holds text files; types are part of the comparison, so it needs Parquet"),
    ],
    ids=["predictions of one side", "text"],
)
def test_wrong_inputs_are_told_in_one_line(
    component: Callable[..., ModuleType], comparison: ModuleType, drift_report: ModuleType, save: Callable[..., Path],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str,
) -> None:  # fmt: skip
    step = component("drift")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.csv").write_text("a\n1\n")
    save(pa.table({"a": [1]}), tmp_path / "reference")
    places = {"reference": "reference", "current": "reference", **change}
    given = {"prediction-column": "p", "ignored-columns": "", "category-columns": "", "max-psi": "1", "max-ks": "1",
             "max-missing-change": "1", "max-unseen": "1", "max-prediction-psi": "1", "fail-on-drift": "false",
             "report": str(tmp_path / "report"),
             **{name.replace("_", "-"): str(tmp_path / place) for name, place in places.items()}}  # fmt: skip
    monkeypatch.setattr("sys.argv", ["drift.py", *(word for name, value in given.items() for word in (f"--{name}", value))])
    with pytest.raises(step.InputError, match=re.escape(message)):
        step.main()
    assert not (tmp_path / "report").exists()
