import math

from mlops_lib.comparison import metrics_of, page, rows_of
from mlops_lib.evidence import DataFacts, Evidence, Slice

DATA = DataFacts(digest="sha256:1", rows=1234)
ONE = Evidence(model="<one>", digest="1", data=DATA, metrics={"loss": 0.25, "auc": 0.7}, row_ms=1.5, rows_per_second=12345.6, size=2**21,
               slices=(Slice(by="side", value="<left>", rows=9, metrics={"loss": 0.1}),))
OTHER = Evidence(model="other", digest="2", data=DATA, metrics={"loss": math.nan, "late": 3.0},
                 slices=(Slice(by="side", value="right", rows=10, metrics={"loss": math.inf}),))


def test_a_row_a_model_with_what_was_measured() -> None:
    assert metrics_of([ONE, OTHER]) == ["loss", "auc", "late"]
    assert rows_of([ONE, OTHER]) == [
        ("MODEL", "loss", "auc", "late", "ms A ROW", "ROWS/s", "MB"),
        ("<one>", "0.2500", "0.7000", "–", "1.50", "12,346", "2.00"),
        ("other", "not finite", "–", "3.0000", "–", "–", "–"),
    ]


def test_the_page_stands_alone_and_escapes_names() -> None:
    text = page([ONE, OTHER])
    for absent in ("<one>", "<left>", "<script", "<link", "<img", "http"):
        assert absent not in text
    assert "1,234 rows" in text
    assert text.count("<svg") == 3  # a plot a metric
    assert text.count("<circle") == 3  # what is finite
    assert text.index("right") < text.index("&lt;left&gt;")  # the largest slice first
