"""What we claim about speed, measured beside plain bash in the same run: ``python benchmarks/run.py [NAME …]``.

Each comparison alternates the two sides, so that a machine that gets slower slows both, and prints the median of the
ratios pair by pair. Nothing here gates a change: the limits are printed beside the figures.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MLOPS = [sys.executable, "-m", "mlops_lib"]


def timed(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> float:
    """Seconds that a command takes as a whole process."""
    begun = time.perf_counter()
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return seconds


def compare(name: str, ours: Callable[[], float], theirs: Callable[[], float], runs: int, limit: float) -> None:
    """Print the medians of both sides and of their ratio."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{name}: {mine:.3f} s, bash {other:.3f} s, ratio {ratio:.2f} (limit {limit:g})", flush=True)


def absolute(name: str, ours: Callable[[], float], runs: int, limit: float) -> None:
    """Print the median of one side."""
    print(f"{name}: {statistics.median(ours() for _ in range(runs)):.3f} s (limit {limit:g} s)", flush=True)


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
    from mlops_lib.graph import External, FromStep, Value, build
    from mlops_lib.inspection import local_path

    job, name, _ = Project(project).load("flights")
    lines = ["set -e"]
    for step in build(job, name=name).steps.values():
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


def flights(runs: int, cores: str, limit: float) -> None:
    """The main job with a cold cache, a fresh process a step, and MLflow on both sides."""
    pin = ["taskset", "-c", cores] if shutil.which("taskset") else []
    threads = str(len(cores.split(",")))
    with tempfile.TemporaryDirectory() as temporary:
        project = project_copy(Path(temporary))
        work = Path(temporary) / "work"
        variables = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONUNBUFFERED": "1",
                     "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true",
                     "MLFLOW_TRACKING_URI": f"sqlite:///{temporary}/mlflow.db"}

        def ours() -> float:
            subprocess.run(["chmod", "-R", "u+w", str(project)], check=True)
            shutil.rmtree(project / ".mlops", ignore_errors=True)
            return timed([*pin, *MLOPS, "run", "flights"], project)

        def theirs() -> float:
            shutil.rmtree(work, ignore_errors=True)
            (Path(temporary) / "mlflow.db").unlink(missing_ok=True)
            return timed([*pin, "bash", "-c", flights_script(project, work)], project, variables)

        compare(f"flights, cold, cores {cores}", ours, theirs, runs, limit)
        absolute("flights, everything cached", lambda: timed([*MLOPS, "run", "flights"], project), 5, 1.0)
        absolute("mlops validate", lambda: timed([*MLOPS, "validate"], project), 9, 0.3)


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


def chain(runs: int) -> None:
    """A hundred no-op steps in a row."""
    with tempfile.TemporaryDirectory() as temporary:
        project = chain_project(Path(temporary), 100)
        variables = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        script = "for i in $(seq 100); do python -c pass; done"
        compare("chain of 100 no-op steps", lambda: timed([*MLOPS, "run", "chain", "--no-cache"], project),
                lambda: timed(["bash", "-c", script], project, variables), runs, 1.5)


def cached(runs: int) -> None:
    """A thousand steps of which none has anything to do."""
    with tempfile.TemporaryDirectory() as temporary:
        project = chain_project(Path(temporary), 1000)
        timed([*MLOPS, "run", "chain"], project)
        absolute("1,000 cached steps", lambda: timed([*MLOPS, "run", "chain"], project), runs, 0.5)


def start(runs: int) -> None:
    """What every command costs before it does anything."""
    absolute("mlops --help", lambda: timed([*MLOPS, "--help"], ROOT), runs, 0.15)


def memory() -> None:
    """The engine's own memory above Python's, running a hundred steps."""
    with tempfile.TemporaryDirectory() as temporary:
        project = chain_project(Path(temporary), 100)
        for name, command in (("python", [sys.executable, "-c", "pass"]), ("engine", [*MLOPS, "run", "chain"])):
            process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peak = 0
            while process.poll() is None:
                try:
                    text = Path(f"/proc/{process.pid}/status").read_text()
                    peak = max([peak, *(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM"))])
                except OSError:
                    pass
                time.sleep(0.002)
            print(f"memory of {name}: {peak / 1024:.0f} MB", flush=True)
    print(f"largest child: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


def compiled_project(folder: Path, nodes: int) -> Path:
    """A pipeline of as many jobs, each with a component of its own."""
    project = folder / f"compile{nodes}"
    (project / "pipelines").mkdir(parents=True)
    lines = ["type: pipeline", "settings: {default_compute: azureml:cpu}", "jobs:"]
    for index in range(nodes):
        source = project / "components" / f"c{index}" / "src"
        source.mkdir(parents=True)
        (source / "run.py").write_text("print('hello')\n")
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


# The SDK's whole process, load and offline validation; None where it is not installed.
SDK = """
import logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from azure.ai.ml import load_job
load_job(sys.argv[1])._validate()
"""


def compiling(runs: int) -> None:
    """Compile the flights project, and pipelines of distinct components, beside the official SDK."""
    absolute("mlops validate, flights", lambda: timed([*MLOPS, "validate"], ROOT), runs, 0.25)
    with tempfile.TemporaryDirectory() as temporary:
        for nodes, limit in ((1, 0.25), (100, 0.5), (500, 0.5), (5000, 5.0)):
            project = compiled_project(Path(temporary), nodes)
            absolute(f"mlops validate, {nodes} components",
                     lambda project=project: timed([*MLOPS, "validate"], project), runs, limit)  # type: ignore[misc]
            if nodes <= 100:
                script = [sys.executable, "-c", SDK, "pipelines/p.yml"]
                absolute(f"azure-ai-ml, {nodes} components",
                         lambda project=project, script=script: timed(script, project), 1, 0)  # type: ignore[misc]


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = ["start", "compile", "chain", "cached", "memory", "flights-1", "flights-2"]
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; default: all")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    chosen = arguments.names or known
    if unknown := set(chosen) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if "start" in chosen:
        start(arguments.runs)
    if "compile" in chosen:
        compiling(arguments.runs)
    if "chain" in chosen:
        chain(arguments.runs)
    if "cached" in chosen:
        cached(arguments.runs)
    if "memory" in chosen:
        memory()
    if "flights-1" in chosen:
        flights(arguments.runs, "0", 1.05)
    if "flights-2" in chosen:
        flights(arguments.runs, "0,1", 1.0)


if __name__ == "__main__":
    main()
