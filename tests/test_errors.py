import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.errors import (
    Canceled,
    CompileError,
    Finding,
    InputError,
    JobError,
    MlopsError,
    Place,
    Refused,
    RunError,
    Severity,
    did_you_mean,
    duration,
    in_order,
    is_slip,
    listing,
    nearest,
)

FINDING = Finding(code="wrong-type", what="a is wrong", place=Place("f.yml", 2, 3), why="because", fix="mend it")


def test_an_error_reads_as_place_what_why_and_fix() -> None:
    error = InputError("it is wrong", why="a reason", fix="a cure", place=Place("f.yml", 6, 11))
    assert str(error) == "f.yml:6:11: it is wrong\n  why: a reason\n  fix: a cure"


def test_what_is_not_known_is_not_printed() -> None:
    assert str(InputError("it is wrong")) == "it is wrong"
    assert str(InputError("it is wrong", place=Place("f.yml"))) == "f.yml: it is wrong"


@pytest.mark.parametrize(("error", "code"), [(InputError, 2), (Refused, 3), (JobError, 1), (RunError, 1), (Canceled, 130), (MlopsError, 2)])
def test_each_branch_has_its_exit_code(error: type[MlopsError], code: int) -> None:
    assert error("x").exit_code == code


def test_a_compile_error_is_an_input_error_that_prints_every_finding_in_order() -> None:
    later = Finding(code="x", what="later", place=Place("f.yml", 10, 1))
    error = CompileError([later, FINDING, later])
    assert isinstance(error, InputError)
    assert error.findings == (FINDING, later)
    assert str(error) == f"{FINDING}\n{later}"


def test_a_compile_error_speaks_for_its_first_error_not_for_a_warning_before_it() -> None:
    warning = Finding(code="w", what="careful", place=Place("a.yml", 1, 1), severity=Severity.WARNING)
    assert CompileError([FINDING, warning]).what == "a is wrong"
    assert CompileError([warning]).what == "careful"


@pytest.mark.parametrize(
    "error",
    [
        InputError("what", why="why", fix="fix", place=Place("f", 1, 2)),
        RunError("what", fix="fix"),
        Canceled("stopped"),
        CompileError([FINDING, Finding(code="x", what="other", place=Place("g.yml"))]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling_and_copying(error: MlopsError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (twin.what, twin.why, twin.fix, twin.place, str(twin)) == (
            error.what,
            error.why,
            error.fix,
            error.place,
            str(error),
        )
        assert getattr(twin, "findings", None) == getattr(error, "findings", None)


@given(
    st.lists(
        st.builds(
            Finding,
            code=st.sampled_from("ab"),
            what=st.sampled_from("xy"),
            place=st.builds(Place, st.sampled_from(["f", "g"]), st.integers(0, 3), st.integers(0, 3)),
        )
    )
)
def test_findings_are_sorted_and_each_comes_once(findings: list[Finding]) -> None:
    ordered = in_order(findings)
    assert set(ordered) == set(findings)
    assert len(ordered) == len(set(findings))
    assert [finding.place for finding in ordered] == sorted(finding.place for finding in ordered)
    assert in_order(reversed(ordered)) == ordered


def test_lines_are_ordered_as_numbers() -> None:
    ten, two = (Finding(code="x", what="x", place=Place("f", line, 1)) for line in (10, 2))
    assert in_order([ten, two]) == (two, ten)


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("nubmer", ["number", "string"], "did you mean 'number'?"),
        ("RAW", ["raw"], "did you mean 'raw'?"),
        ("zzz", ["b", "a"], "use one of a, b"),
        ("zzz", [], ""),
        ("", ["a"], "use one of a"),
    ],
)
def test_did_you_mean_names_the_nearest_or_lists_them_all(word: str, known: list[str], said: str) -> None:
    assert did_you_mean(word, known) == said


def test_nearest_says_nothing_when_nothing_is_near() -> None:
    assert nearest("zzz", ["alpha"]) == ""
    assert nearest("alpah", ["alpha"]) == "did you mean 'alpha'?"


@pytest.mark.parametrize("word", ["trian", "trin", "traiin", "traim", "rain", "trains"])
def test_a_slip_is_one_letter_left_out_added_changed_or_two_exchanged(word: str) -> None:
    assert is_slip(word, "train")


@pytest.mark.parametrize("word", ["train", "tarni", "training", "train2", "strainer", "", "t"])
def test_another_word_or_another_number_is_no_slip(word: str) -> None:
    assert not is_slip(word, "train")
    assert not is_slip("train_v1", "train_v2")


def test_a_long_listing_ends_in_an_ellipsis() -> None:
    assert listing("abc", limit=2) == "a, b, …"
    assert listing("ab", limit=2) == "a, b"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0404, "40 ms"),
        (0.0994, "99 ms"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3600, "1 h 00 min"),
        (3599.6, "1 h 00 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
