"""Writes docs/findings.md: every code, with the example that tests/broken has of it: ``python docs/findings.py``."""

from pathlib import Path

from mlops_lib.findings import CODES

ROOT = Path(__file__).resolve().parent.parent
BROKEN = ROOT / "tests" / "broken"
HEAD = """\
# Findings

What `mlops validate` may say, by its code. Codes are stable: they stand in `--format json` and `--format sarif`. Errors make
it exit with 2; warnings do so with `--strict`. Each example is a project in [tests/broken](../tests/broken); `--fix` puts a
"did you mean" into the file when nothing else could be meant.

This page is written by `python docs/findings.py`.
"""
CONTEXT = 2  # lines shown around the one that a finding is about


def example(code: str) -> str:
    """What the broken project of a code shows: the lines in question, and what is said of them."""
    folder = BROKEN / code
    said = (folder / "expected.txt").read_text(encoding="utf-8").rstrip()
    parts = []
    for head in [line for line in said.splitlines() if not line.startswith("  ")][:1]:
        name, *place = head.split(": ")[0].rsplit(":", 2)
        file = folder / name
        number = int(place[0]) if len(place) == 2 and place[0].isdigit() else 0
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() and file.stat().st_size < 10_000 else ""
        lines = text.splitlines()
        if number and lines:
            first, last = max(number - 1 - CONTEXT, 0), min(number + CONTEXT, len(lines))
            shown = [line if len(line) < 140 else f"{line[:139]}…" for line in lines[first:last]]
            language = "yaml" if file.suffix in (".yml", ".yaml") else ""
            parts.append(f"```{language}\n" + "\n".join([f"# {name}, line {first + 1}", *shown]) + "\n```")
    parts.append("```text\n" + "\n".join(line if len(line) < 300 else f"{line[:299]}…" for line in said.splitlines()) + "\n```")
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    entries = [f"## {code}\n\n{short}. {full}\n\n{example(code)}\n" for code, (short, full) in sorted(CODES.items())]
    return HEAD + "\n" + "\n".join(entries)


if __name__ == "__main__":
    (ROOT / "docs" / "findings.md").write_text(page(), encoding="utf-8")
