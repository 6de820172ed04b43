import copy
import json
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import Place, StageError
from mlops_lib.infra import Used, missing, read
from mlops_lib.infra.sources import known, load

OUTPUTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "broken" / "not-in-stage" / "dev.json").read_text())
HERE = Place("p.yml", 3, 4)


def without(*path: str) -> dict[str, Any]:
    document = copy.deepcopy(OUTPUTS)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return document


def changed(value: Any, *path: str) -> dict[str, Any]:
    document = copy.deepcopy(OUTPUTS)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


@pytest.mark.parametrize("around", [lambda d: d, lambda d: {"value": d, "sensitive": False}, lambda d: {"aml": {"value": d}}])
def test_outputs_are_read_with_and_without_what_terraform_puts_around_them(around: Any) -> None:
    stage = read(around(OUTPUTS), "dev.json")
    assert (stage.name, stage.computes["cpu"].max_nodes, stage.datastores["raw"].type) == ("dev", 4, "blob")
    assert (stage.registry, stage.workspace["name"]) == (None, "mlw-flights-dev")
    assert stage.identities["jobs"].client_id == "00000000-0000-0000-0000-0000000000a1"
    assert (stage.networking["mode"], stage.app_insights.rsplit("/", 1)[1]) == ("public", "appi-flights-dev")


def test_keys_that_were_added_later_are_no_mistake() -> None:
    assert read(changed({"a": 1}, "monitoring"), "dev.json").outputs["monitoring"] == {"a": 1}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (without("workspace", "id"), "workspace.id"),
        (without("tenant_id"), "tenant_id"),
        (changed(3, "subscription_id"), "subscription_id"),
        (changed([], "computes"), "computes"),
        (changed("robot", "computes", "cpu", "kind"), "computes.cpu.kind"),
        (changed("tape", "datastores", "raw", "type"), "datastores.raw.type"),
        (changed("acr", "registry"), "registry"),
        (changed({"id": "x", "name": "cr"}, "registry"), "registry.login_server"),
        (without("identities", "jobs"), "identities.jobs"),
        (without("identities", "workspace", "client_id"), "identities.workspace.client_id"),
        (changed("someone", "identities", "ci"), "identities.ci"),
        (without("app_insights"), "app_insights"),
        (without("networking", "isolation_mode"), "networking.isolation_mode"),
        (changed("x", "storage", "primary_connection_string"), "storage.primary_connection_string (a secret)"),
        (changed("https://x/?sv=1&sig=abc", "storage", "url"), "storage.url (a secret)"),
        (changed(2, "schema_version"), "schema_version 2"),
        (without("schema_version"), "schema_version None"),
        ([], "holds no stage's outputs"),
        ("text", "holds no stage's outputs"),
    ],
)
def test_what_is_missing_wrong_or_secret_is_told_by_its_name(document: Any, words: str) -> None:
    with pytest.raises(StageError) as caught:
        read(document, "dev.json")
    assert words in str(caught.value)
    assert caught.value.exit_code == 4
    assert "sig=abc" not in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    document = without("tenant_id")
    del document["vault"]
    with pytest.raises(StageError, match="tenant_id, vault"):
        read(document, "dev.json")


def test_names_that_a_stage_lacks_are_told_where_they_stand() -> None:
    stage = read(OUTPUTS, "dev.json")
    used = [Used("compute", "cpu", HERE), Used("compute", "cpus", HERE), Used("datastore", "lake", HERE), Used("endpoint", "late-dev", HERE)]
    first, second = missing(used, stage)
    assert (first.code, first.place, first.fix) == ("not-in-stage", HERE, "did you mean 'cpu'?")
    assert (second.what, second.why) == ("stage 'dev' has no datastore 'lake'", "Terraform made raw")


def test_the_datastores_that_azure_ml_makes_itself_are_in_every_stage() -> None:
    used = [Used("datastore", "workspaceblobstore", HERE), Used("compute", "workspaceblobstore", HERE)]
    assert [finding.what for finding in missing(used, read(OUTPUTS, "dev.json"))] == ["stage 'dev' has no compute 'workspaceblobstore'"]


# --- where outputs come from -------------------------------------------------------------------------------------------


def write(path: Path, **changes: Any) -> str:
    path.write_text(json.dumps(OUTPUTS | changes))
    return str(path)


def test_the_first_source_that_is_there_is_read(tmp_path: Path) -> None:
    given = write(tmp_path / "given.json", resource_group="given")
    variable = write(tmp_path / "variable.json", resource_group="variable")
    write(tmp_path / "published.json", resource_group="published")
    environ = {"MLOPS_DEV_OUTPUTS": variable}
    assert load("dev", tmp_path, outputs=given, published="published.json", environ=environ).resource_group == "given"
    assert load("dev", tmp_path, published="published.json", environ=environ).resource_group == "variable"
    with pytest.raises(StageError, match=r"gone\.json cannot be read: No such file or directory\n  why: MLOPS_DEV_OUTPUTS names it"):
        load("dev", tmp_path, environ={"MLOPS_DEV_OUTPUTS": str(tmp_path / "gone.json")})
    with pytest.raises(StageError, match=r"gone\.json cannot be read: No such file or directory\n  why: the settings name it"):
        load("dev", tmp_path, published="gone.json", environ={})
    inline = {"MLOPS_DEV_OUTPUTS": json.dumps(OUTPUTS | {"resource_group": "inline"})}
    assert load("dev", tmp_path, published="published.json", environ=inline).resource_group == "inline"
    assert load("dev", tmp_path, published="published.json", environ={}).resource_group == "published"


@pytest.mark.parametrize(
    ("text", "words"), [(None, "No such file"), ("{", "is not JSON"), ("[]", "holds no stage's outputs"), ("\x00", "is not JSON")]
)
def test_a_file_that_holds_no_outputs_is_told(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "dev.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StageError, match=words):
        load("dev", tmp_path, outputs=str(path))


def test_the_outputs_of_another_stage_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "qa.json", stage="qa")
    with pytest.raises(StageError, match="the outputs of stage 'qa', not 'dev'"):
        load("dev", tmp_path, outputs=path)


def test_stages_are_known_from_settings_folders_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "terraform" / "stages" / "qa").mkdir(parents=True)
    (tmp_path / "terraform" / "stages" / "qa" / "main.tf").touch()
    (tmp_path / "terraform" / "stages" / "notes").mkdir()
    environ = {"MLOPS_PROD_EU_OUTPUTS": "x.json", "MLOPS_OUTPUTS": "x", "MLOPS__OUTPUTS": "x", "MLOPS_HOME": "/x"}
    assert known(tmp_path, published={"dev": "dev.json"}, environ=environ) == ("dev", "prod-eu", "qa")
    assert known(tmp_path / "elsewhere", published={}, environ={}) == ()


def test_without_any_source_it_is_told_where_one_could_be(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="MLOPS_PROD_EU_OUTPUTS"):
        load("prod-eu", tmp_path, environ={})


def test_terraform_is_asked_in_the_stages_root(tmp_path: Path) -> None:
    root = tmp_path / "terraform" / "stages" / "dev"
    root.mkdir(parents=True)
    (root / "main.tf").write_text(f"output \"aml\" {{\n  value = jsondecode({json.dumps(json.dumps(OUTPUTS))})\n}}\n")
    with pytest.raises(StageError, match="terraform output in"):
        load("dev", tmp_path, environ={})
    import subprocess

    for command in (["init", "-input=false"], ["apply", "-auto-approve", "-input=false"]):
        subprocess.run(["terraform", f"-chdir={root}", *command], check=True, capture_output=True, timeout=60)
    assert load("dev", tmp_path, environ={}).workspace["name"] == "mlw-flights-dev"
