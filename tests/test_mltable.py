import json
from typing import Any

import pytest

from mlops_lib.document import parse
from mlops_lib.errors import InputError
from mlops_lib.mltable import TablePlan, plan_of


def plan(text: str) -> TablePlan:
    return plan_of(parse(text, "t/MLTable"))


FILES = "paths:\n- pattern: ./*.csv\n"


def test_a_plan_is_plain_data() -> None:
    found = plan("paths: [{file: a.csv}, {folder: b}, {pattern: 'c/**/*.csv'}]\ntransformations: [read_delimited, {take: 5}]\n")
    data = found.to_dict("/here")
    assert json.loads(json.dumps(data)) == data
    assert data["paths"] == [["file", "a.csv"], ["folder", "b"], ["pattern", "c/**/*.csv"]]
    assert (data["reader"], data["steps"]) == ("read_delimited", [["take", 5]])


def test_a_reader_has_the_defaults_of_azure_ml() -> None:
    assert plan(FILES + "transformations: [read_delimited]\n").options == {
        "delimiter": ",", "header": "all_files_same_headers", "support_multi_line": False, "empty_as_string": False,
        "encoding": "utf-8-sig", "include_path_column": False, "infer_column_types": {"sample_size": 200, "overrides": []},
        "path_column": "Path", "partition_size": None,
    }  # fmt: skip
    assert plan(FILES).reader is None


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("{keep_columns: [a, b]}", ("keep_columns", ["a", "b"])),
        ("{drop_columns: a}", ("drop_columns", ["a"])),
        ("{skip: 3}", ("skip", 3)),
        ("{take_random_sample: {probability: 0.5, seed: 7}}", ("take_random_sample", {"probability": 0.5, "seed": 7})),
        ("{take_random_sample: {probability: 1}}", ("take_random_sample", {"probability": 1.0, "seed": 0})),
        ("{convert_column_types: [{columns: a, column_type: int}]}", ("convert_column_types", [{"columns": ["a"], "type": "int"}])),
        (
            "{convert_column_types: [{columns: [a], column_type: {datetime: {formats: '%Y'}}}]}",
            ("convert_column_types", [{"columns": ["a"], "type": "datetime", "formats": ["%Y"]}]),
        ),
        (
            "{filter: 'col(\"a\") > 2 and not (col(\"b\") == \"x\")'}",
            ("filter", ["and", [">", ["col", "a"], ["value", 2]], ["not", ["==", ["col", "b"], ["value", "x"]]]]),
        ),
        ("{filter: \"col('a') >= datetime(2020, 1, 2)\"}", ("filter", [">=", ["col", "a"], ["datetime", 2020, 1, 2]])),
        ("{filter: a < 3 and 2 <= b}", ("filter", ["and", ["<", ["col", "a"], ["value", 3]], ["<=", ["value", 2], ["col", "b"]]])),
        ("{filter: \"col('a') < -1.5\"}", ("filter", ["<", ["col", "a"], ["value", -1.5]])),
    ],
)
def test_what_is_done_to_rows_is_read(text: str, steps: Any) -> None:
    found = plan(f"{FILES}transformations:\n- read_delimited\n- {text}\n")
    assert found.steps == (steps,)
    assert found.beyond == ""


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("- read_delta_lake: {version_as_of: 1}", 4, "the transformation 'read_delta_lake' of an MLTable is not known here"),
        ("- read_delimited\n- select_partitions: [1]", 5, "the transformation 'select_partitions'"),
        ("- read_delimited\n- filter: \"feature('x')\"", 5, "the filter \"feature('x')\" has more than comparisons"),
        ("- read_delimited\n- filter: \"col('a').upper() == 'B'\"", 5, "has more than comparisons"),
        ("- read_delimited\n- keep_columns: {pattern: 'a.*'}", 5, "columns that are chosen by a pattern are not known here"),
        ("- read_delimited\n- convert_column_types: [{columns: a, column_type: stream_info}]", 5, "the column type 'stream_info'"),
        ("- take: 1\n- read_delimited", 5, "take in front of read_delimited, where it counts files, is not known here"),
        ("- read_delimited: {delimiter: '||'}", 4, "the delimiter '||' of more than one character"),
    ],
)
def test_what_only_the_package_knows_is_named_with_its_place(text: str, line: int, what: str) -> None:
    beyond = plan(f"{FILES}transformations:\n{text}\n").beyond
    assert what in beyond
    assert beyond.startswith(f"t/MLTable:{line}:")
    assert beyond.endswith("fix: install mltable in the step's environment")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "names no paths"),
        ("transformations: [read_delimited]", "names no paths"),
        ("paths: [{file: ../x.csv}]", "leads out of the folder of the MLTable file\n  why: Azure ML uploads that folder"),
        ("paths: [{file: /data/x.csv}]", "leads out of the folder"),
        ("paths: [{folder: 'https://x/y'}]", "is not on this machine"),
        ("paths: [{path: x.csv}]", "none of file, folder and pattern"),
        (FILES + "transformations: [{read_delimited: {delimeter: ','}}]", "no option 'delimeter'\n  fix: did you mean 'delimiter'"),
        (FILES + "transformations: [{read_delimited: {encoding: utf9}}]", "the encoding 'utf9' of read_delimited is not known"),
        (FILES + "transformations: [{read_delimited: {header: none}}]", "the header of read_delimited is 'none'"),
        (FILES + "transformations: [{take: many}]", "need a whole number"),
        (FILES + "transformations: [{take_random_sample: {probability: 2}}]", "a probability from 0 to 1"),
        (FILES + "transformations: [{extract_columns_from_partition_format: '{a}'}]", "needs a partition_format"),
        (
            FILES + "transformations: [read_delimited, {extract_columns_from_partition_format: {partition_format: '{a}'}}]",
            "finds no paths in the rows\n  why: Azure ML would leave its columns empty\n  fix: write it in front of read_delimited, or 'include_path_column: true'",
        ),
    ],
)
def test_what_nobody_could_read_is_one_error(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("t/MLTable:")
