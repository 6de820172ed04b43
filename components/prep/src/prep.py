"""Raw flights and weather to labelled features, split in time order."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# All a feature may be made of. Columns that are known only once the flight has left (dep_time, dep_delay, arr_time,
# air_time, and tailnum, which changes when an aircraft is swapped) are never read; arr_delay is, for the label.
SCHEDULE = pa.schema(
    [
        ("time_hour", pa.timestamp("ms", tz="UTC")),
        ("sched_dep_time", pa.int32()),
        ("sched_arr_time", pa.int32()),
        ("carrier", pa.string()),
        ("flight", pa.int32()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("distance", pa.int32()),
    ]
)
OUTCOME = pa.field("arr_delay", pa.float64())
WEATHER_VALUES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
WEATHER = pa.schema(
    [("time_hour", pa.timestamp("ms", tz="UTC")), ("origin", pa.string())] + [(name, pa.float64()) for name in WEATHER_VALUES]
)

# The vocabularies are fixed, so a code means the same in every run and every model. Append; never reorder.
# A value that is not listed, or is missing, is coded -1, which the models read as "unknown".
VOCABULARIES = {
    "carrier": "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV",
    "origin": "EWR JFK LGA",
    "dest": "ABQ ACK ALB ANC ATL AUS AVL BDL BGR BHM BNA BOS BQN BTV BUF BUR BWI BZN CAE CAK CHO CHS CLE CLT CMH CRW CVG "
    "DAY DCA DEN DFW DSM DTW EGE EYW FLL GRR GSO GSP HDN HNL HOU IAD IAH ILM IND JAC JAX LAS LAX LEX LGA LGB MCI MCO MDW "
    "MEM MHT MIA MKE MSN MSP MSY MTJ MVY MYR OAK OKC OMA ORD ORF PBI PDX PHL PHX PIT PSE PSP PVD PWM RDU RIC ROC RSW SAN "
    "SAT SAV SBN SDF SEA SFO SJC SJU SLC SMF SNA SRQ STL STT SYR TPA TUL TVC TYS XNA",
}

FASTEST_WIND = 200.0  # mph; one row of 2013 says 1,048


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


def departures_before(scheduled: pd.Series, origin: pd.Series, minutes: int = 60) -> pd.Series:
    """How many flights the schedule has from the same airport in the *minutes* before each flight.

    The interval is ``[t - minutes, t)``: flights at the same minute or later do not count, so a flight's value never
    depends on a later flight.
    """
    count = pd.Series(0, index=scheduled.index, dtype="int64")
    at = (scheduled.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]").astype("int64")) // 60
    for _, times in at.groupby(origin):
        ordered = np.sort(times.to_numpy())
        count[times.index] = np.searchsorted(ordered, times) - np.searchsorted(ordered, times - minutes)
    return count.astype("int32")


def features(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """What is known about each flight before it leaves; needs no outcome, so it serves unlabelled flights too.

    Args:
        flights: The columns of `SCHEDULE`; more are ignored. Any order, any index without repetition.
        weather: The columns of `WEATHER`, at most one row for an airport and hour.

    Returns:
        One row per flight with the index of *flights*: ``flight_id`` (string), ``scheduled_departure`` (UTC), the
        features as int32, and weather as float64 (missing where no observation exists).
    """
    scheduled = flights["time_hour"] + pd.to_timedelta(flights["sched_dep_time"] % 100, unit="min")
    local = scheduled.dt.tz_convert("America/New_York")
    departure = flights["sched_dep_time"] // 100 * 60 + flights["sched_dep_time"] % 100  # minute of the day, local
    arrival = flights["sched_arr_time"] // 100 * 60 + flights["sched_arr_time"] % 100  # minute of the day, local there

    table = pd.DataFrame(
        {
            "flight_id": flight_ids(scheduled, flights),
            "scheduled_departure": scheduled,
            **{
                name: pd.Categorical(flights[name], categories=words.split()).codes.astype("int32")
                for name, words in VOCABULARIES.items()
            },
            "weekday": local.dt.dayofweek.astype("int32"),  # 0 is Monday
            "departure_minute": departure.astype("int32"),
            # The month is left out on purpose: the models would only ever be asked about months they have not seen.
            "scheduled_minutes": ((arrival - departure) % 1440).astype("int32"),  # off by the difference in time zones
            "distance": flights["distance"].astype("int32"),  # miles
            "departures_last_hour": departures_before(scheduled, flights["origin"]),
        },
        index=flights.index,
    )

    # The observation of an hour may be made at its end. The one of the hour before is always made before the
    # scheduled hour begins, so before any flight in it leaves.
    observed = weather.assign(
        time_hour=weather["time_hour"] + pd.Timedelta(hours=1),
        wind_speed=weather["wind_speed"].where(weather["wind_speed"] <= FASTEST_WIND),
    )
    joined = flights[["origin", "time_hour"]].merge(observed, how="left", on=["origin", "time_hour"])
    table[list(WEATHER_VALUES)] = joined[list(WEATHER_VALUES)].to_numpy("float64")
    return table


def flight_ids(scheduled: pd.Series, flights: pd.DataFrame) -> pd.Series:
    """Like ``2013-01-01T10:15Z-EWR-UA-1545``: scheduled departure (UTC), origin, carrier, flight number."""
    instants = pa.array(scheduled, pa.timestamp("s", tz="UTC"), safe=False).dictionary_encode()  # few: format each once
    parts = [
        pc.strftime(instants.dictionary, format="%Y-%m-%dT%H:%MZ").take(instants.indices),
        pa.array(flights["origin"], pa.string()),
        pa.array(flights["carrier"], pa.string()),
        pa.array(flights["flight"]).cast(pa.string()),
    ]
    return pd.Series(pc.binary_join_element_wise(*parts, "-").to_pandas().to_numpy(), index=flights.index)


def late(flights: pd.DataFrame, minutes: int) -> pd.Series:
    """1 when the flight arrived more than *minutes* late, 0 when it did not, missing when it never arrived."""
    return (flights["arr_delay"] > minutes).astype("Int8").where(flights["arr_delay"].notna())


def split(table: pd.DataFrame, validation_from: pd.Timestamp, test_from: pd.Timestamp) -> Iterator[tuple[str, pd.DataFrame]]:
    """Train, validation and test, named, each before the next: the boundaries are the first instants of a part."""
    at = table["scheduled_departure"]
    yield "train", table[at < validation_from]
    yield "validation", table[(at >= validation_from) & (at < test_from)]
    yield "test", table[at >= test_from]


def read(path: Path, schema: pa.Schema) -> pa.Table:
    """The columns of *schema* from the Parquet file *path*.

    Raises:
        InputError: no such file, a column is missing or of another kind, or there are no rows.
    """
    if not path.is_file():
        raise InputError(f"{path.parent} has no {path.name}")
    try:
        found = pq.read_schema(path).names
        if missing := [name for name in schema.names if name not in found]:
            raise InputError(f"{path.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}")
        table = pq.read_table(path, columns=schema.names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error
    try:
        table = table.cast(schema)
    except pa.ArrowException as error:
        raise InputError(f"{path.name} has a column of another type than expected: {error}") from error
    if not table.num_rows:
        raise InputError(f"{path.name} has no rows")
    return table


def required(schema: pa.Schema) -> list[str]:
    """The columns that have a value in every row: all but measured numbers."""
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


def whole(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """The columns of *schema* from the Parquet file *path*, of which every row has what is required.

    Raises:
        InputError: as `read`, or a row lacks something.
    """
    table = read(path, schema)
    if empty := [name for name in required(schema) if table[name].null_count]:
        raise InputError(f"{path.name} has rows without {', '.join(empty)}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def observations(raw: Path) -> pd.DataFrame:
    """The weather under *raw*, at most once for an airport and hour."""
    weather = whole(raw / "weather.parquet", WEATHER)
    if repeated := int(weather.duplicated(["origin", "time_hour"]).sum()):
        raise InputError(f"weather.parquet has {repeated} hours twice for one airport")
    return weather


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The flights by scheduled departure.

    The raw rows of a day are in order of actual departure, which is not known beforehand. An id begins with the scheduled
    departure, so the order of ids is the order in time, and the same for equal times.
    """
    return table.take(pc.sort_indices(pa.array(table["flight_id"], pa.string()))).reset_index(drop=True)


def prepare(raw: Path, late_minutes: int) -> pd.DataFrame:
    """Features and the label ``late`` of every flight under *raw* that arrived, in order of scheduled departure."""
    flights = whole(raw / "flights.parquet", SCHEDULE.append(OUTCOME))
    table = features(flights, observations(raw))
    if repeated := int(table["flight_id"].duplicated().sum()):
        raise InputError(f"flights.parquet has {repeated} flights twice (time, origin, carrier and flight number)")
    table = table.assign(late=late(flights, late_minutes))
    return in_order(table[table["late"].notna()].astype({"late": "int8"}))


def documented(field: pa.Field) -> pa.Field:
    """A column with, beside its type, the words that its codes stand for."""
    words = VOCABULARIES.get(field.name)
    return field.with_metadata({"words": words}) if words else field


def save(rows: pd.DataFrame, folder: Path) -> None:
    """Write a part as Parquet; the same rows give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    content = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    content = content.cast(pa.schema([documented(field) for field in content.schema]))
    pq.write_table(content, folder / "part-00000.parquet", compression="zstd")


def day(text: str) -> pd.Timestamp:
    """The first instant of the day *text* (``YYYY-MM-DD``) in New York."""
    try:
        return pd.to_datetime(text, format="%Y-%m-%d").tz_localize("America/New_York")
    except ValueError as error:
        raise InputError(f"{text!r} is not a day like 2013-09-01") from error


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--validation-from", required=True)
    parser.add_argument("--test-from", required=True)
    parser.add_argument("--late-minutes", type=int, required=True)
    for part in ("train", "validation", "test"):
        parser.add_argument(f"--{part}", type=Path, required=True)
    args = parser.parse_args()

    boundaries = day(args.validation_from), day(args.test_from)
    if boundaries[0] >= boundaries[1]:
        raise InputError(f"validation must begin before test: {args.validation_from} and {args.test_from}")
    table = prepare(args.raw, args.late_minutes)
    for part, rows in split(table, *boundaries):
        if rows.empty:
            raise InputError(f"no flight that arrived falls into {part}; look at --validation-from and --test-from")
        save(rows, getattr(args, part))
        print(f"{part}: {len(rows):,} flights, {rows['late'].mean():.1%} late")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"prep: {error}")
