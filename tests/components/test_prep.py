"""prep: nothing that is known only later gets into a feature, and the parts are apart in time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LATER = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


@pytest.fixture(scope="module")
def flights(raw: Path) -> pd.DataFrame:
    return pq.read_table(raw / "flights.parquet").to_pandas()


@pytest.fixture(scope="module")
def weather(raw: Path) -> pd.DataFrame:
    return pq.read_table(raw / "weather.parquet").to_pandas()


def test_no_feature_depends_on_what_happens_after_departure(
    prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame
) -> None:
    rng = np.random.default_rng(0)
    other = flights.assign(**{name: rng.permutation(flights[name].to_numpy()) for name in LATER}, tailnum="N00000")
    pd.testing.assert_frame_equal(prep.features(flights, weather), prep.features(other, weather))


def test_features_need_no_outcome_at_all(prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    unlabelled = flights.drop(columns=[*LATER, "tailnum"])
    pd.testing.assert_frame_equal(prep.features(flights, weather), prep.features(unlabelled, weather))


@pytest.mark.parametrize("at", ["2013-02-11T14:00Z", "2013-07-04T18:30Z", "2013-12-24T12:00Z"])
def test_later_flights_do_not_change_the_features_of_earlier_ones(
    prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame, at: str
) -> None:
    table = prep.features(flights, weather)
    earlier = table["scheduled_departure"] <= pd.Timestamp(at)
    pd.testing.assert_frame_equal(prep.features(flights[earlier], weather), table[earlier])


def test_the_weather_of_a_flights_own_hour_is_not_used(prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    noon = flights[flights["time_hour"] == pd.Timestamp("2013-05-15T16:00Z")]
    known = weather["time_hour"] < pd.Timestamp("2013-05-15T16:00Z")
    assert len(noon)
    assert prep.features(noon, weather)["temp"].notna().all()
    pd.testing.assert_frame_equal(prep.features(noon, weather), prep.features(noon, weather[known]))


def test_the_order_of_the_raw_rows_does_not_matter(
    save: Callable[..., Path], prep: ModuleType, raw: Path, tmp_path: Path
) -> None:
    flights = pq.read_table(raw / "flights.parquet")
    shuffled = flights.take(pa.array(np.random.default_rng(1).permutation(flights.num_rows)))
    save(shuffled, tmp_path, "flights.parquet")
    save(pq.read_table(raw / "weather.parquet"), tmp_path, "weather.parquet")
    pd.testing.assert_frame_equal(prep.prepare(raw, 15), prep.prepare(tmp_path, 15))


def test_an_impossible_wind_speed_counts_as_missing(prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    one = flights[:1].assign(origin="EWR", time_hour=pd.Timestamp("2013-02-12T09:00Z"))
    features = prep.features(one, weather)
    assert features["wind_speed"].isna().all()
    assert features["temp"].notna().all()


def test_a_category_that_is_not_in_the_vocabulary_is_coded_minus_one(
    prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame
) -> None:
    table = prep.features(flights[:3].assign(carrier="ZZ", dest="XXX"), weather)
    assert (table[["carrier", "dest"]] == -1).all(axis=None)
    assert (table["origin"] >= 0).all()


def test_the_vocabularies_cover_2013(prep: ModuleType, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    assert (prep.features(flights, weather)[["carrier", "origin", "dest"]] >= 0).all(axis=None)


def test_departures_of_the_last_hour_are_counted_by_hand(prep: ModuleType) -> None:
    times = pd.Series(pd.to_datetime(["2013-01-01T10:00Z", "2013-01-01T10:00Z", "2013-01-01T10:59Z", "2013-01-01T11:01Z"]))
    assert prep.departures_before(times, pd.Series(["JFK", "JFK", "JFK", "JFK"])).tolist() == [0, 0, 2, 1]
    assert prep.departures_before(times, pd.Series(["JFK", "LGA", "JFK", "LGA"])).tolist() == [0, 0, 1, 0]


def test_a_flight_is_late_only_beyond_the_limit_and_unlabelled_without_arrival(prep: ModuleType) -> None:
    label = prep.late(pd.DataFrame({"arr_delay": [15.0, 16.0, -3.0, None]}), 15)
    assert label.tolist()[:3] == [0, 1, 0]
    assert label.isna().tolist() == [False, False, False, True]


def test_the_parts_follow_each_other_in_time(parts: dict[str, Path]) -> None:
    tables = [pd.read_parquet(parts[name]) for name in ("train", "validation", "test")]
    for table in tables:
        assert table["scheduled_departure"].is_monotonic_increasing
    for before, after in pairwise(tables):
        assert before["scheduled_departure"].max() < after["scheduled_departure"].min()
    first = [table["scheduled_departure"].min().tz_convert("America/New_York").strftime("%m-%d") for table in tables]
    assert first == ["01-01", "09-01", "11-01"]


def test_every_flight_that_arrived_is_in_exactly_one_part(parts: dict[str, Path], arrived: int) -> None:
    ids = pd.concat([pd.read_parquet(folder, columns=["flight_id"]) for folder in parts.values()])["flight_id"]
    assert len(ids) == arrived
    assert ids.is_unique


def test_the_same_data_gives_the_same_bytes(
    step: Callable[..., subprocess.CompletedProcess[str]], raw: Path, parts: dict[str, Path], tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in parts}
    assert step("prep", {"raw": raw}, folders).returncode == 0
    for name, folder in folders.items():
        assert (folder / "part-00000.parquet").read_bytes() == (parts[name] / "part-00000.parquet").read_bytes()


def test_wrong_inputs_are_named_in_one_line(
    save: Callable[..., Path], step: Callable[..., subprocess.CompletedProcess[str]], raw: Path, tmp_path: Path
) -> None:
    outputs = {name: tmp_path / name for name in ("train", "validation", "test")}
    flights = pq.read_table(raw / "flights.parquet")
    lacking = save(flights.drop_columns(["carrier", "dest"]), tmp_path / "lacking", "flights.parquet")
    empty = save(flights.slice(0, 0), tmp_path / "empty", "flights.parquet")
    position = flights.schema.get_field_index("distance")
    text = flights.set_column(position, "distance", pa.array(["far"] * flights.num_rows))
    typed = save(text, tmp_path / "typed", "flights.parquet")
    (tmp_path / "nothing").mkdir()
    for values, message in (
        ({"raw": tmp_path / "nothing"}, "nothing has no flights.parquet"),
        ({"raw": lacking}, "flights.parquet lacks the columns carrier, dest"),
        ({"raw": empty}, "flights.parquet has no rows"),
        ({"raw": typed}, "flights.parquet has a column of another type than expected"),
        ({"raw": raw, "test_from": "1 November"}, "'1 November' is not a day like 2013-09-01"),
        ({"raw": raw, "test_from": "2013-08-01"}, "validation must begin before test"),
        ({"raw": raw, "test_from": "2014-08-01"}, "no flight that arrived falls into test"),
    ):
        outcome = step("prep", values, outputs)
        assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1), outcome.stderr
        assert outcome.stderr.startswith("prep: ")
        assert message in outcome.stderr
