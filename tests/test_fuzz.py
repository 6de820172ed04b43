"""Whatever becomes of a project's files, they compile or give findings: no traceback, no hang.

``MLOPS_FUZZ=50000 pytest tests/test_fuzz.py`` runs as many mutations (about two minutes); plainly it is a few thousand.
"""

import contextlib
import os
import random
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from mlops_lib.catalogue import Catalogue
from mlops_lib.document import LIMIT_BYTES
from mlops_lib.errors import InputError

COUNT = int(os.environ.get("MLOPS_FUZZ", "4000"))
FILES = {
    "components/train/component.yml": """\
name: train
version: 1
type: command
tags: {role: train}
inputs:
  data: {type: uri_folder}
  rate: {type: number, default: 1e-3, min: 0, max: 1}
  mode: {type: string, optional: true, enum: [fast, slow]}
outputs:
  model: {type: mlflow_model}
code: ./src
additional_includes: [../../shared]
environment: {image: "mcr.microsoft.com/x:1", conda_file: {dependencies: [python=3.11, pip, {pip: ["a==1"]}]}}
distribution: {type: pytorch, process_count_per_instance: 2}
command: >-
  python train.py --data ${{inputs.data}} --rate ${{inputs.rate}} $[[--mode ${{inputs.mode}}]] --model ${{outputs.model}}
""",
    "components/score/component.yml": """\
name: score
version: 1
type: parallel
inputs: {data: {type: mltable}}
outputs: {out: {type: uri_file}}
input_data: ${{inputs.data}}
mini_batch_size: "10kb"
retry_settings: {max_retries: 2, timeout: 60}
task: {type: run_function, code: ../train/src, entry_script: score.py, environment: "azureml:e@latest",
  append_row_to: "${{outputs.out}}", program_arguments: "--x ${{inputs.data}}"}
""",
    "pipelines/p.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
settings: {default_compute: azureml:cpu, continue_on_step_failure: false}
inputs: {raw: {type: uri_folder, path: ../data}, rate: 0.5}
outputs: {model: , best: {type: mlflow_model, name: late, version: 3}}
jobs:
  train:
    component: ../components/train/component.yml
    inputs: {data: "${{parent.inputs.raw}}", rate: "${{parent.inputs.rate}}"}
    outputs: {model: "${{parent.outputs.model}}"}
  search:
    type: sweep
    trial: ../components/train/component.yml
    inputs: {data: {type: uri_folder, path: "${{parent.jobs.train.inputs.data}}", mode: download}}
    outputs: {model: {path: "${{parent.outputs.best}}"}}
    sampling_algorithm: bayesian
    search_space: {rate: {type: uniform, min_value: 0.1, max_value: 0.9}}
    objective: {goal: maximize, primary_metric: auc}
    early_termination: {type: bandit, slack_factor: 0.1, evaluation_interval: 1}
    limits: {max_total_trials: 4, max_concurrent_trials: 2, timeout: 3600}
  inline:
    command: echo ${{inputs.x}} > ${{outputs.o}}/f
    environment: azureml:e@latest
    inputs: {x: 3}
    outputs: {o: }
    limits: {timeout: 60}
""",
    "environments/e.yml": "name: e\nimage: i\nconda_file: conda.yml\ninference_config: {}\n",
    "environments/conda.yml": "channels: [conda-forge]\ndependencies: ['python>=3.10,<3.12', pip, 'numpy=1.26.*', {pip: ['a>=1,<2', '-r x']}]\n",
    "schedules/s.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json
name: s
trigger: {type: recurrence, frequency: week, interval: 1, start_time: "2026-05-10T10:00:00",
  schedule: {hours: [0, 6], minutes: 30, week_days: [monday]}}
create_job: {type: pipeline, job: ../pipelines/p.yml, inputs: {rate: 0.3}}
""",
    "serving/endpoint.yml": "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\n"
    "name: late\nauth_mode: aad_token\ntraffic: {blue: 90, green: 10}\n",
    "serving/blue.yml": "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json\n"
    "name: blue\nendpoint_name: late\nmodel: {path: ../data}\ncode_configuration: {code: ../components/train/src, scoring_script: score.py}\n"
    "environment: {image: i}\ninstance_type: x\nscale_settings: {type: target_utilization, min_instances: 1, max_instances: 3}\n",
    "data/MLTable": "type: mltable\npaths: [{file: ./rows.csv}, {pattern: '*.csv'}]\ntransformations: [{read_delimited: {delimiter: ','}}, {take: 3}]\n",
    "automl.yml": "$schema: https://azuremlschemas.azureedge.net/latest/autoMLJob.schema.json\ntype: automl\ntask: image_classification\n"
    "target_column_name: y\ntraining_data: {type: mltable, path: ./data}\nsearch_space: [{learning_rate: {type: uniform, min_value: 1, max_value: 2}}]\n",
}
PARTS = ["${{parent.inputs.raw}}", "${{parent.jobs.train.outputs.model}}", "${{parent.jobs.search.inputs.data}}", "${{inputs.x}}", "$[[", "]]", "${{", "}}", "azureml:train@latest", "azureml:e:1", "azureml://datastores/x/paths/y", "file:../x.yml", "./p.yml", "../pipelines/p.yml", "..", "/", "~", "true", "off", "1e3", "0o7", "12:30", "2026-02-30", "1_000", ".nan", "-1", "99999999999999999999", "type:", "name:", "jobs:", "inputs:", "outputs:", "sweep", "pipeline", "parallel", "spark", "automl", "null", "''", "[]", "{}", "[[]]", "{a:", "{b:", "c}}", "&a", "*a", "<<:", "!!binary", "!!python/name:os.system", "|", ">", "---", "...", "#", "%", "@", "`", '"', "'", "\\", "\t", "\x00", "\r", "\ufeff", "\u2028", "é", "日本", "🙂"]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "components/train/src").mkdir()
    (folder / "components/train/src/train.py").write_text(
        "import argparse, mlflow\np = argparse.ArgumentParser()\nfor x in ('data', 'rate', 'mode', 'model'):\n"
        "    p.add_argument(f'--{x}')\np.parse_args()\nmlflow.log_metric('auc', 1)\n"
    )
    (folder / "components/train/src/score.py").write_text("def init(): ...\ndef run(data): ...\n")
    (folder / "shared").mkdir()
    (folder / "data/rows.csv").write_text("a\n")
    return folder


def mutated(text: str, chance: random.Random) -> str:
    """*text* with a few things cut, doubled, exchanged or put in, by character, by word or by line."""
    for _ in range(chance.randint(1, 3)):
        what = chance.randrange(7)
        at = chance.randrange(len(text) + 1)
        if what == 0:
            text = text[:at] + chance.choice(PARTS) + text[at:]
        elif what == 1:
            text = text[:at] + text[at + chance.randint(1, 8):]
        elif what in (2, 3, 4):
            lines = text.split("\n")
            here, there = chance.randrange(len(lines)), chance.randrange(len(lines))
            if what == 2:
                lines[here], lines[there] = lines[there], lines[here]
            elif what == 3:
                lines.insert(here, " " * chance.randint(0, 6) + lines[there].strip())
            else:
                del lines[here]
            text = "\n".join(lines)
        else:
            words = text.split(" ")
            here = chance.randrange(len(words))
            words[here] = chance.choice(PARTS) if what == 5 else words[chance.randrange(len(words))]
            text = " ".join(words)
    return text


def compiles(root: Path, names: Iterable[str]) -> int:
    """The number of findings of some files."""
    catalogue = Catalogue(root, near=root)
    for name in names:
        with contextlib.suppress(InputError):  # one clear error
            catalogue.check_file(root / name)
    for finding in catalogue.findings():
        assert finding.code
        assert finding.what
    return len(catalogue.findings())


def test_the_files_are_whole_before_they_are_changed(root: Path) -> None:
    catalogue = Catalogue(root, near=root)
    for name in FILES:
        if name != "environments/conda.yml":
            catalogue.check_file(root / name)
    left = {finding.code for finding in catalogue.findings()}
    assert left == {"missing-key", "unknown-deployment"}  # an empty inference_config; the green deployment


@pytest.mark.parametrize("part", range(4))
def test_any_mutation_compiles_or_gives_findings(root: Path, part: int) -> None:
    chance = random.Random(f"seed {part}")
    longest = 0.0
    found = 0
    for _ in range(COUNT // 4):
        name = chance.choice(list(FILES))
        path = root / name
        text = mutated(FILES[name], chance)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        begun = time.process_time()
        try:
            found += compiles(root, [name]) > 0
        except Exception as error:
            raise AssertionError(f"{name}:\n{text}") from error
        finally:
            longest = max(longest, time.process_time() - begun)
            path.write_text(FILES[name])
    assert longest < 5
    assert found > COUNT // 8  # else the mutations would show nothing


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00", b"\x80", "type: pipeline\r\njobs:\r\n  a: {command: x}\r\n".encode("utf-16"), b"\0", b"", b"\xef\xbb\xbf",
        b"[" * 10_000, b"{a: " * 10_000, b"- " * 10_000, b"a:\n" * 1, BOMB.encode(), b"x: *x\n", b"a: &a [*a]\n",
        b"'" * 100_000, b"a: " + b"9" * 100_000, b"a: " + b"1:" * 50_000 + b"1", b"%YAML 9.9\n---\n", b"? [a]\n: b\n",
        b"type: pipeline\njobs: {a: {command: '" + b"${{" * 20_000 + b"'}}\n",
        b"type: pipeline\njobs: {a: {command: '" + b"$[[" * 20_000 + b"'}}\n",
        b"type: command\nenvironment: e\ncommand: '" + b'python "' * 10_000 + b"'\n",
        b"name: x\ntype: command\nenvironment: azureml:e:1\ncommand: " + b"${{x}} ${inputs.y} " * 20_000 + b"\n",
        b"name: x\ntype: command\nenvironment: azureml:e:1\ncommand: |\n  a\n  " + b"".join(b"${{inputs.x%d}}\n  " % n for n in range(20_000)) + b"\n",
        b"name: x\ntype: command\nenvironment: azureml:e:1\ncommand: |\n  a\n  " + b"'\\ \\ \n  --b $[[x]]\n  " * 20_000 + b"\n",
        b"type: pipeline\njobs:\n" + b"".join(b"  j%d: {type: pipeline, component: ./p.yml}\n" % number for number in range(2000)),
        b"x" * (LIMIT_BYTES + 1),
    ],
    ids=range(26),
)  # fmt: skip
@pytest.mark.parametrize("name", ["pipelines/p.yml", "components/train/component.yml"])
def test_hostile_bytes_take_little_time(root: Path, name: str, data: bytes) -> None:
    path = root / name
    path.write_bytes(data)
    begun = time.process_time()
    try:
        assert compiles(root, [name]) > 0 or data in (b"a:\n",)
    finally:
        path.write_text(FILES[name])
    assert time.process_time() - begun < (0.5 if len(data) > LIMIT_BYTES else 5)
