"""What is read is written back as the same thing, and everything the shapes accept survives."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlops_lib.document import Table, parse, unparse
from mlops_lib.errors import Finding
from mlops_lib.spec import (
    KINDS,
    Asset,
    Bound,
    CommandComponent,
    Data,
    Environment,
    Literal,
    PipelineComponent,
    PipelineJob,
    Report,
    SingleJob,
    Spec,
    kind_of_document,
    read,
)

# A document is large and slow to make up; what can go wrong is in its leaves, of which each has many.
FEW = settings(
    max_examples=30,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
ASSET_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
PATHS = st.sampled_from(
    [
        "./data",
        "../x/y.csv",
        "azureml:flights:3",
        "azureml:flights@latest",
        "https://example.org/a.csv",
        "azureml://datastores/raw/paths/a b/",
        "wasbs://c@a.blob.core.windows.net/x",
    ]
)
VERSIONS = st.one_of(st.integers(0, 99), st.sampled_from(["1.0", "2024-01-01", "v1", "1e3"]))
DATA_TYPES = st.sampled_from(["custom_model", "mlflow_model", "mltable", "triton_model", "uri_file", "uri_folder"])
MODES = st.sampled_from(["ro_mount", "rw_mount", "download", "upload", "direct", "eval_mount"])
INPUT_MODES = st.sampled_from(["ro_mount", "download", "direct"])
OUTPUT_MODES = st.sampled_from(["mount", "rw_mount", "upload", "direct"])
LITERALS = st.one_of(
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXTS.filter(lambda text: "${{" not in text),
    st.sampled_from(["1e-3", "yes", "2024-01-01"]),
)


def keys(required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


INPUT_PORTS = st.one_of(
    keys(
        {"type": st.just("integer")},
        {
            "default": st.integers(-100, 100),
            "min": st.integers(-100, -100),
            "max": st.integers(100, 200),
            "description": TEXTS,
            "optional": st.booleans(),
        },
    ),
    keys(
        {"type": st.just("number")},
        {
            "default": st.sampled_from([1, 0.5, "1e-3", -3.25]),
            "min": st.just(-10.5),
            "max": st.just(1e6),
            "optional": st.booleans(),
        },
    ),
    keys({"type": st.just("boolean")}, {"default": st.booleans(), "optional": st.booleans()}),
    keys({"type": st.just("string")}, {"default": st.sampled_from(["a", "b c", "yes"]), "enum": st.just(["a", "b c", "yes"])}),
    keys(
        {"type": st.just("string")}, {"default": st.one_of(TEXTS, st.booleans(), st.integers(0, 9)), "optional": st.booleans()}
    ),
    keys({"type": DATA_TYPES}, {"mode": MODES, "description": TEXTS, "optional": st.booleans(), "datastore": TEXTS}),
)
OUTPUT_PORTS = keys({"type": DATA_TYPES}, {"mode": MODES, "description": TEXTS})
LITERAL_OUTPUTS = keys({"type": st.just("integer")}, {"is_control": st.booleans(), "early_available": st.booleans()})
ENVIRONMENT = keys(
    {"image": st.just("mcr.microsoft.com/x:1")},
    {
        "name": ASSET_NAMES,
        "version": VERSIONS,
        "description": TEXTS,
        "conda_file": st.one_of(
            st.just("conda.yml"), st.just({"channels": ["conda-forge"], "dependencies": ["python=3.11", {"pip": ["a==1"]}]})
        ),
        "build": st.just({"path": "docker", "dockerfile_path": "Dockerfile"}),
        "tags": st.dictionaries(NAMES, TEXTS, max_size=2),
        "os_type": st.just("linux"),
        "inference_config": st.just({f"{name}_route": {"port": 1, "path": "/"} for name in ("liveness", "readiness", "scoring")}),
    },
)
ENVIRONMENTS = st.one_of(
    st.sampled_from(["azureml:e:1", "azureml:e@latest", "azureml://registries/r/environments/e/versions/1", "file:../e.yml"]),
    ENVIRONMENT,
)
VARIABLES = st.dictionaries(NAMES, st.one_of(TEXTS, st.integers(0, 9), st.booleans()), max_size=2)
RUNNING: dict[str, st.SearchStrategy[Any]] = {
    "distribution": st.sampled_from([{"type": "pytorch", "process_count_per_instance": 2}, {"type": "mpi"}]),
    "resources": st.just({"instance_count": 2, "instance_type": "STANDARD_D2", "shm_size": "2g"}),
}
COMMON: dict[str, st.SearchStrategy[Any]] = {
    "version": VERSIONS,
    "display_name": TEXTS,
    "description": TEXTS,
    "tags": st.dictionaries(NAMES, TEXTS, max_size=2),
    "is_deterministic": st.booleans(),
    "properties": st.just({"a": {"b": 1}}),
    "$schema": st.just("https://example.org/x.json"),
    "inputs": st.dictionaries(NAMES, INPUT_PORTS, max_size=3),
}
COMMAND_COMPONENT = keys(
    {"name": NAMES, "command": TEXTS, "environment": ENVIRONMENTS},
    {
        **COMMON,
        **RUNNING,
        "type": st.sampled_from(["command", "Command"]),
        "code": st.just("./src"),
        "environment_variables": VARIABLES,
        "additional_includes": st.just(["../shared", "x.py"]),
        "outputs": st.dictionaries(NAMES, st.one_of(OUTPUT_PORTS, LITERAL_OUTPUTS), max_size=2),
    },
)
INLINE_COMPONENT = keys(
    {"command": TEXTS, "environment": ENVIRONMENTS}, {**COMMON, "outputs": st.dictionaries(NAMES, OUTPUT_PORTS, max_size=2)}
)

BINDINGS = st.one_of(
    st.builds("${{{{parent.inputs.{}}}}}".format, NAMES), st.builds("${{{{parent.jobs.{}.outputs.{}}}}}".format, NAMES, NAMES)
)
INPUT_VALUES = st.one_of(
    LITERALS,
    BINDINGS,
    keys({"type": DATA_TYPES, "path": PATHS}, {"mode": INPUT_MODES}),
    keys({"path": BINDINGS}, {"type": DATA_TYPES, "mode": INPUT_MODES}),
)
OUTPUT_PATHS = st.sampled_from(
    ["azureml://datastores/${{default_datastore}}/paths/${{name}}/${{output_name}}", "azureml://datastores/a/paths/b"]
)
OUTPUT_VALUES = st.one_of(
    st.none(),
    st.builds("${{{{parent.outputs.{}}}}}".format, NAMES),
    keys({"path": st.builds("${{{{parent.outputs.{}}}}}".format, NAMES)}, {"mode": OUTPUT_MODES, "type": DATA_TYPES}),
    keys(
        {},
        {
            "type": DATA_TYPES,
            "mode": OUTPUT_MODES,
            "path": OUTPUT_PATHS,
            "name": ASSET_NAMES,
            "version": VERSIONS,
        },
    ),
)
NODE: dict[str, st.SearchStrategy[Any]] = {
    "inputs": st.dictionaries(NAMES, INPUT_VALUES, max_size=3),
    "outputs": st.dictionaries(NAMES, OUTPUT_VALUES, max_size=3),
    "compute": st.just("azureml:cpu"),
    "environment_variables": VARIABLES,
    "display_name": TEXTS,
    "services": st.just({"s": {"type": "ssh", "nodes": "all"}}),
    "identity": st.just({"type": "managed"}),
}


def without(strategies: dict[str, st.SearchStrategy[Any]], *names: str) -> dict[str, st.SearchStrategy[Any]]:
    return {key: value for key, value in strategies.items() if key not in names}


SWEEP: dict[str, st.SearchStrategy[Any]] = {
    "limits": st.just({"max_total_trials": 4, "timeout": 60}),
    "objective": st.just({"goal": "maximize", "primary_metric": "auc"}),
}
SWEPT: dict[str, st.SearchStrategy[Any]] = {
    "search_space": st.just({"a": {"type": "choice", "values": [1]}}),
    "sampling_algorithm": st.sampled_from(["random", {"type": "random", "seed": 3}]),
    "early_termination": st.just({"type": "bandit", "slack_factor": 0.1}),
}
TRIAL = keys({"command": TEXTS, "environment": ENVIRONMENTS}, {"code": st.just("src"), **RUNNING})
TASK = st.just({"type": "run_function", "entry_script": "x.py", "code": "src", "environment": "azureml:e@latest"})
LIMITS = st.builds(lambda seconds: {"timeout": seconds}, st.integers(1, 10**6))
NODES = st.one_of(
    keys(
        {"component": st.sampled_from(["./c.yml", "file:c.yml", "azureml:c@latest", "azureml:c:1"])},
        {**NODE, **RUNNING, "type": st.sampled_from(["command", "Command"]), "limits": LIMITS, "environment": ENVIRONMENTS},
    ),
    keys({"component": INLINE_COMPONENT}, {**NODE, "limits": LIMITS}),
    keys({"command": TEXTS}, {**NODE, **RUNNING, "environment": ENVIRONMENTS, "code": st.just("src"), "limits": LIMITS}),
    keys(
        {"type": st.just("pipeline"), "component": st.just("./p.yml")},
        {
            **without(NODE, "environment_variables"),
            "settings": st.just({"default_compute": "x"}),
        },
    ),
    keys(
        {"type": st.just("sweep"), "trial": st.one_of(st.just("./c.yml"), TRIAL), **SWEEP},
        {**without(NODE, "environment_variables"), **SWEPT},
    ),
    keys({"type": st.just("parallel"), "mini_batch_size": st.just("1"), "task": TASK}, NODE),
    keys({"type": st.just("parallel"), "component": st.just("./c.yml")}, NODE),
    keys({"type": st.just("spark"), "entry": st.just({"file": "x.py"})}, without(NODE, "environment_variables")),
    keys({"type": st.just("spark"), "component": st.just("./c.yml")}, without(NODE, "environment_variables")),
)
JOB: dict[str, st.SearchStrategy[Any]] = {
    "name": ASSET_NAMES,
    "display_name": TEXTS,
    "description": TEXTS,
    "experiment_name": TEXTS,
    "compute": st.just("azureml:cpu"),
    "tags": st.dictionaries(NAMES, TEXTS, max_size=2),
    "inputs": st.dictionaries(NAMES, INPUT_VALUES, max_size=3),
    "outputs": st.dictionaries(NAMES, OUTPUT_VALUES, max_size=3),
    "properties": st.just({"a": "b"}),
}
SETTINGS = keys(
    {},
    {
        "default_compute": st.sampled_from(["azureml:cpu", "serverless"]),
        "default_datastore": st.just("azureml:raw"),
        "continue_on_step_failure": st.booleans(),
        "force_rerun": st.booleans(),
        "on_finalize": NAMES,
    },
)
JOBS = st.dictionaries(NAMES, NODES, min_size=1, max_size=3)
DOCUMENTS = {
    "command component": COMMAND_COMPONENT,
    "pipeline component": keys(
        {"name": NAMES, "jobs": JOBS},
        {**COMMON, "type": st.just("pipeline"), "outputs": st.dictionaries(NAMES, OUTPUT_PORTS, max_size=2)},
    ),
    "pipeline job": st.one_of(
        keys({"jobs": JOBS}, {**JOB, "type": st.just("pipeline"), "settings": SETTINGS}),
        keys({"component": st.just("./p.yml")}, JOB),
    ),
    "command job": keys(
        {"command": TEXTS, "environment": ENVIRONMENTS},
        {
            **JOB,
            **RUNNING,
            "type": st.just("command"),
            "code": st.just("src"),
            "environment_variables": VARIABLES,
            "limits": LIMITS,
        },
    ),
    "sweep job": keys({"type": st.just("sweep"), "trial": TRIAL, **SWEEP}, {**JOB, **SWEPT}),
    "parallel component": keys(
        {"name": NAMES, "type": st.just("parallel"), "task": TASK},
        {**COMMON, "outputs": st.dictionaries(NAMES, OUTPUT_PORTS, max_size=2), "mini_batch_size": st.just("10kb")},
    ),
    "spark component": keys(
        {"name": NAMES, "type": st.just("spark"), "entry": st.just({"file": "x.py"})},
        {**COMMON, "outputs": st.dictionaries(NAMES, OUTPUT_PORTS, max_size=2), "conf": st.just({"a.b": 1})},
    ),
    "import component": st.just(
        {"name": "i", "type": "import", "version": "1", "source": {"connection": "x"}, "output": {"type": "mltable"}}
    ),
    "data_transfer component": st.just({"name": "d", "type": "data_transfer", "version": "1", "task": "copy_data"}),
    "parallel job": keys({"type": st.just("parallel"), "task": TASK, "mini_batch_size": st.just("1")}, JOB),
    "spark job": keys({"type": st.just("spark"), "entry": st.just({"class_name": "a.B"})}, JOB),
    "automl job": keys(
        {
            "type": st.just("automl"),
            "task": st.just("classification"),
            "target_column_name": TEXTS,
            "training_data": st.just({"type": "mltable", "path": "./x"}),
        },
        {**without(JOB, "inputs"), "limits": st.just({"max_trials": 3})},
    ),
    "import job": keys(
        {
            "type": st.just("import"),
            "source": st.just({"type": "s3", "connection": "azureml:c", "path": "x"}),
            "output": st.just({"type": "uri_folder"}),
        },
        without(JOB, "inputs", "outputs", "compute"),
    ),
    "data_transfer job": keys({"type": st.just("data_transfer"), "task": st.just("copy_data")}, JOB),
    "finetuning job": keys(
        {
            "type": st.just("finetuning"),
            "task": st.sampled_from(["chatCompletion", "chat_completion"]),
            "model": st.just({"type": "mlflow_model", "path": "azureml:m:1"}),
            "model_provider": st.just("custom"),
        },
        without(JOB, "inputs"),
    ),
    "datastore": st.just({"name": "raw", "type": "azure_blob", "account_name": "a", "container_name": "c"}),
    "mltable": st.just({"paths": [{"file": "./x.csv"}], "transformations": [{"take": 3}, "read_parquet"]}),
    "conda file": st.just({"$schema": "x", "name": "e", "channels": ["conda-forge"], "dependencies": ["python", {"pip": ["a"]}]}),
    "schedule": keys(
        {
            "name": NAMES,
            "trigger": st.just({"type": "cron", "expression": "0 1 * * *"}),
            "create_job": st.one_of(st.just("./p.yml"), st.just({"type": "pipeline", "job": "./p.yml"})),
        },
        {"description": TEXTS},
    ),
    "online endpoint": st.just({"name": "flights", "auth_mode": "aad_token", "traffic": {"blue": 100}}),
    "batch endpoint": st.just({"name": "flights", "auth_mode": "aad_token", "defaults": {"deployment_name": "blue"}}),
    "online deployment": st.just(
        {"name": "blue", "endpoint_name": "flights", "model": "azureml:m:1", "instance_type": "x", "instance_count": 1}
    ),
    "batch deployment": st.just({"name": "blue", "endpoint_name": "flights", "model": "azureml:m:1", "compute": "azureml:cpu"}),
    "environment": ENVIRONMENT.map(lambda document: {"name": "e"} | document),
    "data import": keys(
        {
            "path": PATHS, "name": ASSET_NAMES, "type": st.sampled_from(["uri_folder", "mltable"]),
            "source": st.sampled_from([
                {"type": "database", "connection": "azureml:c", "query": "select 1"},
                {"type": "file_system", "connection": "azureml:c", "path": "/x"}]),
        },
        {"version": VERSIONS, "description": TEXTS},
    ),
    "data": keys(
        {"path": PATHS, "name": ASSET_NAMES},
        {
            "version": VERSIONS,
            "type": st.sampled_from(["uri_file", "uri_folder", "mltable"]),
            "description": TEXTS,
            "tags": st.dictionaries(NAMES, TEXTS, max_size=2),
            "properties": st.just({"a": 1}),
        },
    ),
    "gate": st.just(
        {
            "objective": {"goal": "minimize", "primary_metric": "log_loss"},
            "required": ["brier"],
            "thresholds": {"log_loss": {"max": 0.5}},
            "confidence": {"level": 0.95},
            "slices": {"by": ["carrier"], "worse": 0.1, "min_rows": 3},
            "data": {"rows": {"min": 3}, "columns": ["carrier"], "labels": {"1": {"max": 1}}},
            "tags": {"owner": "me"},
            "signature": "required",
        }
    ),
    "model": keys(
        {"name": ASSET_NAMES},
        {
            "path": PATHS,
            "version": VERSIONS,
            "type": st.sampled_from(["mlflow_model", "MLFLOW_MODEL"]),
            "description": TEXTS,
            "flavors": st.just({"python_function": {"a": 1}}),
        },
    ),
}


def compiled(document: Any, kind: str | None = None) -> tuple[Spec | None, list[Finding]]:
    report = Report()
    text = document if isinstance(document, str) else unparse(document)
    return read(parse(text, "f.yml"), report, folder="/here", kind=kind), report.findings


def spec(document: Any, kind: str | None = None) -> Any:
    found, findings = compiled(document, kind)
    assert not findings, "\n".join(map(str, findings))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_reading_what_was_written_gives_the_same_spec(kind: str) -> None:
    @FEW
    @given(DOCUMENTS[kind])
    def check(document: Any) -> None:
        found = spec(document, kind)
        again = spec(found.to_dict(), kind)
        assert again == found
        assert again.to_dict() == found.to_dict()

    check()


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_no_key_is_lost_on_the_way(kind: str) -> None:
    @FEW
    @given(DOCUMENTS[kind])
    def check(document: Any) -> None:
        # is_deterministic: true and the like are defaults; empty mappings say nothing.
        silent = {"is_deterministic", "settings", "$schema", "type"}
        said = {key for key, value in document.items() if value not in ({}, None)} - silent
        assert said <= spec(document, kind).to_dict().keys()

    check()


@pytest.mark.parametrize("kind", sorted(DOCUMENTS.keys() - {"conda file", "gate"}))  # whose place says what they are
def test_what_is_written_names_its_kind(kind: str) -> None:
    @FEW
    @given(DOCUMENTS[kind])
    def check(document: Any) -> None:
        written = parse(unparse(spec(document, kind).to_dict()), "f.yml")
        assert kind_of_document(written) == kind

    check()


def test_every_kind_is_covered_here() -> None:
    assert DOCUMENTS.keys() == KINDS.keys()


def test_each_kind_is_a_class_of_its_own() -> None:
    texts = {
        "command component": "{name: c, command: x, environment: 'azureml:e@latest'}",
        "pipeline component": "{name: p, jobs: {a: {command: x}}}",
        "pipeline job": "{jobs: {a: {command: x}}}",
        "command job": "{command: x, environment: 'azureml:e@latest'}",
        "environment": "{name: e, image: x}",
        "data": "{path: x}",
        "model": "{name: m, path: x}",
    }
    classes = {kind: type(spec(text, kind)) for kind, text in texts.items()}
    assert classes == {
        "command component": CommandComponent,
        "pipeline component": PipelineComponent,
        "pipeline job": PipelineJob,
        "command job": SingleJob,
        "environment": Environment,
        "data": Asset,
        "model": Asset,
    }


# --- nodes -----------------------------------------------------------------------------------------------------------


def node(text: str) -> Any:
    return spec("{type: pipeline, jobs: {j: " + text + "}}").jobs["j"]


def test_a_job_with_a_command_has_a_component_with_ports_typed_by_what_is_given() -> None:
    job = node("""{command: 'x ${{inputs.a}}', environment: 'azureml:e@latest', environment_variables: {A: 1},
        inputs: {a: 3, b: 0.5, c: true, d: word, e: {type: uri_file, path: x}, f: '${{parent.inputs.q}}'},
        outputs: {o: , p: {type: uri_file}, q: '${{parent.outputs.q}}'}}""")
    assert job.inline
    assert {name: port.type for name, port in job.component.inputs.items()} == {
        "a": "integer",
        "b": "number",
        "c": "boolean",
        "d": "string",
        "e": "uri_file",
        "f": "any",
    }
    assert {name: port.type for name, port in job.component.outputs.items()} == {
        "o": "uri_folder",
        "p": "uri_file",
        "q": "uri_folder",
    }
    assert job.component.environment_variables == {"A": "1"}
    assert (job.environment, job.environment_variables) == (None, {})


def test_a_job_of_a_component_keeps_its_own_environment_and_variables() -> None:
    job = node("{component: ./c.yml, environment: 'azureml:e@latest', environment_variables: {A: yes}}")
    assert (job.component, job.reference, job.inline) == (None, "./c.yml", False)
    assert (job.environment, job.environment_variables) == ("azureml:e@latest", {"A": "True"})


@pytest.mark.parametrize(
    ("given", "seconds"), [("60", 60), ("60.0", 60), ("'60'", 60), ("1_000", 1000), ("0x10", 16), ("1.0e+3", 1000)]
)
def test_a_timeout_is_whole_seconds_however_it_is_written(given: str, seconds: int) -> None:
    assert node("{component: ./c.yml, limits: {timeout: " + given + "}}").timeout == seconds


def test_a_sweeps_limits_are_kept_whole() -> None:
    job = node(
        "{type: sweep, trial: ./c.yml, limits: {max_total_trials: 3, timeout: 60}, objective: {goal: minimize, primary_metric: m}}"
    )
    assert job.to_dict()["limits"] == {"max_total_trials": 3, "timeout": 60}


@pytest.mark.parametrize("type_", ["Command", "COMMAND"])
def test_the_case_of_a_jobs_type_does_not_matter(type_: str) -> None:
    assert node(f"{{type: {type_}, component: ./c.yml}}").type == "command"


def test_the_three_spellings_of_a_bound_output_mean_the_same() -> None:
    bare = node("{component: ./c.yml, outputs: {o: '${{parent.outputs.x}}'}}").outputs["o"]
    path = node("{component: ./c.yml, outputs: {o: {path: '${{parent.outputs.x}}'}}}").outputs["o"]
    assert bare == path
    assert str(bare.bound) == "${{parent.outputs.x}}"
    typed = node("{component: ./c.yml, outputs: {o: {type: uri_file, path: '${{ parent.outputs.x }}', mode: upload}}}").outputs[
        "o"
    ]
    assert (typed.bound, typed.type, typed.mode, typed.path) == (bare.bound, "uri_file", "upload", None)


def test_an_output_without_a_word_is_an_output_all_the_same() -> None:
    assert spec("{type: pipeline, jobs: {a: {command: x}}, outputs: {o: }}").outputs["o"].to_dict() is None


def test_an_inline_environment_stays_a_mapping() -> None:
    component = spec(
        "{name: c, type: command, command: x, environment: {image: i, conda_file: {dependencies: [a]}}}", "command component"
    )
    assert component.environment == Environment(image="i", conda_file={"dependencies": ["a"]})
    assert "$schema" not in component.to_dict()["environment"]


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("yes", "True"),
        ("off", "False"),
        ("true", "True"),
        ("3", "3"),
        ("1.0", "1.0"),
        ("1e-3", "1e-3"),
        ("1.0e-3", "0.001"),
        ("1_000", "1000"),
        ("017", "15"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
        ("'yes'", "yes"),
        ("12:30", "750"),
        ("''", ""),
        (".inf", "inf"),
    ],
)
def test_a_literal_is_what_pythons_str_makes_of_it(given: str, text: str) -> None:
    value = spec("{type: pipeline, inputs: {x: " + given + "}, jobs: {a: {command: x}}}").inputs["x"]
    assert isinstance(value, Literal)
    assert value.text == text


def test_data_and_bindings_are_told_from_literals() -> None:
    inputs = node(
        "{component: ./c.yml, inputs: {a: {path: x}, b: {type: URI_FILE, path: x, mode: RO_MOUNT}, c: '${{parent.inputs.q}}',"
        " d: {path: '${{parent.jobs.k.outputs.o}}', mode: direct}, e: {value: 3}}}"
    ).inputs
    assert inputs["a"] == Data(path="x")
    assert inputs["b"] == Data(path="x", type="uri_file", mode="ro_mount")
    assert isinstance(inputs["c"], Bound)
    assert isinstance(inputs["d"], Bound)
    assert inputs["d"].mode == "direct"
    assert inputs["e"] == Literal(text="3", value=3)


def test_numbers_as_versions_stay_as_written() -> None:
    assert spec("{name: e, version: 1.10, image: x}", "environment").version == "1.10"
    assert spec("{name: m, path: x, version: 007}", "model").version == "007"


def test_places_are_no_part_of_equality() -> None:
    one, two = "{name: c, command: x, environment: 'azureml:e:1'}", "\n\n{command:   x,\n environment: 'azureml:e:1', name: c}"
    assert spec(one, "command component") == spec(two, "command component")


def test_a_document_of_another_form_is_reported_and_none() -> None:
    for text in ("[1]", "word", ""):
        found, findings = compiled(text, "command component")
        assert found is None
        assert [finding.code for finding in findings] == ["wrong-type"]


def test_a_spec_is_returned_without_what_is_wrong_in_it() -> None:
    found, findings = compiled(
        "{name: c, command: [x], environment: 'azureml:e:1', inputs: {a: {type: nubmer}}, tags: 3}", "command component"
    )
    assert isinstance(found, CommandComponent)
    assert (found.command, found.tags) == ("", {})
    assert sorted(finding.code for finding in findings) == ["unknown-type", "wrong-type", "wrong-type"]


def test_unclear_folders_are_the_callers() -> None:
    report = Report()
    found = read(
        parse("{name: c, command: x, environment: {conda_file: a.yml}}", "f"), report, folder="/x", kind="command component"
    )
    assert isinstance(found, CommandComponent)
    assert found.folder == "/x"
    assert isinstance(found.environment, Environment)
    assert found.environment.folder == "/x"
    assert isinstance(parse("{a: 1}", "f"), Table)
