import runpy
from pathlib import Path

from mlops_lib.findings import CODES

ROOT = Path(__file__).resolve().parent.parent


def test_every_code_is_described_and_every_description_has_a_code() -> None:
    broken = {path.name for path in (ROOT / "tests" / "broken").iterdir()}
    assert sorted(broken - CODES.keys()) == [], "describe these in mlops_lib/findings.py"
    assert sorted(CODES.keys() - broken) == [], "these have no project in tests/broken"


def test_descriptions_are_sentences_of_the_length_that_code_scanning_shows() -> None:
    for code, (short, full) in CODES.items():
        assert list(CODES) == sorted(CODES)
        assert short[0] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ$.", code
        assert not short.endswith("."), code
        assert len(short) < 120, code
        assert full.endswith("."), code


def test_the_page_of_findings_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "findings.py"))["page"]()
    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == page, "run: python docs/findings.py"
