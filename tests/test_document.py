import contextlib
import datetime
import resource
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_lib.document import LIMIT_BYTES, LIMIT_DEPTH, Items, Scalar, Table, is_written, parse, plain, unparse, walk
from mlops_lib.errors import CompileError, Finding, Place


def table(text: str | bytes) -> Table:
    value = parse(text, "f.yml")
    assert isinstance(value, Table)
    return value


def findings(text: str | bytes) -> list[Finding]:
    with pytest.raises(CompileError) as caught:
        parse(text, "f.yml")
    return list(caught.value.findings)


def only(text: str | bytes) -> tuple[str, int, int]:
    [finding] = findings(text)
    assert finding.place.file == "f.yml"
    return finding.code, finding.place.line, finding.place.column


# --- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["a: 1\nbb:\n  c: [x, yy]\n", "a: 1\r\nbb:\r\n  c: [x, yy]\r\n", "\ufeffa: 1\nbb:\n  c: [x, yy]\n"],
    ids=["plain", "CRLF", "BOM"],
)
@pytest.mark.parametrize("encoded", [False, True], ids=["text", "bytes"])
def test_every_key_and_value_knows_its_place(text: str, encoded: bool) -> None:
    value = table(text.encode() if encoded else text)
    assert value.places == {"a": Place("f.yml", 1, 1), "bb": Place("f.yml", 2, 1)}
    assert value.entries["a"].place == Place("f.yml", 1, 4)
    inner = value.entries["bb"]
    assert isinstance(inner, Table)
    assert inner.places["c"] == Place("f.yml", 3, 3)
    items = inner.entries["c"]
    assert isinstance(items, Items)
    assert items.place == Place("f.yml", 3, 6)
    assert [item.place for item in items.items] == [Place("f.yml", 3, 7), Place("f.yml", 3, 10)]


def test_a_column_counts_characters_not_bytes() -> None:
    value = table('{"ключ": "😀😀", x: 1}')
    assert value.places["x"] == Place("f.yml", 1, 16)
    assert value.entries["x"].place == Place("f.yml", 1, 19)


def test_an_alias_has_the_place_of_what_it_repeats_and_its_key_has_its_own() -> None:
    value = table("a: &it\n  x: 1\nb: *it\n")
    assert value.places["b"] == Place("f.yml", 3, 1)
    assert value.entries["b"] == value.entries["a"]


def test_merged_keys_come_after_own_ones_and_never_replace_them() -> None:
    value = table("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n")
    assert plain(value.entries["c"]) == {"x": 9, "y": 2, "z": 4}
    merged = value.entries["c"]
    assert isinstance(merged, Table)
    assert merged.places["z"] == Place("f.yml", 2, 14)


def test_walk_meets_every_scalar_in_the_order_of_the_file() -> None:
    assert [scalar.text for scalar in walk(table("a: 1\nb: [x, {c: y}]\nd: z\n"))] == ["1", "x", "y", "z"]


# --- YAML 1.1 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("off", False),
        ("No", False),
        ("ON", True),
        ("true", True),
        ("y", "y"),
        ("n", "n"),
        ("1e-3", "1e-3"),
        ("1.0e-3", 0.001),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1_000", 1000),
        ("0o7", "0o7"),
        ("017", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("12:30", 750),
        ("12:30:45.5", 45045.5),
        ("1:99", "1:99"),
        ("08", "08"),
        ("~", None),
        ("null", None),
        ("", None),
        ("2024-02-29", datetime.date(2024, 2, 29)),
        ("2024-01-01 10:00:00", datetime.datetime(2024, 1, 1, 10)),
        (".inf", float("inf")),
        ('"yes"', "yes"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!int '3'", 3),
        ("1.2.3", "1.2.3"),
    ],
)
def test_values_are_read_as_yaml_1_1(text: str, value: object) -> None:
    found = table(f"x: {text}\n").entries["x"]
    assert isinstance(found, Scalar)
    assert found.value == value
    assert type(found.value) is type(value)


def test_a_scalar_keeps_its_text_and_whether_it_was_quoted() -> None:
    value = table("a: 0x1F\nb: '1'\nc: |\n  text\n")
    assert [(scalar.text, scalar.quoted) for scalar in walk(value)] == [("0x1F", False), ("1", True), ("text\n", True)]


def test_keys_stay_as_they_are_written() -> None:
    assert list(table("yes: 1\n012: 2\n~: 3\n").entries) == ["yes", "012", "~"]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff", "\n\n", "---\n...\n"])
def test_an_empty_text_is_a_null_scalar(text: str) -> None:
    value = parse(text, "f.yml")
    assert isinstance(value, Scalar)
    assert value.value is None


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: 1\nb: 2\na: 3\n", ("duplicate-key", 3, 1)),
        ("{a: 1, a: 2}", ("duplicate-key", 1, 8)),
        ("a:\n  b: 1\n  'b': 2\n", ("duplicate-key", 3, 3)),
        ("a:\n\tb: 1\n", ("not-yaml", 2, 1)),
        ("é: a\x00\n", ("not-yaml", 1, 5)),
        ("a: 1\nb: é\x07", ("not-yaml", 2, 5)),
        (b"a: \xff\n", ("not-utf8", 1, 4)),
        ("é: ".encode() + b"\xff\n", ("not-utf8", 1, 4)),
        (b"\xef\xbb\xbfa: 1\nb: \xe9\n", ("not-utf8", 2, 4)),
        ("a: 1".encode("utf-16"), ("not-utf8", 1, 1)),
        ("x: \ud800", ("not-utf8", 1, 4)),
        ("a: 1\n---\nb: 2\n", ("not-yaml", 2, 1)),
        ("a: b: c\n", ("not-yaml", 1, 5)),
        ("a: [1\n", ("not-yaml", 2, 1)),
        ("a: *nobody\n", ("not-yaml", 1, 4)),
        ("a: &a [*a]\n", ("not-yaml", 1, 4)),
        ("a: &a\n  b: *a\n", ("not-yaml", 1, 4)),
        ("? [a, b]\n: 1\n", ("bad-key", 1, 3)),
        ("a: &a 1\nb:\n  <<: *a\n", ("bad-key", 1, 4)),
        ("a: 2024-13-45\n", ("bad-literal", 1, 4)),
        ("a: !!bool maybe\n", ("bad-literal", 1, 4)),
        ("a: !!timestamp soon\n", ("bad-literal", 1, 4)),
        ("a: !!int ''\n", ("bad-literal", 1, 4)),
        ("a: !!omap x\n", ("bad-literal", 1, 4)),
        ("a: !!binary aGk=\n", ("bad-literal", 1, 4)),
        ("a: !!python/object/apply:os.system [ls]\n", ("bad-literal", 1, 4)),
        ("a: !Ref {b: 1}\n", ("bad-literal", 1, 4)),
        ("a: 0b_\n", ("bad-literal", 1, 4)),
        ("a: =\n", ("bad-literal", 1, 4)),
        (f"a: {'9' * 5000}\n", ("bad-literal", 1, 4)),
        (f"a: 0x{'f' * 5000}\n", ("bad-literal", 1, 4)),
        (b" " * (LIMIT_BYTES + 1), ("too-large", 1, 1)),
    ],
)
def test_what_no_pipeline_needs_is_refused_at_its_place(text: str | bytes, where: tuple[str, int, int]) -> None:
    assert only(text) == where


def test_every_mistake_of_a_file_is_reported() -> None:
    assert [(finding.code, finding.place.line) for finding in findings("a: 1\na: 2\nb: !!int x\n? {}\n: 1\n")] == [
        ("duplicate-key", 2),
        ("bad-literal", 3),
        ("bad-key", 4),
    ]


def test_a_tab_is_explained() -> None:
    assert "no tabs" in findings("a:\n\tb: 1\n")[0].fix


def test_a_colon_in_a_value_is_explained() -> None:
    assert "quote the value" in findings("command: echo a: b\n")[0].fix


def test_an_expression_that_wants_quotes_is_explained() -> None:
    assert "put ${{…}} in quotes" in findings("inputs: {data: ${{parent.inputs.raw}}}\n")[0].fix
    assert plain(table("data: ${{parent.inputs.raw}}\n")) == {"data": "${{parent.inputs.raw}}"}


def test_a_long_value_is_not_repeated_whole() -> None:
    assert len(findings(f"a: {'9' * 100_000}\n")[0].what) < 200


def test_a_file_at_the_limit_is_read() -> None:
    assert plain(parse(b"a: 1\n#" + b" " * (LIMIT_BYTES - 6), "f.yml")) == {"a": 1}


def test_levels_up_to_the_limit_are_read_and_one_more_is_not() -> None:
    assert parse("[" * LIMIT_DEPTH + "]" * LIMIT_DEPTH, "f.yml")
    assert only("[" * (LIMIT_DEPTH + 2) + "]" * (LIMIT_DEPTH + 2))[0] == "too-deep"


ATTACKS = {
    "billion laughs": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)),
    "laughs in mappings": "a0: &a0 {k: v}\n"
    + "".join(f"a{n}: &a{n} {{{','.join(f'k{i}: *a{n - 1}' for i in range(10))}}}\n" for n in range(1, 30)),
    "merges": "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30)),
    "flow lists": "[" * 200_000,
    "flow mappings": "{a: " * 200_000,
    "dashes": "- " * 200_000,
    "question marks": "? " * 200_000,
    "mixed marks": "- ? " * 100_000,
    "indented": "\n".join(" " * level + "a:" for level in range(2500)),
    "indented by carriage returns": "\r".join(" " * level + "a:" for level in range(2500)),
    "indented dashes": "\n".join(" " * level + "-" for level in range(2500)),
    "base sixty": "x: 1" + ":1" * 500_000,
    "digits": "x: " + "1" * 2_000_000,
    "hexadecimal": "x: 0x" + "f" * 2_000_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_files_are_refused_in_bounded_time(name: str) -> None:
    # In a process of its own: the worst that can happen is a crash in C.
    program = (
        "import sys\nfrom mlops_lib.document import parse\nfrom mlops_lib.errors import CompileError\n"
        "try:\n    parse(sys.stdin.buffer.read(), 'f.yml')\nexcept CompileError as error:\n    print(error.findings[0].code)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program], input=ATTACKS[name].encode(), capture_output=True, timeout=240)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()[-300:]
    assert done.stdout.decode().strip() in ("too-deep", "too-large", "bad-literal", "not-yaml")
    assert after.ru_utime - before.ru_utime < 20


@given(st.binary(max_size=200))
@example(b"%YAML 3.0\n---\n")
@example(b"? ? ?")
@example(b"\xef\xbb\xbf\xff")
@example(b"!<!> {}")
def test_random_bytes_are_read_or_refused_never_worse(data: bytes) -> None:
    with contextlib.suppress(CompileError):
        plain(parse(data, "f.yml"))


WORDS = st.sampled_from(
    [
        "a",
        "-",
        "?",
        ":",
        "- ",
        "? ",
        ": ",
        "\n",
        "  ",
        "\t",
        "&a",
        "*a",
        "<<",
        "!!",
        "!!int ",
        "!!set",
        "[",
        "]",
        "{",
        "}",
        ",",
        "|",
        ">",
        "'",
        '"',
        "#",
        "%",
        "---",
        "...",
        "1",
        "yes",
        "2024-01-01",
        "=",
        "~",
        "\r",
        "\x85",
        "é",
        "\\",
        "@",
        "`",
        "\ud800",
        "\x00",
        "1:2",
        "0x",
        "_",
    ]
)


@given(st.lists(WORDS, max_size=30).map("".join))
def test_scraps_of_yaml_are_read_or_refused_never_worse(text: str) -> None:
    try:
        places = [scalar.place for scalar in walk(parse(text, "f.yml"))]
    except CompileError as error:
        places = [finding.place for finding in error.findings]
    assert all(place.line >= 1 and place.column >= 1 for place in places)


# --- writing ---------------------------------------------------------------------------------------------------------

SPECIAL = st.sampled_from(
    [
        "yes",
        "Off",
        "1e-3",
        "1.0",
        "null",
        "~",
        "",
        " ",
        "2024-01-01",
        "12:30",
        "0x1f",
        "017",
        "1_000",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "${{inputs.x}}",
        "$[[--a ${{inputs.x}}]]",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a`",
        "'",
        '"',
        "a\n",
        "a\n\n",
        "\na",
        "  a\nb",
        "a  \nb",
        "a\tb\nc",
        "python a.py \\\n  --x 1\n",
        "line\n  indented\nback\n",
        "é ü 日本 😀",
        "\x85",
        "\u2028",
        "a\rb",
        "\x07",
        "[a]",
        "{a: b}",
        "x" * 300,
        "word " * 60,
        "---",
        "...",
    ]
)
TEXT = st.one_of(SPECIAL, st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
LEAVES = st.one_of(
    TEXT,
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.dates(min_value=datetime.date(1000, 1, 1)),
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXT.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(DATA)
@example({"command": "a\n\n  b \n"})
@example({"x" * 200: 1})
def test_what_is_written_reads_back_as_the_same_data(data: Any) -> None:
    text = unparse(data)
    assert plain(parse(text, "f.yml")) == data
    assert plain(parse(text.encode(), "f.yml")) == data


def test_commands_of_several_lines_stay_readable() -> None:
    assert unparse({"command": "one\ntwo\n"}) == "command: |\n  one\n  two\n"


def test_repeated_parts_are_written_twice_not_shared() -> None:
    part = {"type": "uri_folder"}
    assert "&" not in unparse({"a": part, "b": part})


def test_a_header_stands_first() -> None:
    assert unparse({"a": 1}, header="# hello\n") == "# hello\na: 1\n"


@given(DATA)
def test_what_was_written_is_known_again(data: Any) -> None:
    assert is_written(unparse(data, header="# hello\n"), data, header="# hello\n")


@pytest.mark.parametrize("text", ["a: one\n", "a: one\nb: 2 # a note\n", "b: 2\na: one\n", "a: one\nb: '2'\n", "a: 'one'\nb: 2\n"])
def test_what_was_changed_by_hand_is_not_what_was_written(text: str) -> None:
    assert not is_written(text, {"a": "one", "b": 2})


# --- places inside a text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "key: one two three",
        "é: one two three  # not three",
        "key: 'one two three'",
        'key: "one two\n  three"',
        "key: one\n  two\n\n  three\n",
        "key: >-\n  one two\n  three\n",
        "key: |  # two three\n  one\n\n    two\n  three\n",
        "key: |+\r\n  one two\r\n  three\r\n",
    ],
)
def test_a_word_of_a_text_is_found_in_its_source(text: str) -> None:
    document = parse("# 日本\n" + text, "f.yml")
    assert isinstance(document, Table)
    [value] = document.entries.values()
    assert isinstance(value, Scalar)
    lines = ["# 日本", *text.replace("\r\n", "\n").split("\n")]
    for word in ("one", "two", "three"):
        place = value.place_of(value.text.index(word))
        assert lines[place.line - 1][place.column - 1 :].startswith(word)


@pytest.mark.parametrize("text", ["key: 'it''s one'", 'key: "a \\"one\\""', 'key: "\\u0061b\n  one"'])
def test_where_quoting_hides_a_word_the_text_as_a_whole_is_the_place(text: str) -> None:
    document = parse(text, "f.yml")
    assert isinstance(document, Table)
    value = document.entries["key"]
    assert isinstance(value, Scalar)
    assert value.place_of(0) == value.place
