"""The one line of a log that says what the scoring script raised."""

import pytest

from mlops_lib.serving.logs import reason

OURS = ["starting", "Traceback (most recent call last):", '  File "score.py", line 1', "lightgbm.basic.LightGBMError: Unknown format"]
THEIRS = ["", "The above exception was the direct cause of the following exception:", "UserScriptException: Caught", "INFO bye"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*OURS, *THEIRS], "lightgbm.basic.LightGBMError: Unknown format"),
        ([*OURS, "INFO bye"], "lightgbm.basic.LightGBMError: Unknown format"),
        (["one", "Killed", ""], "Killed"),
        ([], ""),
    ],
)
def test_it_is_what_was_raised_first(lines: list[str], said: str) -> None:
    assert reason(lines) == said
