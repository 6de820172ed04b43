"""The benchmarks run; how fast anything is, they say themselves."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "benchmarks" / "run.py"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True)


def test_a_benchmark_says_its_limit_what_it_measured_and_whether_that_held() -> None:
    done = run("--only", "help", "large-file", "--runs", "1")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"help +mlops --help: [\d.]+ s by the clock \(limit 0\.15 s: (?:held|NOT HELD)\); "
                        r"[\d.]+ bare starts of \d+ ms of processor time \(limit 11\.5: (?:held|NOT HELD)\)", first)
    assert re.fullmatch(r"large-file +.* \(limit 0\.1 s: (?:held|NOT HELD)\)", second)


def test_every_benchmark_is_described() -> None:
    names = re.search(r"of ([\w, -]+); default: all", " ".join(run("--help").stdout.split()))
    assert names is not None
    described = re.findall(r"^\| `([\w-]+)`", (PROGRAM.parent / "README.md").read_text(), re.MULTILINE)
    assert described == re.findall(r"[\w-]+", re.sub(r"- +", "-", names[1]))
