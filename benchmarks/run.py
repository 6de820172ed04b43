"""What we claim about speed, beside the peers in the same run: ``python benchmarks/run.py [--only NAME …] [--runs N]``.

The two sides of a comparison take turns, so that a machine that gets slower slows both, and the median of the ratios pair
by pair is what counts. A limit in seconds was set on a machine where Python starts and does nothing in 13 ms; beside the
seconds, which are this machine's, each is held to as many bare starts, measured in turn in the same run. Nothing here gates
a change.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MLOPS = [sys.executable, "-m", "mlops_lib"]
BARE = [sys.executable, "-c", "pass"]
START = 0.013  # seconds of a bare start where the limits were set
# What would make every start compile its modules anew is none of what is measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}


class Took(NamedTuple):
    """What a process took, in seconds: by the clock, and of the processors with all that it waited for."""

    wall: float
    cpu: float


class Weighed(NamedTuple):
    """A process that has ended well: seconds as in `Took`, the most MB that it or a child of its held, and its output."""

    wall: float
    cpu: float
    memory: float
    output: str

    def inside(self) -> Took:
        """What it says that a part of it took."""
        return Took(*map(float, self.output.split()[-2:]))


Side = Callable[[], Took]


def timed(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, *, expect: int = 0) -> Took:
    """Run a command as a whole process; one that ends with another code than *expect* ends the benchmark."""
    wall, used, _ = ended(command, folder, environment, expect=expect)
    return Took(wall, used.ru_utime + used.ru_stime)


def weighed(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Weighed:
    """The same, with its memory and output."""
    wall, used, output = ended(command, folder, environment)
    return Weighed(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), output)


def ended(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, *,
          expect: int = 0) -> tuple[float, resource.struct_rusage, str]:
    """Run a command to its end: how long that was, what it used, and what it wrote."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, **(environment or {})}, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
        if process.returncode != expect:
            sys.exit(f"{' '.join(command)} exited with {process.returncode}\n{text}")
    return wall, used, text


def verdict(held: bool) -> str:
    """How a limit came out."""
    return "held" if held else "NOT HELD"


def say(name: str, text: str) -> None:
    """One line of the report."""
    print(f"{name:<14} {text}", flush=True)


def within(name: str, what: str, ours: Side, seconds: float, runs: int) -> float:
    """Hold a command to seconds, and to as many bare starts; the median of its processor time."""
    ours()  # compiles, fills the caches of the file system
    pairs = [(ours(), timed(BARE, ROOT)) for _ in range(runs)]
    wall = statistics.median(mine.wall for mine, _ in pairs)
    starts = statistics.median(mine.cpu / bare.cpu for mine, bare in pairs)
    bare_start = statistics.median(bare.cpu for _, bare in pairs)
    most = seconds / START
    say(name, f"{what}: {wall:.3f} s by the clock (limit {seconds:g} s: {verdict(wall <= seconds)}); "
              f"{starts:.1f} bare starts of {bare_start * 1000:.0f} ms of processor time "
              f"(limit {most:.1f}: {verdict(starts <= most)})")
    return statistics.median(mine.cpu for mine, _ in pairs)


def compare(name: str, what: str, ours: Side, peer: str, theirs: Side, runs: int, limit: float) -> None:
    """Hold a command to a share of what its peer takes by the clock."""
    pairs = [(ours().wall, theirs().wall) for _ in range(runs)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    say(name, f"{what}: {mine:.3f} s, {peer} {other:.3f} s, ratio {ratio:.2f} (limit {limit:g}: {verdict(ratio <= limit)})")


def beside(name: str, what: str, ours: Side, peer: str, theirs: Side, runs: int) -> None:
    """Print a command and its peer; nothing is promised."""
    pairs = [(ours().wall, theirs().wall) for _ in range(runs)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    say(name, f"{what}: {mine:.3f} s, {peer} {other:.3f} s: {ratio:.1f} times as long")


# --- projects ----------------------------------------------------------------------------------------------------------


def project_copy(folder: Path) -> Path:
    """The flights project without anything stored."""
    target = folder / "flights"
    target.mkdir()
    for name in ("components", "environments", "pipelines", "data"):
        shutil.copytree(ROOT / name, target / name)
    shutil.copy(ROOT / "mlops.yml", target)
    return target


def flights_script(project: Path, work: Path) -> str:
    """The same commands in a row, as a shell script: what the engine is measured against."""
    from mlops_lib import Project
    from mlops_lib.binding import render
    from mlops_lib.graph import External, FromStep, Value, build, trial
    from mlops_lib.inspection import local_path
    from mlops_lib.sweep import point

    job, name, _ = Project(project).load("flights")
    lines = ["set -e"]
    steps = []
    for step in build(job, name=name).steps.values():
        if step.sweep is None:
            steps.append(step)
            continue
        # All its trials; the last one's outputs stand where later steps look.
        points = [point(step.sweep, number) for number in range(step.sweep.limits.trials)]
        trials = [trial(step, number, found) for number, found in enumerate(points) if found]
        steps += [*trials[:-1], replace(trials[-1], name=step.name)]
    for step in steps:
        inputs: dict[str, str | None] = dict.fromkeys(step.component.inputs)
        for port, given in step.inputs.items():
            if isinstance(given, Value):
                inputs[port] = given.text
            elif isinstance(given, FromStep):
                inputs[port] = str(work / given.step / given.output)
            elif isinstance(given, External):
                inputs[port] = str(local_path(given.path, given.folder))
        outputs = {port: str(work / step.name / port) for port in step.component.outputs}
        lines += [f"mkdir -p '{path}'" for path in outputs.values()]
        lines.append(f"cd '{Path(step.component.folder, step.component.code or '.')}'")
        lines.append(render(step.component.command, inputs, outputs).strip())
    return "\n".join(lines)


def chain_project(folder: Path, steps: int) -> Path:
    """A pipeline of steps that do nothing, each after the one before."""
    project = folder / f"chain{steps}"
    (project / "pipelines").mkdir(parents=True)
    (project / "components").mkdir()
    (project / "components" / "noop.yml").write_text(
        "type: command\nname: noop\nversion: 1\ninputs: {number: {type: integer}, after: {type: uri_folder, optional: true}}\n"
        "outputs: {done: {type: uri_folder}}\n"
        "command: python -c pass ${{inputs.number}} $[[${{inputs.after}}]] ${{outputs.done}}\n"
        "environment: azureml:none@latest\n")
    lines = ["type: pipeline", "jobs:"]
    for index in range(steps):
        lines += [f"  s{index}:", "    type: command", "    component: ../components/noop.yml", "    inputs:",
                  f"      number: {index}"]
        if index:
            lines += [f"      after: ${{{{parent.jobs.s{index - 1}.outputs.done}}}}"]
    (project / "pipelines" / "chain.yml").write_text("\n".join(lines))
    return project


def compiled_project(folder: Path, nodes: int) -> Path:
    """A pipeline of as many jobs, each with a component of its own."""
    project = folder / f"compile{nodes}"
    (project / "pipelines").mkdir(parents=True)
    lines = ["type: pipeline", "settings: {default_compute: azureml:cpu}", "jobs:"]
    for index in range(nodes):
        source = project / "components" / f"c{index}" / "src"
        source.mkdir(parents=True)
        (source / "run.py").write_text(f"print({index})\n")
        (source.parent / "component.yml").write_text(
            f"type: command\nname: c{index}\nversion: 1\ninputs:\n  number: {{type: integer, default: {index}}}\n"
            "  after: {type: uri_folder, optional: true}\noutputs:\n  done: {type: uri_folder}\ncode: ./src\n"
            "command: python run.py ${{inputs.number}} $[[${{inputs.after}}]] ${{outputs.done}}\n"
            "environment:\n  image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04\n")
        lines += [f"  j{index}:", "    type: command", f"    component: ../components/c{index}/component.yml"]
        if index:
            lines += ["    inputs:", f"      after: ${{{{parent.jobs.j{index - 1}.outputs.done}}}}"]
    (project / "pipelines" / "p.yml").write_text("\n".join(lines) + "\n")
    return project


# --- the benchmarks ----------------------------------------------------------------------------------------------------


def start(name: str, runs: int, folder: Path) -> None:
    """What every command costs before it does anything."""
    within(name, "mlops --help", lambda: timed([*MLOPS, "--help"], ROOT), 0.15, runs)


def validate(name: str, runs: int, folder: Path) -> None:
    """Compile the flights project."""
    within(name, "mlops validate, the flights project", lambda: timed([*MLOPS, "validate"], ROOT), 0.25, runs)


def components(name: str, runs: int, folder: Path) -> None:
    """Compile 500 distinct components and the pipeline of them."""
    project = compiled_project(folder, 500)
    within(name, "mlops validate, 500 components", lambda: timed([*MLOPS, "validate"], project), 0.5, runs)


def linear(name: str, runs: int, folder: Path) -> None:
    """Ten times the components take ten times as long, above what one takes; a tenth more is noise."""
    took = {nodes: [timed([*MLOPS, "validate"], project).cpu for _ in range(max(runs, 3) if nodes < 5000 else 3)]
            for nodes in (1, 500, 5000) for project in [compiled_project(folder, nodes)]}
    one, some, many = (min(seconds) for seconds in took.values())
    ratio = (many - one) / (some - one)
    say(name, f"mlops validate, 5,000 components: {many:.2f} s of processor time, 500 {some:.2f} s: "
              f"{ratio:.1f} times as long above the start (limit 11: {verdict(ratio <= 11)})")


# The SDK's whole process, load and offline validation.
SDK = """
import logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from azure.ai.ml import load_job
load_job(sys.argv[1])._validate()
"""


def sdk(name: str, runs: int, folder: Path) -> None:
    """The compiler and the official SDK's load and offline validation of the same pipelines."""
    for nodes in (1, 100, 500):
        project = compiled_project(folder, nodes)
        beside(name, f"mlops validate, {nodes} components", lambda project=project: timed([*MLOPS, "validate"], project),
               "azure-ai-ml", lambda project=project: timed([sys.executable, "-c", SDK, "pipelines/p.yml"], project),
               min(runs, 3))


def large(name: str, runs: int, folder: Path) -> None:
    """Refuse a file of more than 5 MB: what it takes above a small one."""
    (folder / "small.yml").write_text("type: pipeline\n")
    (folder / "large.yml").write_text("type: pipeline\n" + "# filler\n" * 600_000)
    pairs = [(timed([*MLOPS, "validate", "large.yml"], folder, expect=2), timed([*MLOPS, "validate", "small.yml"], folder,
                                                                                  expect=2)) for _ in range(runs)]
    more = statistics.median(large.wall - small.wall for large, small in pairs)
    say(name, f"mlops validate of a file over 5 MB: {more:.3f} s more than of a small one "
              f"(limit 0.1 s: {verdict(more <= 0.1)})")


def mutations(name: str, runs: int, folder: Path) -> None:
    """50,000 mutations of valid projects and random documents, by the test suite's own program."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_fuzz.py"]
    wall = timed(command, ROOT, {"MLOPS_FUZZ": "50000"}).wall
    say(name, f"50,000 mutations: {wall:.0f} s (limit 180 s: {verdict(wall <= 180)})")


def chain(name: str, runs: int, folder: Path) -> None:
    """A hundred no-op steps in a row."""
    project = chain_project(folder, 100)
    script = "for i in $(seq 100); do python -c pass; done"
    compare(name, "chain of 100 no-op steps", lambda: timed([*MLOPS, "run", "chain", "--no-cache"], project, PROGRAMS),
            "bash", lambda: timed(["bash", "-c", script], project, PROGRAMS), runs, 1.5)


PROGRAMS = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


TRIAL = """
import sys
import mlflow
value = (float(sys.argv[1]) - 0.3) ** 2
mlflow.log_metric("loss", value)
print(value)
"""
# What somebody without the library would write: the same process a trial, so many at once, its answer read from its output.
OPTUNA = """
import subprocess, sys
import optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
def objective(trial):
    command = [sys.executable, "trial.py", str(trial.suggest_float("x", 0, 1))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
study.optimize(objective, n_trials=50, n_jobs=2)
"""


def sweep(name: str, runs: int, folder: Path) -> None:
    """Fifty trials that do nothing but log to MLflow, two at once."""
    project = folder / "sweep"
    (project / "src").mkdir(parents=True)
    (project / "components").mkdir()
    (project / "src" / "trial.py").write_text(TRIAL)
    (project / "sweep.yml").write_text(
        "type: sweep\ntrial:\n  code: src\n  command: python trial.py ${{search_space.x}}\n  environment: azureml:none@latest\n"
        "compute: azureml:none\nsearch_space: {x: {type: uniform, min_value: 0, max_value: 1}}\n"
        "objective: {goal: minimize, primary_metric: loss}\nlimits: {max_total_trials: 50, max_concurrent_trials: 2}\n")
    variables = PROGRAMS | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"}
    timed([sys.executable, "trial.py", "0"], project / "src", variables)  # makes the store: two that start at once would clash
    compare(name, "a sweep of 50 trials, two at once",
            lambda: timed([*MLOPS, "run", "sweep.yml", "--no-cache"], project, PROGRAMS), "Optuna",
            lambda: timed([sys.executable, "-c", OPTUNA], project / "src", variables), runs, 1.1)


def cached(name: str, runs: int, folder: Path) -> None:
    """A thousand steps of which none has anything to do."""
    project = chain_project(folder, 1000)
    within(name, "1,000 cached steps", lambda: timed([*MLOPS, "run", "chain"], project, PROGRAMS), 0.5, runs)


def memory(name: str, runs: int, folder: Path) -> None:
    """The engine's own memory above Python's, running a hundred steps and finding a thousand cached."""
    bare = peak(BARE, folder)
    for steps in (100, 1000):
        project = chain_project(folder, steps)
        if steps == 1000:
            timed([*MLOPS, "run", "chain"], project, PROGRAMS)
        above = peak([*MLOPS, "run", "chain"], project) - bare
        what = "running 100 steps" if steps == 100 else "finding 1,000 steps cached"
        say(name, f"the engine {what}: {above:.0f} MB above Python's {bare:.0f} MB (limit 80: {verdict(above <= 80)})")


def peak(command: Sequence[str], folder: Path) -> float:
    """The most memory in MB that a process of its own held, without its children; Linux only."""
    process = subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, **PROGRAMS}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            continue
        most = max([most, *(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.002)
    return most / 1024


def flights(name: str, runs: int, folder: Path, cores: str, limit: float) -> None:
    """The main job with a cold cache, a fresh process a step, the same threads and MLflow on both sides."""
    pin = ["taskset", "-c", cores] if shutil.which("taskset") else []
    threads = str(len(cores.split(",")))
    project = project_copy(folder)
    work = folder / "work"
    variables = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1", **PROGRAMS,
                 "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}

    def ours() -> Took:
        subprocess.run(["chmod", "-R", "u+w", str(project)], check=True)
        shutil.rmtree(project / ".mlops", ignore_errors=True)
        return timed([*pin, *MLOPS, "run", "flights"], project)

    def theirs() -> Took:
        shutil.rmtree(work, ignore_errors=True)
        (folder / "mlflow.db").unlink(missing_ok=True)
        return timed([*pin, "bash", "-c", flights_script(project, work)], project, variables)

    compare(name, f"flights, cold, on {threads} core{'s' if ',' in cores else ''}", ours, "bash", theirs, runs, limit)


# An entry script, and the loop that does the same in one process.
SCORE_FILES = """
import csv, math
def init(): pass
def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path, newline="") as file:
            pairs = [(float(x), float(y)) for x, y in csv.reader(file)]
        rows.append(f"{path[-9:]} {sum(math.hypot(x, k * y) for k in range(20) for x, y in pairs):.6f}")
    return rows
"""
LOOP = """
import glob, score
score.init()
with open("rows.txt", "w") as file:
    for path in sorted(glob.glob("data/*")):
        file.writelines(f"{row}\\n" for row in score.run([path]))
"""


def parallel(name: str, runs: int, folder: Path) -> None:
    """A parallel job with two workers beside one process that reads the same files in a loop."""
    project = folder / "parallel"
    (project / "data").mkdir(parents=True)
    (project / "code").mkdir()
    (project / "mlops.yml").touch()
    text = "".join(f"{row},{row * 7 % 1000}\n" for row in range(10_000))
    for number in range(600):
        (project / "data" / f"{number:05}.csv").write_text(f"{number},1\n{text}")
    (project / "code" / "score.py").write_text(SCORE_FILES)
    job = parallel_job(project, "type: uri_folder, path: data", "4")

    def theirs() -> Took:
        return timed([sys.executable, "-c", LOOP], project, {"PYTHONPATH": str(project / "code")})

    compare(name, "600 files, 2 workers", lambda: timed([*MLOPS, "run", job, "--no-cache", "--output", "out=ours.txt"], project,
                                                       PROGRAMS), "one process in a loop", theirs, runs, 0.556)
    if (project / "ours.txt").read_text() != (project / "rows.txt").read_text():
        sys.exit("the parallel job wrote other rows than the loop")


def parallel_job(project: Path, data: str, size: str) -> str:
    """A parallel job by itself, whose rows go to its output ``out``; the name of its file."""
    (project / "job.yml").write_text(
        f"type: parallel\ninputs: {{data: {{{data}}}}}\noutputs: {{out: {{type: uri_file}}}}\n"
        f"input_data: ${{{{inputs.data}}}}\nmini_batch_size: '{size}'\nmax_concurrency_per_instance: 2\n"
        "task: {type: run_function, code: code, entry_script: score.py, environment: 'azureml:none@latest',\n"
        "       append_row_to: '${{outputs.out}}'}\n")
    return "job.yml"


SCORE_ROWS = """
import numpy
def init(): pass
def run(frame):
    frame["delay"] = numpy.round(0.3 * frame["distance"] / 100 + 0.7 * frame["hour"], 3)
    return frame[["id", "delay"]]
"""


def scoring(name: str, runs: int, folder: Path) -> None:
    """Ten million rows scored by two workers: the memory of the engine and all its processes together; Linux only."""
    project = folder / "scoring"
    (project / "data").mkdir(parents=True)
    (project / "code").mkdir()
    (project / "mlops.yml").touch()
    with (project / "data" / "flights.csv").open("w") as file:
        file.write("id,carrier,distance,hour\n")
        for start in range(0, 10_000_000, 10_000):
            file.writelines(f"{row},C{row % 16},{row % 4983},{row % 24}\n" for row in range(start, start + 10_000))
    (project / "data" / "MLTable").write_text("paths:\n- pattern: ./*.csv\ntransformations:\n- read_delimited\n")
    (project / "code" / "score.py").write_text(SCORE_ROWS)
    job = parallel_job(project, "type: mltable, path: data, mode: direct", "10mb")
    begun = time.perf_counter()
    most = peak_of_all([*MLOPS, "run", job, "--output", "out=rows.txt"], project)
    wall = time.perf_counter() - begun
    with (project / "rows.txt").open("rb") as file:
        rows = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    size = (project / "data" / "flights.csv").stat().st_size >> 20
    say(name, f"{rows:,} rows of a table of {size} MB scored in {wall:.1f} s: {most:.0f} MB with all processes "
              f"(limit 1000: {verdict(most <= 1000 and rows == 10_000_000)})")


def peak_of_all(command: Sequence[str], folder: Path) -> float:
    """The most memory in MB that a process and all that come from it held together; shared pages count for each."""
    process = subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, **PROGRAMS}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    most, page = 0, os.sysconf("SC_PAGE_SIZE")
    while process.poll() is None:
        parents, sizes = {}, {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                number = int(place.name)
                parents[number] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                sizes[number] = int((place / "statm").read_text().split()[1]) * page
            except OSError:
                continue
        family, size = {process.pid}, 0
        while size != len(family):
            size = len(family)
            family |= {child for child, parent in parents.items() if parent in family}
        most = max(most, sum(sizes.get(member, 0) for member in family))
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"{' '.join(command)} exited with {process.returncode}")
    return most / 2**20


SIDES = ROOT / "benchmarks" / "batch_scoring.py"
SCORED_ROWS = 10_000_000  # where the share of memory is judged: an interpreter with its libraries is most of less


def batch(name: str, runs: int, folder: Path, rows: int = 1_000_000) -> None:
    """The component score beside pandas, MLflow and LightGBM itself, on flights' features repeated with a jitter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    variables = {**PROGRAMS, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
                 "OMP_NUM_THREADS": str(cores), "MLOPS_COMPILED_TREES": str(folder / "trees"),
                 "PYTHONPATH": str(ROOT / "components" / "common")}  # which the trainer includes
    parts = {part: folder / part for part in ("train", "validation", "test")}
    model, data = folder / "model", folder / "data"

    def run(script: Path, *arguments: object, **options: object) -> Weighed:
        flags = [word for option, value in options.items() for word in (f"--{option.replace('_', '-')}", str(value))]
        return weighed([sys.executable, "-W", "ignore", str(script), *map(str, arguments), *flags], folder, variables)

    source = ROOT / "components"
    run(source / "prep" / "src" / "prep.py", raw=ROOT / "data" / "flights", validation_from="2013-09-01",
        test_from="2013-11-01", late_minutes=15, **parts)
    run(source / "train_lightgbm" / "src" / "train_lightgbm.py", train=parts["train"], validation=parts["validation"],
        learning_rate=0.1, num_leaves=31, num_trees=120, min_leaf_rows=200, patience=20, seed=2013, model=model)
    run(SIDES, "rows", parts["test"], data, rows)

    def component() -> Weighed:
        for leftover in ("ours", "trees"):  # trees are compiled again: that is part of it
            shutil.rmtree(folder / leftover, ignore_errors=True)
        return run(source / "score" / "src" / "score.py", model=model, data=data, id_column="flight_id", batch_rows=65536,
                   prediction_column="probability", format="parquet", predictions=folder / "ours" / "predictions",
                   rejects=folder / "ours" / "rejects")

    took: dict[str, list[Weighed]] = {}
    for _ in range(min(runs, 3)):
        shutil.rmtree(folder / "plain", ignore_errors=True)
        turn = {"component": component(), "naive": run(SIDES, "naive", model, data, folder / "naive.parquet"),
                "pyfunc": run(SIDES, "pyfunc", model, data, folder / "pyfunc.parquet"),
                "interpreted": run(SIDES, "interpreted", model, data, folder / "plain"),
                "arrays": run(SIDES, "arrays", model, data)}
        for side, one in turn.items():
            took.setdefault(side, []).append(one)
        for other in (folder / "naive.parquet", folder / "pyfunc.parquet", folder / "plain" / "predictions"):
            run(SIDES, "same", folder / "ours" / "predictions", other)

    def ratio(first: str, second: str, what: Callable[[Weighed], float]) -> float:
        return statistics.median(what(a) / what(b) for a, b in zip(took[first], took[second], strict=True))

    def speed(side: str, what: Callable[[Weighed], float]) -> str:
        return f"{rows / statistics.median(map(what, took[side])):,.0f} rows/s"

    def held(side: str) -> str:
        return f"{statistics.median(one.memory for one in took[side]):,.0f} MB"

    compiled = all("trees compiled" in one.output for one in took["component"])
    say(name, f"{rows:,} rows on {cores} threads, trees {'' if compiled else 'not '}compiled; all sides predict the same; "
              f"load {os.getloadavg()[0]:.1f}")
    for peer in ("naive", "pyfunc"):
        faster, cheaper = (ratio(peer, "component", what) for what in (lambda one: one.wall, lambda one: one.cpu))
        share = ratio("component", peer, lambda one: one.memory)
        limits = ("", "")
        if peer == "naive":
            small = "not judged below 10,000,000 rows"
            limits = (f" (limit 2: {verdict(faster >= 2) if rows >= SCORED_ROWS else small})",
                      f" (limit 0.25: {verdict(share <= 0.25) if rows >= SCORED_ROWS else small})")
        say(name, f"the component, whole process: {speed('component', lambda one: one.wall)}, "
                  f"{peer} {speed(peer, lambda one: one.wall)}: {faster:.2f} times as fast{limits[0]}, "
                  f"{1 / cheaper:.2f} of its processor time; "
                  f"{held('component')}, {peer} {held(peer)}: {share:.2f} of its memory{limits[1]}")
    part, cheaper = (ratio("arrays", "interpreted", what)
                     for what in (lambda one: one.inside().wall, lambda one: one.inside().cpu))
    say(name, f"its loop from files to files, trees not compiled: {speed('interpreted', lambda one: one.inside().wall)}, "
              f"LightGBM's predict of an array in memory {speed('arrays', lambda one: one.inside().wall)}: {part:.2f} of that "
              f"(limit 0.9: {verdict(part >= 0.9)}), {cheaper:.2f} by processor time (limit 0.9: {verdict(cheaper >= 0.9)})")
    if compiled:
        faster, cheaper = (ratio("interpreted", "component", what) for what in (lambda one: one.wall, lambda one: one.cpu))
        say(name, f"compiled, compilation included: {faster:.2f} times as fast as not compiled "
                  f"(limit 1.5: {verdict(faster >= 1.5)}), {1 / cheaper:.2f} of the processor time")


def planning(name: str, runs: int, folder: Path) -> None:
    """Plan each stage as the tests do: against the stand-in for azurerm, with nothing applied yet."""
    sys.path.insert(0, str(ROOT / "tests" / "terraform"))
    from roots import STAGES, bench

    with bench() as prepared:
        for stage in STAGES:
            root = prepared.stage(stage)
            command = ["terraform", "plan", "-no-color", "-out=tfplan"]
            within(name, f"terraform plan of {stage}",
                   lambda root=root, command=command: timed(command, root.folder, root.environment()),  # type: ignore[misc]
                   3, runs)


# Submits a pipeline as the SDK's users do.
SUBMIT = """
import json, logging, os, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from azure.ai.ml import MLClient, load_job
from azure.identity import DefaultAzureCredential
stage = json.loads(os.environ["MLOPS_DEV_OUTPUTS"])
place = stage["subscription_id"], stage["resource_group"], stage["workspace"]["name"]
MLClient(DefaultAzureCredential(), *place).jobs.create_or_update(load_job(sys.argv[1]))
"""


def submission(name: str, runs: int, folder: Path) -> None:
    """Submit 50 components to a local Azure ML that answers each request 100 ms later: new ones, and the same once more."""
    from mlops_lib.emulator import Emulator
    from mlops_lib.emulator.router import Service

    project = compiled_project(folder, 50)
    (project / "mlops.yml").touch()
    # What runs there would be in the way of the next side: the first job fails, and the others wait for it.
    (project / "components" / "c0" / "src" / "run.py").write_text("raise SystemExit(1)\n")
    sides = {"mlops": [*MLOPS, "run", "p", "--on", "dev", "--no-wait"],
             "azure-ai-ml": [sys.executable, "-c", SUBMIT, "pipelines/p.yml"]}
    took: dict[tuple[str, str], list[float]] = {}
    calls: dict[tuple[str, str], int] = {}
    with Emulator() as azure:
        azure.faults.add("* * delay=0.1")
        for number, (side, command) in itertools.product(range(min(runs, 3)), sides.items()):
            azure.add_workspace(f"mlw-{side}-{number}")
            told = azure.environment(credential="federated", workspace=f"mlw-{side}-{number}")
            for turn in ("new", "known"):
                azure.calls.clear()
                took.setdefault((side, turn), []).append(timed(command, project, told).wall)
                calls[side, turn] = len(azure.requests(Service.MANAGEMENT))
    for turn in ("new", "known"):
        mine, theirs = (statistics.median(took[side, turn]) for side in sides)
        ours, peers = (calls[side, turn] for side in sides)
        ratio = statistics.median(a / b for a, b in zip(*(took[side, turn] for side in sides), strict=True))
        limit = f"limit 0.333: {verdict(ratio <= 1 / 3)}" if turn == "new" else f"limit 10 calls: {verdict(ours <= 10)}"
        say(name, f"50 {turn} components: {mine:.1f} s and {ours} calls, azure-ai-ml {theirs:.1f} s and {peers}, "
                  f"ratio {ratio:.2f} ({limit})")


def online(name: str, runs: int, folder: Path) -> None:
    """Requests of one row to servers of the same model, at 1, 8 and 32 connections."""
    from online_scoring import measure

    for line in measure(min(runs, 3), folder):
        say(name, line)


BENCHMARKS: Mapping[str, Callable[[str, int, Path], None]] = {
    "help": start, "validate": validate, "components": components, "linear": linear, "sdk": sdk, "large-file": large,
    "mutations": mutations, "chain": chain, "sweep": sweep, "cached": cached, "memory": memory,
    "flights-1": lambda name, runs, folder: flights(name, runs, folder, "0", 1.05),
    "flights-2": lambda name, runs, folder: flights(name, runs, folder, "0,1", 1.0),
    "parallel": parallel, "scoring": scoring, "score": batch, "online": online, "submission": submission,
    "terraform": planning,
}


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME",
                        help=f"of {', '.join(BENCHMARKS)}; default: all, which takes half an hour")
    parser.add_argument("--runs", type=int, default=5, help="of each side; default: %(default)s")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the benchmark score; default: %(default)s")
    arguments = parser.parse_args()
    chosen = {**BENCHMARKS, "score": partial(batch, rows=arguments.rows)}
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            chosen[name](name, arguments.runs, Path(folder))


if __name__ == "__main__":
    main()
