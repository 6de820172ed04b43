"""Judge what our roots would make with checkov: nothing fails that is not listed, with its reason, in checkov.yml.

    tox -e checkov

It judges plans, not files: a scan of the files skips whatever has a count or a for_each, and does not know a variable's value.
checkov has an environment of its own, because it brings a package called hcl2 that is not that of python-hcl2.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from roots import ROOTS, bench

HERE = Path(__file__).resolve().parent
LISTED = HERE / "checkov.yml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """A check that may fail in some roots, because of *reason*."""

    check: str
    reason: str
    roots: tuple[str, ...]

    def covers(self, failure: Failure) -> bool:
        return failure.check == self.check and failure.root in self.roots


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A check that failed."""

    root: str
    check: str
    what: str
    resource: str


def listed(text: str) -> list[Allowance]:
    """The allowances in checkov.yml; one without a reason is none."""
    found = []
    for entry in yaml.safe_load(text):
        if not str(entry.get("reason", "")).strip():
            raise SystemExit(f"{LISTED.name}: {entry.get('check')} has no reason")
        found.append(Allowance(check=entry["check"], reason=entry["reason"], roots=tuple(entry.get("roots", ROOTS))))
    return found


def failures(plans: Mapping[str, Any], folder: Path) -> tuple[int, list[Failure]]:
    """How many checks checkov made on *plans*, and those that failed.

    Raises:
        SystemExit: checkov could not read a plan, or had nothing to say about it.
    """
    files = {root: folder / f"{root}.json" for root in plans}
    for root, file in files.items():
        file.write_text(json.dumps(plans[root]))
    program = Path(sys.executable).with_name("checkov")
    arguments = ["--framework", "terraform_plan", "--output", "json", "--compact", "--soft-fail", "--skip-download"]
    done = subprocess.run([program, "-f", *files.values(), *arguments], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    if told["results"]["parsing_errors"]:
        raise SystemExit(f"checkov cannot read {', '.join(told['results']['parsing_errors'])}")
    checks = told["results"]["passed_checks"] + told["results"]["failed_checks"]
    silent = set(plans) - {_root(check) for check in checks}
    if silent:
        raise SystemExit(f"checkov has nothing to say about {', '.join(sorted(silent))}")
    return len(checks), [
        Failure(root=_root(check), check=check["check_id"], what=check["check_name"], resource=check["resource"])
        for check in told["results"]["failed_checks"]
    ]


def _root(check: Mapping[str, Any]) -> str:
    return Path(check["file_path"]).stem


def judge(found: Iterable[Failure], allowances: Iterable[Allowance]) -> list[str]:
    """What is wrong: failures that nothing covers, and allowances that cover nothing any more."""
    allowances, found = list(allowances), list(found)
    wrong = [f"{f.root}: {f.check} fails for {f.resource}: {f.what}" for f in found if not any(e.covers(f) for e in allowances)]
    for allowance in allowances:
        idle = [root for root in allowance.roots if not any(allowance.covers(f) for f in found if f.root == root)]
        wrong += [f"{LISTED.name}: {allowance.check} no longer fails in {root}: take it out" for root in idle]
    return wrong


def main() -> None:
    with bench() as prepared:
        plans = {name: prepared.stage(name).plan() for name in ROOTS}
        total, found = failures(plans, prepared.folder)
    wrong = judge(found, listed(LISTED.read_text()))
    if wrong:
        raise SystemExit("\n".join(wrong))
    print(f"checkov: {total} checks of {len(plans)} plans, {len(found)} failures that {LISTED.name} gives reasons for")


if __name__ == "__main__":
    main()
