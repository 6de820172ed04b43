import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.catalogue import Catalogue, code_of
from mlops_lib.document import unparse
from mlops_lib.errors import CompileError, Finding, InputError, Severity
from mlops_lib.graph import build
from mlops_lib.inspection import is_local, local_path
from mlops_lib.spec import CommandComponent, Literal, PipelineComponent, PipelineJob

COPY = """\
name: copy
version: 3
type: command
command: cp -r ${{inputs.data}} ${{outputs.out}}
environment: azureml:python@latest
inputs:
  data: {type: uri_folder}
outputs:
  out: {type: uri_folder}
"""
JOB: dict[str, Any] = {"type": "command", "component": "../components/copy/component.yml", "inputs": {"data": "../data"}}


class Shop:
    """A project folder and what its catalogue says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("components/copy/component.yml", COPY)
        self.write("data/rows.csv", "a\n")

    def write(self, name: str, content: object) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else unparse(content))
        return path

    def pipeline(self, job: dict[str, Any] | None = None, **document: Any) -> PipelineJob:
        path = self.write("pipelines/p.yml", {"type": "pipeline"} | ({"jobs": {"a": JOB | (job or {})}} | document))
        return Catalogue(self.root, near=self.root).pipeline(path)

    def findings(self, job: dict[str, Any] | None = None, **document: Any) -> list[Finding]:
        with pytest.raises(CompileError) as caught:
            self.pipeline(job, **document)
        return list(caught.value.findings)

    def only(self, job: dict[str, Any] | None = None, **document: Any) -> Finding:
        [finding] = self.findings(job, **document)
        return finding


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


# --- asset names and paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("data", True),
        ("./data", True),
        ("/data", True),
        ("file:data", True),
        ("file:///data", True),
        ("~/data", True),
        ("a b/c", True),
        ("azureml:flights:3", False),
        ("azureml://datastores/a/paths/b", False),
        ("https://example.org/a", False),
        ("wasbs://c@a/b", False),
        ("abfss://c@a/b", False),
    ],
)
def test_a_local_path_is_told_from_a_uri(path: str, local: bool) -> None:
    assert is_local(path) is local


@pytest.mark.parametrize(
    ("path", "found"), [("x/../y", "/f/y"), ("/x", "/x"), ("file:x", "/f/x"), ("file:///x", "/x"), (".", "/f")]
)
def test_a_local_path_starts_from_the_folder_of_its_file(path: str, found: str) -> None:
    assert local_path(path, "/f") == Path(found)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("src", Path("/f/src")),
        ("./src/", Path("/f/src")),
        ("file:src", Path("/f/src")),
        (None, None),
        ("azureml:code:1", None),
        ("git+https://x", None),
        ("https://x", None),
    ],
)
def test_code_that_is_not_on_this_machine_has_no_path(code: str | None, found: Path | None) -> None:
    assert code_of(CommandComponent(command="x", code=code, folder="/f")) == found


# --- component references --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        "../components/copy/component.yml",
        "file:../components/copy/component.yml",
        "azureml:copy@latest",
        "azureml:copy:3",
        "azureml:copy",
    ],
)
def test_every_spelling_of_a_reference_finds_the_component(shop: Shop, reference: str) -> None:
    job = shop.pipeline({"component": reference}).jobs["a"]
    assert isinstance(job.component, CommandComponent)
    assert job.component.file == str(shop.root / "components/copy/component.yml")
    assert job.component.inputs["data"].type == "uri_folder"


def test_a_component_may_stand_in_the_job(shop: Shop) -> None:
    inline = {"command": "x ${{inputs.data}}", "environment": "azureml:e@latest", "inputs": {"data": {"type": "uri_folder"}}}
    job = shop.pipeline({"component": inline}).jobs["a"]
    assert isinstance(job.component, CommandComponent)
    assert (job.component.file, job.component.folder) == ("", str(shop.root / "pipelines"))


def test_a_component_of_a_registry_is_left_to_azure(shop: Shop) -> None:
    assert shop.pipeline({"component": "azureml://registries/r/components/c/versions/1"}).jobs["a"].component is None


@pytest.mark.parametrize(
    ("reference", "code", "words"),
    [
        ("azureml:cpoy@latest", "unknown-component", "did you mean 'copy'?"),
        ("../components/cpoy/component.yml", "missing-file", "did you mean 'copy'?"),
        ("../components/copy/componet.yml", "missing-file", "did you mean 'component.yml'?"),
        ("../nowhere/component.yml", "missing-file", "there is no folder 'nowhere'"),
        ("../components/copy", "wrong-component", "components/copy is a folder"),
        ("../data/env.yml", "wrong-component", "is not a component"),
        ("../data/job.yml", "wrong-component", "is not a component"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_where_it_stands(shop: Shop, reference: str, code: str, words: str) -> None:
    shop.write("data/env.yml", {"name": "e", "image": "i"})
    shop.write("data/job.yml", {"command": "x", "environment": "azureml:e@latest", "compute": "azureml:cpu"})
    finding = shop.only({"component": reference})
    assert finding.code == code
    assert words in str(finding)
    assert (finding.place.file, finding.place.line) == ("pipelines/p.yml", 5)
    assert str(shop.root) not in str(finding)


@pytest.mark.parametrize(
    ("declared", "what"), [("version: 3\n", "component 'copy' has version 3, not 2"), ("", "component 'copy' has no version, not 2")])
def test_a_version_that_a_component_does_not_have_is_told_and_left_to_the_workspace(
        shop: Shop, declared: str, what: str) -> None:
    shop.write("components/copy/component.yml", COPY.replace("version: 3\n", declared))
    path = shop.write("pipelines/p.yml", {"type": "pipeline", "jobs": {"a": JOB | {"component": "azureml:copy:2"}}})
    catalogue = Catalogue(shop.root, near=shop.root)
    assert catalogue.pipeline(path).jobs["a"].component is None
    assert [(finding.what, finding.severity) for finding in catalogue.findings()] == [(what, Severity.WARNING)]


@pytest.mark.parametrize("name", ["featurize@latest", "copy_v2@latest", "copy2:7", "uncopy@latest"])
def test_a_component_that_the_project_lacks_is_one_of_the_workspace(shop: Shop, name: str) -> None:
    assert shop.pipeline({"component": f"azureml:{name}"}).jobs["a"].component is None


def test_a_pipeline_with_a_component_of_the_workspace_does_not_run_here(shop: Shop) -> None:
    job = shop.pipeline({"component": "azureml:featurize@latest"})
    with pytest.raises(InputError, match="'azureml:featurize@latest' of job 'a' is not on this machine"):
        build(job)


def test_a_broken_component_is_told_in_its_own_file_and_once(shop: Shop) -> None:
    shop.write("components/copy/component.yml", COPY.replace("uri_folder}\noutputs", "uri_foldr}\noutputs"))
    finding = shop.only(jobs={"a": JOB, "b": JOB, "c": JOB | {"component": "azureml:copy@latest"}})
    assert (finding.code, finding.place.file, finding.place.line) == ("unknown-type", "components/copy/component.yml", 7)


def test_a_component_that_is_not_yaml_is_told_once(shop: Shop) -> None:
    shop.write("components/copy/component.yml", "name: [copy\n")
    assert shop.only(jobs={"a": JOB, "b": JOB}).code == "not-yaml"


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_component_is_told_to_be_empty(shop: Shop, text: str) -> None:
    shop.write("components/copy/component.yml", text)
    assert "the file is empty" in {finding.what for finding in shop.findings()}


def test_a_job_of_the_wrong_type_is_told_the_right_one(shop: Shop) -> None:
    finding = shop.only({"type": "pipeline"})
    assert (finding.code, finding.fix) == ("wrong-component", "write 'type: command'")
    assert shop.only({"component": None, "inputs": {}}).code == "wrong-type"


def test_a_job_without_component_and_command_is_told(shop: Shop) -> None:
    finding = shop.only(jobs={"a": {"type": "command"}})
    assert (finding.code, finding.place.line) == ("missing-key", 3)


def test_two_components_of_one_name_are_told(shop: Shop) -> None:
    shop.write("components/other/component.yml", COPY)
    finding = shop.only({"component": "azureml:copy@latest"})
    assert finding.code == "duplicate-name"
    assert "components/copy/component.yml" in finding.why


# --- pipelines in pipelines ------------------------------------------------------------------------------------------

FLOW: dict[str, Any] = {
    "type": "pipeline",
    "name": "flow",
    "inputs": {"data": {"type": "uri_folder"}},
    "outputs": {"out": {"type": "uri_folder"}},
    "jobs": {
        "inner": {
            "component": "../copy/component.yml",
            "inputs": {"data": "${{parent.inputs.data}}"},
            "outputs": {"out": "${{parent.outputs.out}}"},
        }
    },
}


def test_a_pipeline_component_is_linked_to_the_bottom(shop: Shop) -> None:
    shop.write("components/flow/component.yml", FLOW)
    job = shop.pipeline({"type": "pipeline", "component": "azureml:flow@latest"}).jobs["a"]
    assert isinstance(job.component, PipelineComponent)
    assert isinstance(job.component.jobs["inner"].component, CommandComponent)


def test_a_pipeline_component_that_contains_itself_is_told_as_a_walk(shop: Shop) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        shop.write(
            f"components/{name}/component.yml",
            {
                "type": "pipeline",
                "name": name,
                "jobs": {"inner": {"type": "pipeline", "component": f"../{other}/component.yml"}},
            },
        )
    finding = shop.only(jobs={"a": {"type": "pipeline", "component": "azureml:one@latest"}})
    assert finding.code == "cycle"
    assert finding.what.endswith("components/one/component.yml -> components/two/component.yml -> components/one/component.yml")


def test_a_pipeline_job_may_name_a_pipeline_component(shop: Shop) -> None:
    shop.write("components/flow/component.yml", FLOW | {"inputs": FLOW["inputs"] | {"rate": {"type": "number", "default": 2}}})
    path = shop.write(
        "pipelines/p.yml",
        {
            "type": "pipeline",
            "component": "../components/flow/component.yml",
            "inputs": {"data": {"type": "uri_folder", "path": "../data"}},
            "outputs": {"out": {"name": "copied"}},
        },
    )
    job = Catalogue(shop.root, near=shop.root).pipeline(path)
    assert list(job.jobs) == ["inner"]
    assert getattr(job.inputs["rate"], "text", None) == "2.0"
    assert job.outputs["out"].name == "copied"


def test_paths_inside_a_named_pipeline_component_start_from_its_own_file(shop: Shop) -> None:
    flow = FLOW | {
        "inputs": {},
        "jobs": {"inner": FLOW["jobs"]["inner"] | {"inputs": {"data": {"type": "uri_folder", "path": "local"}}}},
    }
    shop.write("components/flow/component.yml", flow)
    shop.write("components/flow/local/x", "")
    path = shop.write("pipelines/p.yml", {"type": "pipeline", "component": "../components/flow/component.yml"})
    value = Catalogue(shop.root, near=shop.root).pipeline(path).jobs["inner"].inputs["data"]
    assert getattr(value, "path", None) == str(shop.root / "components/flow/local")


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"inputs": {"dta": "../data"}}, "unknown-input", "did you mean 'data'?"),
        ({"inputs": {"data": "../data"}, "outputs": {"ot": None}}, "unknown-output", "did you mean 'out'?"),
        ({}, "missing-input", "has no value"),
        ({"component": "../components/copy/component.yml"}, "wrong-component", "must be a pipeline component"),
    ],
)
def test_what_a_named_pipeline_component_does_not_fit_is_told(
    shop: Shop, document: dict[str, Any], code: str, words: str
) -> None:
    shop.write("components/flow/component.yml", FLOW)
    path = shop.write("pipelines/p.yml", {"type": "pipeline", "component": "../components/flow/component.yml"} | document)
    with pytest.raises(CompileError) as caught:
        Catalogue(shop.root, near=shop.root).pipeline(path)
    [finding] = [finding for finding in caught.value.findings if finding.code == code]
    assert words in str(finding)


# --- what needs the disk ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"code": "scr"}, "missing-code", "did you mean 'src'?"),
        (
            {"code": "src", "command": "python trian.py ${{inputs.data}} ${{outputs.out}}"},
            "missing-script",
            "did you mean 'train.py'?",
        ),
        (
            {"code": "src", "command": "pip install x && python3 -u sub/go.py ${{inputs.data}} ${{outputs.out}}"},
            "missing-script",
            "sub/go.py",
        ),
        ({"environment": {"image": "i", "conda_file": "cond.yml"}}, "missing-file", "did you mean 'conda.yml'?"),
        ({"environment": "file:../../environments/e.yml"}, "missing-file", "there is no folder 'environments'"),
    ],
)
def test_a_file_that_a_component_needs_and_lacks_is_told(shop: Shop, changed: dict[str, Any], code: str, words: str) -> None:
    shop.write("components/copy/src/train.py", "")
    shop.write("components/copy/conda.yml", "")
    document = {
        "name": "copy",
        "command": "x ${{inputs.data}} ${{outputs.out}}",
        "environment": "azureml:python@latest",
        "inputs": {"data": {"type": "uri_folder"}},
        "outputs": {"out": {"type": "uri_folder"}},
    }
    shop.write("components/copy/component.yml", document | changed)
    finding = shop.only()
    assert finding.code == code
    assert words in str(finding)
    assert finding.place.file == "components/copy/component.yml"


@pytest.mark.parametrize(("command", "script"), [("bash run.sh", "run.sh"), ("Rscript fit.R", "fit.R"), ("python fit.py", "fit.py")])
def test_a_script_without_any_code_is_missing(shop: Shop, command: str, script: str) -> None:
    shop.write("components/copy/component.yml", COPY.replace("cp -r", f"{command} &&"))
    finding = shop.only()
    assert (finding.code, f"runs {script!r}, and there is no code" in finding.what) == ("missing-script", True)


@pytest.mark.parametrize(
    "command",
    [
        "python train.py",
        "python ./train.py",
        "cd sub && python other.py",
        "python -m train",
        "python /opt/x.py",
        "git clone x && python x/run.py",
        "python shared/go.py",
        "python go.py",
        "echo 'see trian.py'",
        "python $SCRIPT.py",
        "python train.py.bak",
        "bash /opt/run.sh",
        "cp x/run.sh . && bash run.sh",
        "echo ls > run.sh && bash run.sh",
    ],
)
def test_a_script_that_may_be_there_is_not_called_missing(shop: Shop, command: str) -> None:
    shop.write("components/copy/src/train.py", "")
    shop.write("lib/shared/go.py", "")
    shop.write("lib/go.py", "")
    shop.write(
        "components/copy/component.yml",
        COPY.replace("cp -r", f"{command} &&") + "code: src\nadditional_includes: [../../lib/shared, ../../lib/go.py]\n",
    )
    shop.pipeline()


@pytest.mark.parametrize("given", ["../dta", {"type": "uri_folder", "path": "../dta"}, {"path": "file:../dta"}])
def test_data_that_is_not_there_is_told_whether_it_is_given_to_the_pipeline_or_to_a_job(shop: Shop, given: object) -> None:
    for finding in (
        shop.only({"inputs": {"data": given}}),
        shop.only({"inputs": {"data": "${{parent.inputs.raw}}"}}, inputs={"raw": given}),
        shop.only(jobs={name: JOB | {"inputs": {"data": "${{parent.inputs.raw}}"}} for name in "ab"}, inputs={"raw": given}),
    ):
        assert (finding.code, finding.fix) == ("missing-path", "did you mean 'data'?")


@pytest.mark.parametrize("given", ["azureml:flights@latest", "https://example.org/x", "azureml://datastores/d/paths/x"])
def test_data_elsewhere_is_not_looked_for(shop: Shop, given: str) -> None:
    shop.pipeline({"inputs": {"data": {"type": "uri_folder", "path": given}}})
    shop.pipeline({"inputs": {"data": given}})


def test_an_environment_of_a_job_is_looked_for_beside_the_pipeline(shop: Shop) -> None:
    assert shop.only({"environment": "file:e.yml"}).code == "missing-file"
    assert shop.only({"environment": {"image": "i", "conda_file": "c.yml"}}).code == "missing-file"


def test_an_environment_is_found_by_name_version_and_file(shop: Shop) -> None:
    shop.write("environments/py/environment.yml", {"name": "py", "version": 2, "image": "i"})
    shop.write("environments/py/conda.yml", {"name": "py", "dependencies": []})
    catalogue = Catalogue(shop.root)
    by_name = catalogue.environment("azureml:py@latest", "")
    assert by_name is not None
    assert by_name.image == "i"
    assert catalogue.environment("azureml:py:2", "") == by_name
    assert catalogue.environment("azureml:py:3", "") is None
    assert catalogue.environment("azureml:other@latest", "") is None
    assert catalogue.environment("file:environment.yml", str(shop.root / "environments/py")) == by_name
    assert catalogue.environment(by_name, "") is by_name
    assert catalogue.environment(None, "") is None


# --- what is no pipeline ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (COPY, "is a component, not a pipeline"),
        ("name: e\nimage: i\n", "is neither a pipeline nor a job"),
        ("$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\n", "is neither a pipeline nor a job"),
    ],
)
def test_running_what_is_no_pipeline_says_what_it_is(shop: Shop, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Catalogue(shop.root).pipeline(shop.write("x.yml", text))


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: 1\n", "[1]\n"])
def test_what_is_nothing_at_all_is_told(shop: Shop, text: str) -> None:
    with pytest.raises(CompileError) as caught:
        Catalogue(shop.root).pipeline(shop.write("x.yml", text))
    assert [finding.code for finding in caught.value.findings] == ["unknown-kind"]


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(shop: Shop) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Catalogue(shop.root).pipeline(shop.root / "x.yml")
    (shop.root / "folder.yml").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        Catalogue(shop.root).pipeline(shop.root / "folder.yml")


def test_a_binding_needs_something_around_it(shop: Shop) -> None:
    finding = shop.only({"inputs": {"data": "${{parent.inputs.raw}}"}}, inputs={"raw": "${{parent.inputs.other}}"})
    assert (finding.code, finding.why) == ("bad-binding", "nothing is around this job")
    path = shop.write(
        "c.yml", {"command": "x ${{inputs.a}}", "environment": "azureml:e@latest", "inputs": {"a": "${{parent.inputs.b}}"}}
    )
    with pytest.raises(CompileError, match="bound to"):
        Catalogue(shop.root).pipeline(path)


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_component_is_found_by_name(shop: Shop) -> None:
    assert Catalogue(shop.root).find_component("copy").name == "copy"
    with pytest.raises(InputError, match="no component 'cpoy'") as caught:
        Catalogue(shop.root).find_component("cpoy")
    assert caught.value.fix == "did you mean 'copy'?"


def test_a_change_is_made_before_values_are_judged(shop: Shop) -> None:
    job = {
        "type": "pipeline",
        "inputs": {"raw": "../nothing"},
        "jobs": {"a": JOB | {"inputs": {"data": "${{parent.inputs.raw}}"}}},
    }
    path = shop.write("pipelines/p.yml", job)
    Catalogue(shop.root).pipeline(
        path, lambda job: dataclasses.replace(job, inputs={"raw": Literal(text="../data", value="../data")})
    )
    with pytest.raises(CompileError, match="nothing' does not exist"):
        Catalogue(shop.root).pipeline(path)


# --- files of other kinds ----------------------------------------------------------------------------------------------


def told_of(shop: Shop, name: str, text: str) -> list[tuple[str, int]]:
    catalogue = Catalogue(shop.root, near=shop.root)
    catalogue.check_file(shop.write(name, text))
    return [(finding.code, finding.place.line) for finding in catalogue.findings()]


def test_a_conda_file_that_is_named_is_checked_as_one(shop: Shop) -> None:
    assert told_of(shop, "conda.yml", "dependencies: [python=3.11]\n") == []
    assert told_of(shop, "conda.yml", "dependencies:\n- numpy\n") == [("no-python", 2)]


def test_the_tables_of_an_automl_job_must_be_there(shop: Shop) -> None:
    text = "type: automl\ntask: classification\ntarget_column_name: y\ntraining_data:\n  type: mltable\n  path: {}\n"
    assert told_of(shop, "automl.yml", text.format("./nowhere")) == [("missing-path", 6)]
    assert told_of(shop, "automl.yml", text.format("./data")) == [("no-mltable", 6)]
    shop.write("data/MLTable", "paths: [{file: ./rows.csv}]\n")
    assert told_of(shop, "automl.yml", text.format("./data")) == []


def test_a_spark_components_entry_must_be_in_its_code(shop: Shop) -> None:
    shop.write("components/wrangle/src/x.py", "")
    text = "type: spark\nname: wrangle\nversion: 1\ncode: ./src\nentry: {{file: {}}}\n"
    assert told_of(shop, "components/wrangle/component.yml", text.format("x.py")) == []
    assert told_of(shop, "components/wrangle/component.yml", text.format("y.py")) == [("missing-script", 5)]


def test_a_deployments_code_model_and_environment_must_be_there(shop: Shop) -> None:
    shop.write("serving/src/score.py", "def init(): ...\ndef run(data): ...\n")
    text = (
        "name: blue\nendpoint_name: late\ninstance_type: x\nmodel: {{path: {model}}}\n"
        "code_configuration: {{code: {code}, scoring_script: {script}}}\nenvironment: {{image: i, conda_file: {conda}}}\n"
    )
    good = {"model": "../data", "code": "src", "script": "score.py", "conda": "conda.yml"}
    shop.write("serving/conda.yml", "dependencies: [python]\n")
    assert told_of(shop, "serving/blue.yml", text.format(**good)) == []
    for key, code, line in (("model", "missing-path", 4), ("code", "missing-code", 5), ("script", "missing-script", 5), ("conda", "missing-file", 6)):
        for absent in ("nowhere", "n" * 300):  # no name is so long
            assert told_of(shop, "serving/blue.yml", text.format(**good | {key: absent})) == [(code, line)]


def test_an_output_of_an_inline_command_takes_the_type_of_the_pipelines_output(shop: Shop) -> None:
    command = {"command": "echo > ${{outputs.o}}", "environment": "azureml:e@latest", "outputs": {"o": "${{parent.outputs.result}}"}}
    path = shop.write("pipelines/p.yml", {"type": "pipeline", "outputs": {"result": {"type": "uri_file"}}, "jobs": {"a": command}})
    job = Catalogue(shop.root, near=shop.root).pipeline(path).jobs["a"]
    assert job.component is not None
    assert job.component.outputs["o"].type == "uri_file"


@pytest.mark.parametrize(
    ("build", "files", "expected"),
    [
        ({"path": "./docker"}, ["docker/Dockerfile"], []),
        ({"path": "./docker", "dockerfile_path": "gpu/Dockerfile"}, ["docker/gpu/Dockerfile"], []),
        ({"path": "https://github.com/x/y.git"}, [], []),
        ({"path": "./dokcer"}, ["docker/Dockerfile"], [("missing-path", 3)]),
        ({"path": "./" + "d" * 300}, ["docker/Dockerfile"], [("missing-path", 3)]),
        ({"path": "./docker"}, ["docker/Dockrfile"], [("missing-file", 3)]),
        ({"path": "./docker", "dockerfile_path": "Dockerfile"}, ["docker/dockerfile"], [("missing-file", 4)]),
    ],
)
def test_a_build_needs_its_folder_and_its_dockerfile(
    shop: Shop, build: dict[str, str], files: list[str], expected: list[tuple[str, int]]
) -> None:
    for file in files:
        shop.write(f"environments/{file}", "FROM scratch\n")
    path = shop.write("environments/e.yml", {"name": "e", "build": build})
    catalogue = Catalogue(shop.root, near=shop.root)
    catalogue.check_file(path)
    assert [(finding.code, finding.place.line) for finding in catalogue.findings()] == expected


def test_a_path_of_another_type_than_its_port_is_told_once(shop: Shop) -> None:
    shop.write("components/copy/component.yml", COPY.replace("data: {type: uri_folder}", "data: {type: uri_file}"))
    shop.write("pipelines/p.yml", {"type": "pipeline", "jobs": {"a": JOB | {"inputs": {"data": {"type": "mltable", "path": "../data/rows.csv"}}}}})
    catalogue = Catalogue(shop.root, near=shop.root)
    catalogue.check_file(shop.root / "pipelines/p.yml")
    assert [finding.code for finding in catalogue.findings() if finding.code != "no-compute"] == ["wrong-form"]


def test_a_component_that_is_something_else_is_told_at_the_job_alone(shop: Shop) -> None:
    shop.write("ci.yml", "on: push\nsteps: []\n")
    [finding] = shop.findings({"component": "../ci.yml"})
    assert (finding.code, finding.place.file) == ("wrong-component", "pipelines/p.yml")
