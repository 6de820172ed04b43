"""Cutting and reading, on real files; what values become was seen with mltable 1.7."""

import datetime
import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_lib.document import parse, unparse
from mlops_lib.engines.local.workers import files
from mlops_lib.engines.local.workers.tables import Refused, Table
from mlops_lib.mltable import plan_of

NAMES = st.text(alphabet="abc", min_size=1, max_size=3)


def plan(folder: Path, *steps: Any, paths: Any = ({"pattern": "./**/*.csv"},)) -> dict[str, Any]:
    document = parse(unparse({"paths": list(paths), "transformations": list(steps)}), "MLTable")
    return json.loads(json.dumps(plan_of(document).to_dict(str(folder))))


def whole(folder: Path, *steps: Any, size: int = 1 << 20, **more: Any) -> pd.DataFrame:
    """All rows of a table, read mini-batch by mini-batch, as a worker that was told the schema reads them."""
    made = plan(folder, *steps, **more)
    spool = folder.parent / "spool"
    spool.mkdir(exist_ok=True)
    table = Table(made)
    reader = Table(made, json.loads(json.dumps(table.schema)))
    frames = [reader.read(json.loads(json.dumps(batch))) for batch in table.batches(size, [], str(spool))]
    return pd.concat(frames, ignore_index=True)


def values(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if value is None or value is pd.NaT or value != value else value for value in row] for row in frame.values.tolist()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "table"
    for name, text in {
        "a/1/f1.csv": "x,y,d,f\n1,a,2020-01-02,yes\n2,,2020-01-03,no\n",
        "a/2/f2.csv": "x,y,d,f\n3,b,2020-01-04,yes\n,c,,\n",
        "b/3/f3.csv": 'x,y,d,f\n5,"q, r",2020-01-05,true\n6,d,2020-01-06,no\n',
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


# --- files -----------------------------------------------------------------------------------------------------------


@given(st.lists(NAMES), st.integers(1, 7))
def test_every_file_is_in_exactly_one_mini_batch_and_only_the_last_may_be_small(paths: list[str], size: int) -> None:
    groups = list(files.in_groups(paths, size))
    assert [path for group in groups for path in group] == paths
    assert all(len(group) == size for group in groups[:-1])
    assert all(0 < len(group) <= size for group in groups)


@given(st.lists(st.tuples(NAMES, NAMES)))
def test_a_key_has_all_its_files_in_their_order(paths: list[tuple[str, str]]) -> None:
    names = ["/".join(parts) for parts in paths]
    groups = files.by_key(names, lambda path: {"first": path.partition("/")[0], "more": 1}, ["first"])
    assert sorted(path for _, group in groups for path in group) == sorted(names)
    keys = [key["first"] for key, _ in groups]
    assert keys == list(dict.fromkeys(path.partition("/")[0] for path in names))
    for key, group in groups:
        assert group == [path for path in names if path.partition("/")[0] == key["first"]]


def test_files_come_in_the_order_of_their_names_and_lazily(folder: Path) -> None:
    found = files.walk(str(folder))
    assert next(found).endswith("a/1/f1.csv")
    (folder / "b" / "3" / "late.csv").write_text("")  # nobody has looked there yet
    assert [path.rpartition("/")[2] for path in found] == ["f2.csv", "f3.csv", "late.csv"]
    assert list(files.walk(str(folder / "a/1/f1.csv"))) == [str(folder / "a/1/f1.csv")]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ({"pattern": "./**/*.csv"}, ["f1", "f2", "f3"]),
        ({"pattern": "a/*/*.csv"}, ["f1", "f2"]),
        ({"pattern": "**/f[12].csv"}, ["f1", "f2"]),
        ({"pattern": "./?/3/*"}, ["f3"]),
        ({"folder": "./a"}, ["f1", "f2"]),
        ({"file": "b/3/f3.csv"}, ["f3"]),
    ],
)
def test_paths_are_files_folders_and_patterns(folder: Path, path: Any, names: list[str]) -> None:
    assert [Path(found).stem for found in files.files(plan(folder, paths=[path]))] == names


@pytest.mark.parametrize("path", [{"pattern": "./*.tsv"}, {"file": "./nope.csv"}, {"folder": "nope"}])
def test_a_path_that_is_not_there_is_named(folder: Path, path: dict[str, str]) -> None:
    with pytest.raises(Refused, match=f"{re.escape(repr(next(iter(path.values()))))} of the MLTable"):
        list(files.files(plan(folder, paths=[path])))


def test_files_of_a_table_can_be_divided_by_what_their_paths_say(folder: Path) -> None:
    made = plan(folder, {"extract_columns_from_partition_format": {"partition_format": "{group}/{number}/{name}.csv"}})
    batches = list(files.listed_batches(made, 1, ["group"]))
    assert [batch["key"] for batch in batches] == [{"group": "a"}, {"group": "b"}]
    assert [len(batch["paths"]) for batch in batches] == [2, 1]
    with pytest.raises(Refused, match=r"the partition key 'x' is in no partition_format .* name one of group, number, name"):
        list(files.listed_batches(made, 1, ["x"]))


# --- cutting ---------------------------------------------------------------------------------------------------------

TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters='\r\n",', exclude_categories=["Cc", "Cs"]), max_size=8)


@given(st.lists(st.lists(TEXTS.map(lambda text: f"_{text}"), min_size=1, max_size=40), min_size=1, max_size=4), st.integers(1, 200))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=60)
def test_every_row_is_in_exactly_one_mini_batch_of_about_the_size(tmp_path: Path, contents: list[list[str]], size: int) -> None:
    folder = tmp_path / "rows"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, rows in enumerate(contents):
        (folder / f"{number}.csv").write_text("\n".join(["name", *rows]) + "\n" * (number % 2))
    table = Table(plan(folder, "read_delimited"))
    batches = list(table.batches(size, [], ""))
    longest = max(len(row.encode()) + 1 for rows in contents for row in rows)
    for batch in batches:
        [piece] = batch["pieces"]
        last_of_file = piece["end"] == Path(piece["file"]).stat().st_size
        assert 0 < piece["end"] - piece["start"] < size + longest
        assert piece["end"] - piece["start"] >= size or last_of_file
    read = [row for batch in batches for row in table.read(batch)["name"]]
    assert read == [row for rows in contents for row in rows]


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_quoted_line_breaks_do_not_end_a_row_when_there_may_be_some(tmp_path: Path, size: int) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    rows = [("plain", 1), ("two\nlines", 2), ('a ""quote""\n\nand more', 3), ("end", 4)]
    (folder / "a.csv").write_text("t,n\n" + "".join(f'"{text}",{number}\n' for text, number in rows))
    found = whole(folder, {"read_delimited": {"support_multi_line": True}}, size=size)
    assert values(found) == [[text.replace('""', '"'), number] for text, number in rows]


def test_parquet_is_cut_at_its_row_groups(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    frame = pd.DataFrame({"n": range(1000), "t": [f"text {number}" for number in range(1000)]})
    frame.to_parquet(folder / "a.parquet", row_group_size=100)
    made = plan(folder, {"read_parquet": {"include_path_column": True}}, paths=[{"pattern": "*.parquet"}])
    table = Table(made)
    assert len(list(table.batches(1, [], ""))) == 10
    assert len(list(table.batches(1 << 30, [], ""))) == 1
    found = whole(folder, {"read_parquet": {"include_path_column": True}}, paths=[{"pattern": "*.parquet"}], size=3000)
    assert list(found.columns) == ["Path", "n", "t"]
    pd.testing.assert_frame_equal(found[["n", "t"]], frame)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("uv")), min_size=1, max_size=30))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=15)
def test_keys_that_stand_in_the_rows_gather_them_all(tmp_path: Path, rows: list[tuple[int, str]]) -> None:
    folder, spool = tmp_path / "keyed", tmp_path / "spool"
    for place in (folder, spool):
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
    (folder / "a.csv").write_text("k,l,n\n" + "".join(f"{k + 10},{label},{n + 10}\n" for n, (k, label) in enumerate(rows)))
    table = Table(plan(folder, "read_delimited"))
    batches = [json.loads(json.dumps(batch)) for batch in table.batches(1, ["k", "l"], str(spool))]
    assert [tuple(batch["key"].values()) for batch in batches] == list(dict.fromkeys((k + 10, label) for k, label in rows))
    for batch in batches:
        mine = [n + 10 for n, (k, label) in enumerate(rows) if (k + 10, label) == tuple(batch["key"].values())]
        assert list(table.read(batch)["n"]) == mine


def test_a_key_that_no_column_has_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the partition key 'z' is no column of the table: it has x, y, d, f"):
        list(Table(plan(folder, "read_delimited")).batches(1, ["z"], str(tmp_path)))


def test_keys_that_stand_in_paths_need_no_reading(folder: Path, tmp_path: Path) -> None:
    made = plan(folder, {"read_delimited": {"include_path_column": True}},
                {"extract_columns_from_partition_format": {"partition_format": "{group}/{number}/{name}.csv"}})  # fmt: skip
    table = Table(made)
    batches = list(table.batches(1, ["group"], str(tmp_path / "no folder")))
    assert [(batch["key"], len(table.read(batch))) for batch in batches] == [({"group": "a"}, 4), ({"group": "b"}, 2)]
    assert list(table.read(batches[1]).columns) == ["Path", "x", "y", "d", "f", "group", "number", "name"]


# --- values: as mltable has them -------------------------------------------------------------------------------------

DAY = pd.Timestamp


def test_types_are_told_from_the_first_rows(folder: Path) -> None:
    found = whole(folder, "read_delimited")
    assert [str(kind) for kind in found.dtypes] == ["float64", "object", "datetime64[ns]", "object"]
    assert values(found) == [
        [1.0, "a", DAY("2020-01-02"), "yes"],
        [2.0, None, DAY("2020-01-03"), "no"],
        [3.0, "b", DAY("2020-01-04"), "yes"],
        [None, "c", None, None],
        [5.0, "q, r", DAY("2020-01-05"), "true"],
        [6.0, "d", DAY("2020-01-06"), "no"],
    ]


@pytest.mark.parametrize(
    ("texts", "kind", "found"),
    [
        (["true", "False"], "bool", [True, False]),
        (["1", "0"], "bool", [True, False]),
        (["007", "08"], "int64", [7, 8]),
        (["-1", "+2", " 3"], "int64", [-1, 2, 3]),
        (["1e3", "2.5E-1", ".5"], "float64", [1000.0, 0.25, 0.5]),
        (["12345678901234567890", "1"], "float64", [1.2345678901234567e19, 1.0]),
        (["NA", "nan"], "object", ["NA", "nan"]),
        (["5%", "10:30"], "object", ["5%", "10:30"]),
        (["2020/01/02", "2020/01/03"], "datetime64[ns]", [DAY("2020-01-02"), DAY("2020-01-03")]),
        (["2020-01-02 03:04:05", "2020-01-02T03:04:06Z"], "datetime64[ns]", [DAY("2020-01-02 03:04:05"), DAY("2020-01-02 03:04:06")]),
        (["13/02/2020", "01/02/2020"], "datetime64[ns]", [DAY("2020-02-13"), DAY("2020-02-01")]),
        (["2020-01-02", "2020-01-02 03:04:05"], "datetime64[ns]", [DAY("2020-01-02"), DAY("2020-01-02 03:04:05")]),
        (["2 Jan 2020", "3 Jan 2020"], "object", ["2 Jan 2020", "3 Jan 2020"]),
        (["yes", "no"], "object", ["yes", "no"]),
    ],
)
def test_a_column_becomes_what_mltable_makes_of_it(tmp_path: Path, texts: list[str], kind: str, found: list[Any]) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.csv").write_text("c,end\n" + "".join(f"{text},x\n" for text in texts))
    column = whole(folder, "read_delimited")["c"]
    assert (str(column.dtype), column.tolist()) == (kind, found)


def test_what_does_not_fit_the_type_of_its_column_is_null(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.csv").write_text("n,b,d\n" + "12,true,2020-01-02\n" * 200 + "x,perhaps,never\n")
    assert values(whole(folder, "read_delimited", size=64))[-1] == [None, None, None]
    assert values(whole(folder, {"read_delimited": {"infer_column_types": False}}))[-1] == ["x", "perhaps", "never"]


@pytest.mark.parametrize(
    ("options", "columns", "first"),
    [
        ({"header": "no_header"}, ["Column1", "Column2", "Column3", "Column4"], ["x", "y", "d", "f"]),
        ({"header": "from_first_file"}, ["x", "y", "d", "f"], ["1", "a", "2020-01-02", "yes"]),
        ({"header": "all_files_different_headers"}, ["x", "y", "d", "f"], [1.0, "a", DAY("2020-01-02"), "yes"]),
        ({"empty_as_string": True}, ["x", "y", "d", "f"], ["1", "a", "2020-01-02", "yes"]),
        ({"infer_column_types": False}, ["x", "y", "d", "f"], ["1", "a", "2020-01-02", "yes"]),
    ],
)
def test_options_of_delimited_files(folder: Path, options: Any, columns: list[str], first: list[Any]) -> None:
    found = whole(folder, {"read_delimited": options})
    assert list(found.columns) == columns
    assert values(found)[0] == first
    assert len(found) == {"no_header": 9, "from_first_file": 8}.get(options.get("header"), 6)
    nothing = "" if options.get("empty_as_string") else None
    assert [row[1] for row in values(found)].count(nothing) == 1


def test_files_with_headers_of_their_own_are_read_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.csv").write_text("n,t\n10,u\n")
    (folder / "b.csv").write_text("t,n,more\nv,20,z\n")
    found = whole(folder, {"read_delimited": {"header": "all_files_different_headers"}})
    assert values(found[["n", "t", "more"]]) == [[10, "u", None], [20, "v", "z"]]


def test_lines_of_other_lengths_and_names_that_are_no_names(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.csv").write_text("a,a,,c\n11,2,3,4\n3\n4,5,6,7,8\n\n7,8\n")
    found = whole(folder, "read_delimited")
    assert list(found.columns) == ["a", "a_1", "Column3", "c", "Column5"]
    assert values(found) == [[11, 2, 3, 4, None], [3, None, None, None, None], [4, 5, 6, 7, 8], [7, 8, None, None, None]]


@pytest.mark.parametrize(("encoding", "python"), [("utf8", "utf-8-sig"), ("latin1", "latin-1"), ("windows1252", "cp1252"), ("utf16", "utf-16")])
@pytest.mark.parametrize("size", [4, 1 << 20])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, python: str, size: int) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.tsv").write_bytes("né\tn\nü\t11\nß\t12\n".encode(python))
    found = whole(folder, {"read_delimited": {"encoding": encoding, "delimiter": "\t"}}, paths=[{"file": "a.tsv"}], size=size)
    assert list(found.columns) == ["né", "n"]
    assert values(found) == [["ü", 11], ["ß", 12]]


def test_json_lines_are_records(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"a": 1, "b": "x", "c": [1, 2]}\n{"a": 2, "b": null}\nbad\n{"a": 3, "z": true}\n')
    dropped = whole(folder, {"read_json_lines": {"invalid_lines": "drop"}}, paths=[{"file": "a.jsonl"}])
    assert dropped["a"].tolist() == [1, 2, 3]
    assert dropped["c"].tolist()[0] == [1, 2]
    assert whole(folder, {"read_json_lines": {"invalid_lines": "drop"}}, paths=[{"file": "a.jsonl"}], size=1)["a"].tolist() == [1, 2, 3]
    with pytest.raises(Refused, match="a line is not JSON: bad"):
        whole(folder, "read_json_lines", paths=[{"file": "a.jsonl"}])


# --- what is done to rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 20, 1 << 20])
@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([{"take": 3}], [1, 2, 3]),
        ([{"take": 0}], []),
        ([{"take": 100}], [1, 2, 3, None, 5, 6]),
        ([{"skip": 2}], [3, None, 5, 6]),
        ([{"skip": 1}, {"take": 2}], [2, 3]),
        ([{"take": 4}, {"skip": 3}], [None]),
        ([{"filter": "col('x') >= 2"}, {"take": 2}], [2, 3]),
        ([{"filter": "col('x') > 2 and col('y') != 'b'"}], [5, 6]),
        ([{"filter": "col('x') == 1 or col('d') > datetime(2020, 1, 5)"}], [1, 6]),
        ([{"filter": "not (col('x') > 2)"}], [1, 2]),
        ([{"filter": "not (col('x') > 2 and col('y') == 'q, r')"}], [1, 2, 3, None, 6]),
        ([{"take_random_sample": {"probability": 1}}], [1, 2, 3, None, 5, 6]),
        ([{"take_random_sample": {"probability": 0, "seed": 3}}], []),
    ],
)
def test_rows_that_are_taken(folder: Path, steps: list[Any], kept: list[Any], size: int) -> None:
    if kept:
        assert [row[0] for row in values(whole(folder, "read_delimited", *steps, size=size))] == kept
    else:
        (folder.parent / "spool").mkdir()
        table = Table(plan(folder, "read_delimited", *steps))
        assert sum(len(table.read(batch)) for batch in table.batches(size, [], str(folder.parent / "spool"))) == 0


def test_a_sample_is_the_same_whoever_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.csv").write_text("n\n" + "".join(f"{number}\n" for number in range(10, 2010)))
    steps = ["read_delimited", {"take_random_sample": {"probability": 0.3, "seed": 5}}]
    first, again = (whole(folder, *steps, size=500) for _ in range(2))
    assert first.equals(again)
    assert 450 < len(first) < 750
    other = whole(folder, "read_delimited", {"take_random_sample": {"probability": 0.3, "seed": 6}}, size=500)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("step", "columns"),
    [({"keep_columns": ["y", "x"]}, ["x", "y"]), ({"drop_columns": ["x", "nope"]}, ["y", "d", "f"]), ({"keep_columns": "f"}, ["f"])],
)
def test_columns_that_are_kept(folder: Path, step: Any, columns: list[str]) -> None:
    assert list(whole(folder, "read_delimited", step).columns) == columns


def test_columns_become_what_they_are_told_to_be(folder: Path) -> None:
    conversions = [
        {"columns": ["x"], "column_type": "string"},
        {"columns": "f", "column_type": {"boolean": {"true_values": ["yes", "true"], "false_values": ["no"]}}},
        {"columns": "y", "column_type": "int"},
    ]
    found = whole(folder, "read_delimited", {"convert_column_types": conversions})
    assert [row[0] for row in values(found)] == ["1", "2", "3", None, "5", "6"]
    assert [row[3] for row in values(found)] == [True, False, True, None, True, False]
    assert [row[1] for row in values(found)] == [None] * 6
    numbers = whole(folder, "read_delimited", {"convert_column_types": [{"columns": "x", "column_type": "float"}]})
    assert str(numbers["x"].dtype) == "float64"


def test_dates_in_a_form_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "a.csv").write_text("d\n2 Jan 2020\n2020 03\n")
    conversion = {"convert_column_types": [{"columns": "d", "column_type": {"datetime": {"formats": ["%d %b %Y", "%Y %m"]}}}]}
    assert whole(folder, "read_delimited", conversion)["d"].tolist() == [DAY("2020-01-02"), DAY("2020-03-01")]


def test_columns_come_from_paths(folder: Path) -> None:
    dated = folder / "2020" / "01" / "05"
    dated.mkdir(parents=True)
    (dated / "p.csv").write_text("x\n7\n")
    steps = [{"read_delimited": {"include_path_column": True}},
             {"extract_columns_from_partition_format": {"partition_format": "{when:yyyy/MM/dd}/{name}.csv"}},
             {"keep_columns": ["x", "when", "name"]}]  # fmt: skip
    found = whole(folder, *steps, paths=[{"file": "2020/01/05/p.csv"}, {"file": "a/1/f1.csv"}])
    assert list(found.columns) == ["x", "name", "when"]
    assert values(found)[0] == [7, "p", DAY("2020-01-05")]
    assert values(found)[1][1:] == [None, None]
    key = {"when": datetime.datetime(2020, 1, 5), "name": "p"}
    assert files.unpacked(json.loads(json.dumps(files.packed(key)))) == key


def test_columns_that_are_asked_for_before_the_rows_are_read_come_first_and_have_types(folder: Path, tmp_path: Path) -> None:
    format_ = {"extract_columns_from_partition_format": {"partition_format": "/{group}/{number}/*.csv", "path_column": "Path"}}
    found = whole(folder, format_, {"read_delimited": {"include_path_column": True}}, size=1)
    assert list(found.columns) == ["Path", "group", "number", "x", "y", "d", "f"]
    assert found["number"].tolist() == [1, 1, 2, 2, 3, 3]
    assert found["group"].tolist() == ["a", "a", "a", "a", "b", "b"]
    assert whole(folder, format_, {"read_delimited": {"infer_column_types": False}})["number"].tolist() == list("112233")
    batches = Table(plan(folder, format_, "read_delimited")).batches(1, ["group"], str(tmp_path / "no folder"))
    assert [batch["key"] for batch in batches] == [{"group": "a"}, {"group": "b"}]
    with pytest.raises(Refused, match="the column 'x' of the MLTable's partition_format is in its rows, too"):
        whole(folder, {"extract_columns_from_partition_format": {"partition_format": "/{x}/*.csv"}}, "read_delimited")


def test_columns_of_paths_come_last_where_the_file_tells_types_itself(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    (folder / "year=2020" / "month=01").mkdir(parents=True)
    (folder / "year=2020" / "month=01" / "a.jsonl").write_text('{"x": 1}\n')
    found = whole(folder, {"extract_columns_from_partition_format": {"partition_format": "/year={year:yyyy}/month={month}"}},
                  "read_json_lines", paths=[{"pattern": "./**/*.jsonl"}])  # fmt: skip
    assert list(found.columns) == ["x", "month", "year"]
    assert values(found) == [[1, "01", DAY("2020-01-01")]]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("/year={n}/*/x.csv", "20"),
        ("/year={n}/month=*/*.csv", "20"),
        ("/*/month={n}/*", "1"),
        ("/year={n}/*.csv", None),
        ("/year={n}/month=?/x.csv", None),
        ("/year={n}/month=1/.*", None),
    ],
)
def test_a_star_in_a_partition_format_is_anything_within_one_name(text: str, number: "str | None") -> None:
    assert files.extracted(text, "/data/year=20/month=1/x.csv") == {"n": number}


def test_a_column_cannot_come_from_both_paths_and_rows(folder: Path) -> None:
    steps = [{"read_delimited": {"include_path_column": True}}, {"extract_columns_from_partition_format": {"partition_format": "{x}/{n}.csv"}}]
    with pytest.raises(Refused, match="the column 'x' of the MLTable's partition_format is in its rows, too"):
        whole(folder, *steps)


def test_without_a_reader_the_rows_are_paths(folder: Path) -> None:
    found = whole(folder)
    assert list(found.columns) == ["Path"]
    assert [Path(row[0]).name for row in values(found)] == ["f1.csv", "f2.csv", "f3.csv"]


def test_what_only_the_package_knows_says_so_without_it(folder: Path, tmp_path: Path) -> None:
    made = plan(folder, "read_delimited", {"filter": "col('y').startswith('a')"})
    with pytest.raises(Refused, match=r"the filter .* has more than comparisons(.|\n)*install mltable in the step's environment"):
        list(Table(made).batches(1, [], str(tmp_path)))


def test_a_piece_is_all_that_is_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    folder = tmp_path / "t"
    folder.mkdir()
    with (folder / "a.csv").open("w") as file:
        file.write("n,t\n")
        for number in range(400_000):
            file.write(f"{number},some text {number}\n")
    size = (folder / "a.csv").stat().st_size
    made = plan(folder, "read_delimited")
    table, rows = Table(made), 0
    table.read(next(table.batches(1, [], "")))
    tracemalloc.start()
    for batch in table.batches(size // 100, [], ""):
        rows += len(table.read(batch))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 400_000
    assert peak < size / 4
    assert not math.isnan(peak)
