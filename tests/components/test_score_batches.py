"""score's batches: files of any size and kind, a few rows at a time, and no line of them is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def batches(component: Callable[..., ModuleType]) -> ModuleType:
    component("score", "columns")
    return component("score", "batches")


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def rows_of(source: object, size: int = 2) -> tuple[list[dict[str, object]], list[str]]:
    rows, malformed = [], []
    for batch, lines in source.batches(size):  # type: ignore[attr-defined]
        assert batch.num_rows <= size
        rows += batch.to_pylist()
        malformed += lines
    return rows, malformed


def test_the_rows_of_several_files_come_in_the_order_of_their_names(batches: ModuleType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([3], pa.int64()), "b": ["z"]}), tmp_path / "b.parquet")
    (tmp_path / "deeper").mkdir()
    pq.write_table(pa.table({"b": ["x", "y"], "a": pa.array([1, 2], pa.int32())}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": [4], "b": ["v"]}), tmp_path / "deeper" / "c.parquet")
    (tmp_path / "_SUCCESS").touch()
    pq.write_table(pa.table({"c": [4]}), tmp_path / "_being-written.parquet")
    source = batches.source(tmp_path)
    assert (source.rows, source.textual, source.schema.field("a").type) == (4, False, pa.int64())
    assert [row["a"] for row in rows_of(source)[0]] == [1, 2, 3, 4]


def test_what_other_programs_have_left_is_passed_over_and_other_files_are_named(
    batches: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in ("in", "in/.ipynb_checkpoints", "in/_temporary/0"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder, a_csv="a\n1\n")
    write(tmp_path / "in", b_csv_gz="", notes_txt="", _SUCCESS="", MLTable_old="")
    assert rows_of(batches.source(tmp_path / "in"))[0] == [{"a": "1"}]
    assert capfd.readouterr().err == "score: passed over MLTable.old, b.csv_gz, notes.txt: neither Parquet nor CSV\n"

    write(tmp_path, MLTable="paths:\n- folder: in\ntransformations:\n- read_delimited\n")
    assert rows_of(batches.source(tmp_path))[0] == [{"a": "1"}]


def test_a_parquet_file_that_is_damaged_is_told_by_its_name(batches: ModuleType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [str(number) for number in range(1000)]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:100] + bytes(100) + content[200:])
    with pytest.raises(batches.InputError, match=r"^a\.parquet cannot be read: "):
        rows_of(batches.source(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_text_in_another_encoding_is_refused_with_what_to_do(batches: ModuleType, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("a,b\n1,é\n".encode(encoding))
    with pytest.raises(batches.InputError, match="text files are read as UTF-8, so write it in that encoding"):
        rows_of(batches.source(tmp_path))


def test_a_mark_of_the_byte_order_and_other_line_ends_change_nothing(batches: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfa,b\r\n1,"x\r\n""y"""\r\n')
    assert rows_of(batches.source(tmp_path)) == ([{"a": "1", "b": 'x\r\n"y"'}], [])


def test_a_large_row_group_is_read_in_pieces(batches: ModuleType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(1000)}), tmp_path / "a.parquet", row_group_size=1000)
    sizes = [batch.num_rows for batch, _ in batches.source(tmp_path).batches(300)]
    assert sizes == [300, 300, 300, 100]


def test_lines_that_are_no_rows_are_told_with_their_text(batches: ModuleType, tmp_path: Path) -> None:
    folder = write(tmp_path, a_csv='a,b\n1,x\n2\n3,"y\nz"\n4,w,more\n')
    rows, malformed = rows_of(batches.source(folder))
    assert rows == [{"a": "1", "b": "x"}, {"a": "3", "b": "y\nz"}]
    assert malformed == ["not a row: 1 fields where there are 2 columns: 2",
                         "not a row: 3 fields where there are 2 columns: 4,w,more"]  # fmt: skip


def test_a_last_line_that_is_no_row_is_told_as_well(batches: ModuleType, tmp_path: Path) -> None:
    assert rows_of(batches.source(write(tmp_path, a_tsv="a\tb\n1\n")))[1] == ["not a row: 1 fields where there are 2 columns: 1"]


def test_the_rows_of_a_large_text_file_are_estimated(
    batches: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PROBE", 1000)
    folder = write(tmp_path, a_csv="a\n" + "12345\n" * 10_000)
    assert 9_500 < batches.source(folder).rows < 10_500


@pytest.mark.parametrize(
    ("transformations", "expected"),
    [
        ("- read_delimited", [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]),
        ("- read_delimited: {header: no_header, delimiter: ','}\n- drop_columns: Column2",
         [{"Column1": "a"}, {"Column1": "1"}, {"Column1": "a"}, {"Column1": "2"}]),
        ("- read_delimited:\n    encoding: utf8\n- keep_columns: [b]", [{"b": "x"}, {"b": "y"}]),
    ],
)  # fmt: skip
def test_an_mltable_of_text_is_read_as_it_says(
    batches: ModuleType, tmp_path: Path, transformations: str, expected: list[dict[str, str]]
) -> None:
    folder = write(tmp_path / "t", one_txt="a,b\n1,x\n", two_txt="a,b\n2,y\n", other_csv="q\n")
    table = f"paths:\n- pattern: ./*.txt\n- file: ./one.txt\ntransformations:\n{transformations}\n"
    assert rows_of(batches.source(write(folder, MLTable=table)))[0] == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*.csv", "0"), ("./*/*.csv", "1"), ("**/*.csv", "012"), ("in/**/*.csv", "12"), ("?.csv", "0"), ("[b-z]*/*.csv", "1")],
)
def test_a_star_in_an_mltable_ends_at_a_slash_and_two_do_not(
    batches: ModuleType, tmp_path: Path, pattern: str, expected: str
) -> None:
    for depth, folder in enumerate((tmp_path, tmp_path / "in", tmp_path / "in" / "deep")):
        write(folder, a_csv=f"a\n{depth}\n")
    write(tmp_path, MLTable=f"paths:\n- pattern: '{pattern}'\ntransformations:\n- read_delimited\n")
    assert "".join(sorted(str(row["a"]) for row in rows_of(batches.source(tmp_path))[0])) == expected


def test_an_mltable_of_parquet_is_read_as_it_says(batches: ModuleType, tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"a": [1], "b": [name]}), tmp_path / name / "x.parquet")
    write(tmp_path, MLTable="paths:\n- folder: ./in\ntransformations:\n- read_parquet\n- drop_columns: [a]\n")
    assert rows_of(batches.source(tmp_path)) == ([{"b": "in"}], [])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a_csv": "a\n", "MLTable": "paths: [{pattern: 'x**.csv'}]\ntransformations: [read_delimited]\n"}, "holds no Parquet|no pattern"),
        ({"x_txt": "a\n"}, "holds no Parquet or CSV file"),
        ({"a_csv": "a,b\n1,2\n", "b_csv": "a,c\n1,2\n"}, "b.csv lacks b and has c besides, beside a.csv"),
        ({"a_csv": "a\n1\n", "b_csv": ""}, "^b.csv cannot be read: Empty CSV file"),
        ({"a_parquet": "no"}, "^a.parquet cannot be read: "),
        ({"MLTable": "paths: 3\n"}, "is not an MLTable"),
        ({"MLTable": "paths: [{file: a.csv}]\ntransformations: [{filter: 'col(1)'}]\n"}, "the MLTable has filter, and"),
        ({"MLTable": "paths: [{file: ../a.csv}]\ntransformations: [read_delimited]\n"}, "only what lies in the table's folder"),
        ({"MLTable": "paths: [{file: 'https://x/a.csv'}]\ntransformations: [read_delimited]\n"}, "only what lies in"),
        ({"MLTable": "paths: [{file: a.csv}]\ntransformations: [read_delimited]\n"}, "names a.csv, which is not there"),
        ({"a_csv": "a\n", "MLTable": "paths: [{file: a.csv}]\n"}, "needs one of read_parquet and read_delimited"),
        ({"a_csv": "a\n", "MLTable": "paths: [{file: a.csv}]\ntransformations: [{read_delimited: {encoding: latin1}}]\n"},
         "encoding is latin1"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_as_one_table_is_refused_in_one_sentence(
    batches: ModuleType, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(batches.InputError, match=message) as caught:
        batches.source(write(tmp_path / "d", **files))
    assert "\n" not in str(caught.value)


def test_columns_of_types_that_have_nothing_in_common_are_refused(batches: ModuleType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(batches.InputError, match="the files have columns of different types"):
        batches.source(tmp_path)


@pytest.mark.parametrize(("option", "expected"), [("", None), (": {empty_as_string: true}", "")])
def test_an_mltable_says_whether_empty_text_is_a_value(
    batches: ModuleType, tmp_path: Path, option: str, expected: str | None
) -> None:
    table = f"paths:\n- file: a.csv\ntransformations:\n- read_delimited{option}\n"
    assert rows_of(batches.source(write(tmp_path, a_csv="a,b\n1,\n", MLTable=table)))[0] == [{"a": "1", "b": expected}]
