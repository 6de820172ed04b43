"""Findings as SARIF 2.1.0, for code scanning.

Source: the Static Analysis Results Interchange Format 2.1.0, an OASIS standard.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from .errors import Finding, Suggestion
from .findings import CODES
from .fix import edits_for

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Finding], *, version: str, text_of: Callable[[str], str | None]) -> dict[str, Any]:
    """One SARIF log with one run.

    Args:
        findings: What was found; their files are relative to the folder that the log is made for.
        version: The tool's.
        text_of: The text of a file that a finding names; None when it cannot be read.
    """
    used = sorted({finding.code for finding in findings})
    index = {code: number for number, code in enumerate(used)}
    seen: Counter[str] = Counter()
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "mlops", "version": version, "semanticVersion": version,
                "rules": [_rule(code) for code in used],
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"ROOT": {"description": {"text": "The folder that the files were named from."}}},
            "results": [_result(finding, index[finding.code], text_of, seen) for finding in findings],
        }],
    }


def _rule(code: str) -> dict[str, Any]:
    short, full = CODES[code]
    return {
        "id": code, "name": "".join(part.title() for part in code.split("-")), "shortDescription": {"text": short},
        "fullDescription": {"text": full}, "help": {"text": full}, "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, rule: int, text_of: Callable[[str], str | None], seen: Counter[str]) -> dict[str, Any]:
    message = ". ".join(part.rstrip(".") for part in (finding.what, finding.why, finding.fix) if part)
    result: dict[str, Any] = {
        "ruleId": finding.code, "ruleIndex": rule, "level": finding.severity.value, "message": {"text": message},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(finding.place.file)}}],
    }
    if finding.place.line:
        region: dict[str, Any] = {"startLine": finding.place.line, "startColumn": max(finding.place.column, 1)}
        result["locations"][0]["physicalLocation"]["region"] = region
    # What a finding says does not change when lines move above it; the same said twice is told apart by its number.
    key = f"{finding.place.file}:{finding.code}:{finding.what}"
    result["partialFingerprints"] = {"finding/v1": hashlib.sha256(f"{key}:{seen[key]}".encode()).hexdigest()[:32]}
    seen[key] += 1
    text = text_of(finding.place.file) if isinstance(finding.fix, Suggestion) and finding.fix.certain else None
    for edit in edits_for(text, [finding]) if text is not None else ():
        line = text.count("\n", 0, edit.start) + 1 if text else 1
        column = edit.start - (text.rfind("\n", 0, edit.start) + 1 if text else 0) + 1
        result["fixes"] = [{
            "description": {"text": str(finding.fix)},
            "artifactChanges": [{"artifactLocation": _artifact(finding.place.file), "replacements": [{
                "deletedRegion": {"startLine": line, "startColumn": column, "endColumn": column + edit.end - edit.start},
                "insertedContent": {"text": edit.instead},
            }]}],
        }]
    return result


def _artifact(file: str) -> dict[str, str]:
    return {"uri": quote(file.replace("\\", "/")), "uriBaseId": "ROOT"}
