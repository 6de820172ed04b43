"""The whole way of a model on this machine, through the command line, with models of one line."""

import json
import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.cli.models import _actor
from mlops_lib.errors import InputError

# An evaluate component as anybody may write one, with nothing but Python: a model is a file with its loss.
EVALUATE = '''
import array, hashlib, json, os, pathlib, shutil, sys

test, metrics, best, names, *paths = sys.argv[1:]
names, champion = names.split(","), None
if len(paths) > len(names):
    names.append("champion")

def digest(folder):
    total = hashlib.sha256()
    for path in sorted(pathlib.Path(folder).iterdir()):
        total.update(f"{path.name}\\0{hashlib.sha256(path.read_bytes()).hexdigest()}\\n".encode())
    return total.hexdigest()

rows = pathlib.Path(test, "rows").read_text()
count = int(rows)
os.makedirs(metrics + "/losses", exist_ok=True)
models = {}
for name, path in zip(names, paths):
    text = pathlib.Path(path, "loss").read_text().strip()
    loss = None if text in ("nan", "none") else float(text)
    told = models[name] = {"digest": digest(path), "size": 10, "metrics": {} if text == "none" else {"loss": loss}}
    if loss is not None:
        with open(f"{metrics}/losses/{name}.f64", "wb") as file:
            array.array("d", [loss] * count).tofile(file)
        told["losses"] = {"loss": f"losses/{name}.f64"}
        told["slices"] = [{"by": "side", "value": "left", "rows": count, "metrics": {"loss": loss}}]
sha = "sha256:" + hashlib.sha256(rows.encode()).hexdigest()
pathlib.Path(metrics, "metrics.json").write_text(json.dumps({
    "schema_version": 2, "test": {"digest": sha, "rows": count, "labels": {"1": count}}, "models": models}))
pathlib.Path(metrics, "latency.json").write_text(json.dumps({name: {"row_ms": 1, "rows_per_second": 9} for name in models}))
shutil.copytree(paths[0], best, dirs_exist_ok=True)
'''
EVALUATION = ("python evaluate.py ${{inputs.test}} ${{outputs.metrics}} ${{outputs.best}} ${{inputs.names}} ${{inputs.model_1}} "
              "$[[${{inputs.champion}}]]")
EVALUATE_PORTS: Any = {
    "inputs": {"test": {"type": "uri_folder"}, "names": "string", "model_1": {"type": "mlflow_model"},
               "champion": {"type": "mlflow_model", "optional": True}},
    "outputs": {"metrics": {"type": "uri_folder"}, "best": {"type": "mlflow_model"}}, "tags": {"role": "evaluate"}}
GATE = """\
objective: {primary_metric: loss, goal: minimize}
thresholds: {loss: {max: 0.9}}
confidence: {resamples: 100}
slices: {by: [side], worse: 0.0}
latency: {row_ms: 10}
signature: required
"""
SETTINGS = """\
experiment: shop
inputs:
  raw: {type: uri_folder, path: data}
stages:
  dev: {gate: gates/shop.yml}
  qa: {gate: gates/shop.yml, approval: required}
  prod: {gate: gates/shop.yml, approval: other, after: qa}
"""


def build(shop: Any) -> None:
    shop.write("mlops.yml", SETTINGS)
    shop.write("gates/shop.yml", GATE)
    shop.write("data/rows", "100\n")
    folder = {"type": "uri_folder"}
    model = {"type": "mlflow_model"}
    splits = ("train", "validation", "test")
    shop.write("data/origin", "all of it\n")
    shop.component("prep", "; ".join(f"cp ${{{{inputs.raw}}}}/rows ${{{{outputs.{name}}}}}/" for name in splits)
                   + "; for x in ${{outputs.train}} ${{outputs.validation}}; do basename $x > $x/name; done", inputs={"raw": folder},
                   outputs=dict.fromkeys(splits, folder), tags={"role": "preprocess"})
    signature = """signature: {inputs: "[{\\"type\\": \\"long\\", \\"name\\": \\"a\\"}]"}"""
    shop.component(
        "train_a", f"cat ${{{{inputs.train}}}}/rows ${{{{inputs.validation}}}}/rows; echo ${{{{inputs.loss}}}} > ${{{{outputs.model}}}}/loss; "
        f"echo '{signature}' > ${{{{outputs.model}}}}/MLmodel",
        inputs={"train": folder, "validation": folder, "loss": {"type": "string", "default": "0.5"}}, outputs={"model": model},
        tags={"role": "train"})
    shop.component("evaluate", EVALUATION, code={"evaluate.py": EVALUATE}, **EVALUATE_PORTS)
    shop.component(
        "score", "cat ${{inputs.data}}/rows; cp ${{inputs.model}}/loss ${{outputs.predictions}}/; touch ${{outputs.rejects}}/none",
        inputs={"model": model, "data": folder}, outputs={"predictions": folder, "rejects": folder}, tags={"role": "score"})


@pytest.fixture
def shop(project: Callable[..., Any]) -> Iterator[Any]:
    made = project()
    build(made)
    yield made
    for parent, _, _ in os.walk(made.root):  # what is promoted is read-only
        os.chmod(parent, 0o755)


def run(shop: Any, loss: str, *more: str) -> Any:
    return shop.json("run", "shop", "--set", f"train_a_loss={loss}", *more)


def promote(shop: Any, *more: str, name: str = "shop", source: str = "runs", target: str = "dev", expect: int = 0) -> Any:
    arguments = ("models", "promote", name, "--from", source, "--to", target, *more)
    return shop.json(*arguments, expect=expect)


def refused(shop: Any, *more: str, **where: Any) -> dict[str, str]:
    """What refused, when nothing has changed."""
    home = shop.root / ".mlops/stages"
    before = {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    told = promote(shop, *more, expect=3, **where)
    assert (told["promoted"], told["champion"]) == (False, None)
    assert {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name[0] != "."} == {
        path: content for path, content in before.items() if Path(path).name[0] != "."}
    return {check["name"]: check["told"] for check in told["decision"]["checks"] if not check["passed"]}


def test_a_model_goes_from_a_run_to_prod_and_back(shop: Any) -> None:
    run(shop, "0.5")
    done = shop.mlops("models", "promote", "shop", "--from", "runs", "--to", "dev", variables={"MLOPS_ACTOR": "ann"})
    assert [line.split(":")[0].split(maxsplit=1) for line in done.stdout.splitlines()] == [
        ["passed", name] for name in ("evidence", "metrics", "threshold loss", "improvement", "latency of a row", "signature")]
    assert done.stderr.splitlines() == [
        "dev is on this machine, in .mlops/stages/dev", "shop:1 of runs is now the champion shop:1 of dev"]
    # qa wants somebody's approval, prod somebody else's.
    for nobody in ((), ("--approved-by", " \t")):
        assert refused(shop, *nobody, source="dev", target="qa") == {"approval": "nobody has approved it: --approved-by WHO"}
    assert promote(shop, "--approved-by", "bob", source="dev", target="qa")["champion"] == "1"
    told = shop.json("models", "promote", "shop", "--from", "qa", "--to", "prod", "--approved-by", "ann", expect=3,
                     variables={"MLOPS_ACTOR": "Ann"})
    assert [check["name"] for check in told["decision"]["checks"] if not check["passed"]] == ["approval"]
    for source in ("runs", "dev"):  # not around qa
        assert refused(shop, "--approved-by", "bob", source=source, target="prod") == {
            "way": f"shop:1 comes from {source}, must come from qa"}
    shop.mlops("models", "promote", "shop", "--from", "qa", "--to", "prod", "--approved-by", "bob", variables={"MLOPS_ACTOR": "ann"})

    shown = shop.json("models", "show", "shop@champion", "--in", "prod")
    assert (Path(shown["path"]) / "loss").read_text() == "0.5\n"
    assert (shown["tags"]["promoted_by"], shown["tags"]["approved_by"]) == ("ann", "bob")
    assert [step["to"] for step in shown["lineage"]["promotions"]] == ["dev", "qa", "prod"]
    origin = shown["lineage"]["origin"]
    assert (origin["step"], origin["pipeline"], origin["git_commit"]) == ("train_a", "shop", None)
    assert {port: data["asset"] for port, data in origin["data"].items()} == {
        "prep.raw": None, "train_a.train": "shop-train:1", "train_a.validation": "shop-validation:1"}
    assert shown["signature"]["inputs"] == {"a": "long"}
    assert shown["decision"]["passed"]
    text = shop.mlops("models", "show", "shop", "--in", "prod").stdout
    assert re.search(r"^promoted +qa/shop:1 to prod by ann at \S+, approved by bob$", text, re.MULTILINE)
    assert re.search(r"^passed +improvement: there is no champion yet; loss is 0.5$", text, re.MULTILINE)

    measured = run(shop, "0.4", "--against", "dev")["run"]
    told = promote(shop)
    assert told["decision"]["checks"][0]["values"]["source"] == f"run {measured}"
    assert (told["champion"], told["replaced"], told["model"]) == ("2", "shop:1", "shop:2")
    assert [entry["champion"]["version"] for entry in shop.json("models", "list", "--in", "dev")] == ["2"]
    assert shop.json("models", "rollback", "shop", "--in", "dev")["champion"] == "1"
    assert shop.mlops("models", "list", "--in", "dev").stdout.splitlines()[1].split()[:2] == ["shop", "1"]
    assert [shop.json("models", "show", f"shop{which}", "--in", "dev")["version"] for which in ("", "@latest", ":2")] == ["1", "2", "2"]
    assert "no champion of 'shop' was before shop:1" in shop.mlops("models", "rollback", "shop", "--in", "dev", expect=2).stderr


def test_what_must_not_pass_is_refused_with_reasons(shop: Any) -> None:
    run(shop, "0.5")
    promote(shop)
    reasons = {}
    for loss in ("0.6", "nan", "none"):
        measured = run(shop, loss, "--against", "dev")["outputs"]["metrics"]["path"]
        reasons[loss] = refused(shop)
        if loss == "0.6":  # an evaluation that somebody has made kinder is none
            file = Path(measured, "metrics.json")
            file.chmod(0o644)
            file.write_text(file.read_text().replace("0.6", "0.1"))
            assert "no evaluation knows its bytes" in refused(shop)["evidence"]
    assert reasons["0.6"]["improvement"] == "loss is 0.6, the champion's 0.5: worse by 0.1"
    assert list(reasons["0.6"]) == ["improvement", "confidence", "slices by side"]
    assert reasons["nan"]["metrics"] == "loss is not finite"
    assert reasons["none"]["metrics"] == "there is no loss"
    # The same bytes again: equal.
    run(shop, "0.5", "--against", "dev")
    assert refused(shop, name="shop:1")["improvement"] == "loss is 0.5, the champion's 0.5: a tie keeps the champion"
    # Better, and not measured beside the champion on what the champion was measured on.
    shop.write("data/rows", "200\n")
    run(shop, "0.3")
    different = refused(shop)
    assert list(different) == ["same data", "confidence"]
    assert "the champion was measured on sha256:" in different["same data"]
    # Better, and its bytes are others than those that were measured.
    run(shop, "0.2", "--against", "dev")
    file = Path(shop.json("models", "show", "shop")["path"]) / "loss"
    file.chmod(0o644)
    file.write_text("0.1\n")
    done = shop.mlops("models", "promote", "shop", "--from", "runs", "--to", "dev", expect=3)
    assert "not what they were when it was made" in done.stderr
    assert shop.json("models", "list", "--in", "dev")[0]["champion"]["version"] == "1"
    # What was never measured.
    shutil.rmtree(shop.root / ".mlops/artifacts", ignore_errors=True)
    run(shop, "0.7", "--no-cache")
    assert "no evaluation knows its bytes" in refused(shop)["same data"]


def test_evaluate_and_score_take_the_champion_of_a_stage(shop: Any) -> None:
    run(shop, "0.5")
    assert "stage dev has no champion of 'shop'" in shop.mlops(
        "run", "score", "--set", "model=azureml:shop@dev", expect=4).stderr
    assert "nothing says of which stage" in shop.mlops("run", "score", "--set", "model=azureml:shop@champion", expect=2).stderr
    assert "asks for the label 'prd'" in shop.mlops("run", "score", "--set", "model=azureml:shop@prd", expect=2).stderr
    assert "did you mean 'prod'?" in shop.mlops("run", "score", "--against", "prd", expect=2).stderr
    promote(shop)
    run(shop, "0.6")
    for arguments in (("model=azureml:shop@dev",), ("model=azureml:shop@champion", "--against", "dev")):
        scored = shop.json("run", "score", "--set", *arguments)
        assert (Path(scored["outputs"]["predictions"]["path"]) / "loss").read_text() == "0.5\n"
    # A run remembers the stage; settings name one for good.
    assert shop.json("runs", "resume", scored["run"])["status"] == "completed"
    found = shop.json("run", "evaluate", "--against", "dev")
    measured = json.loads((Path(found["outputs"]["metrics"]["path"]) / "metrics.json").read_text())
    assert measured["models"]["champion"]["metrics"] == {"loss": 0.5}
    given = shop.json("run", "evaluate", "--set", "champion=azureml:shop:2")
    measured = json.loads((Path(given["outputs"]["metrics"]["path"]) / "metrics.json").read_text())
    assert measured["models"]["champion"]["metrics"] == {"loss": 0.6}
    assert "champion" not in shop.mlops("export", "evaluate").stdout
    shop.write("mlops.yml", SETTINGS + "champion: dev\n")
    assert {step["status"] for step in shop.json("run", "evaluate")["steps"].values()} == {"reused"}
    assert "champion" not in shop.mlops("export", "evaluate").stdout
    # Changed bytes are no champion.
    file = Path(shop.json("models", "show", "shop", "--in", "dev")["path"]) / "loss"
    file.chmod(0o644)
    file.write_text("0.1\n")
    assert "are not those that were promoted" in shop.mlops("run", "evaluate", expect=3).stderr
    assert "are not those that were promoted" in shop.mlops("serve", "shop@dev", expect=3).stderr


def test_models_are_compared_on_the_same_data(shop: Any) -> None:
    assert "nothing was evaluated yet" in shop.mlops("models", "compare", expect=2).stderr
    run(shop, "0.5")
    promote(shop)
    run(shop, "0.25", "--against", "dev")
    out = shop.mlops("models", "compare", "shop", "shop:1", "dev/shop", "--html", "new/out.html")
    lines = [line.split() for line in out.stdout.splitlines()]
    assert lines[0][:2] == ["MODEL", "loss"]
    assert [line[:2] for line in lines[1:]] == [["shop:2", "0.2500"], ["shop:1", "0.5000"], ["dev/shop:1", "0.5000"]]
    page = (shop.root / "new/out.html").read_text()
    assert page.count("<circle") == 3
    assert "dev/shop:1" in page
    assert "<script" not in page
    assert [model["model"] for model in shop.json("models", "compare")] == ["a", "champion"]
    shop.write("data/rows", "200\n")
    run(shop, "0.75")
    done = shop.mlops("models", "compare", "shop:1", "shop:3", expect=2)
    assert "no test data was used for all of them" in done.stderr
    assert "no model 'shup' is registered here" in shop.mlops("models", "compare", "shup", expect=2).stderr


def test_an_evaluation_from_elsewhere_may_be_named(shop: Any) -> None:
    run(shop, "0.5", "--output", "metrics=elsewhere")
    shutil.rmtree(shop.root / ".mlops/runs", ignore_errors=True)
    assert promote(shop, "--evidence", "elsewhere")["promoted"]
    shown = shop.json("models", "show", "shop", "--in", "dev")["decision"]["checks"][0]
    assert (shown["told"].partition(", as ")[2], shown["values"]["source"]) == ("the folder elsewhere says", "the folder elsewhere")
    (shop.root / "elsewhere/metrics.json").write_text('{"models": {}}')
    done = shop.mlops("models", "promote", "shop", "--from", "runs", "--to", "qa", "--evidence", "elsewhere", expect=2)
    assert "is no evaluation that a gate can use" in done.stderr


def test_a_named_run_whose_evaluation_no_gate_can_use_is_told_with_the_reason(shop: Any) -> None:
    shop.component("evaluate", EVALUATION, code={"evaluate.py": EVALUATE.replace('"size": 10', '"size": "big"')}, **EVALUATE_PORTS)
    run(shop, "0.5")
    for command in (("promote", "shop", "--from", "runs", "--to", "dev"), ("compare",)):
        said = shop.mlops("models", *command, "--evidence", "latest", expect=2).stderr
        assert "has no evaluation that a gate can use" in said
        assert "size is 'big', and has to be a number" in said
    assert "no evaluation knows its bytes" in refused(shop)["evidence"]


def test_tags_are_given_by_hand_except_those_that_say_who_is_champion(shop: Any) -> None:
    run(shop, "0.5")
    shop.write("gates/shop.yml", GATE + "tags: {reviewed: 'yes'}\n")
    assert refused(shop) == {"tag reviewed": "there is none, must be 'yes'"}
    assert shop.mlops("models", "tag", "shop", "reviewed=yes", "owner=ann").stdout == "shop:1: owner=ann, reviewed=yes\n"
    assert shop.mlops("models", "tag", "shop:1", "--remove", "owner").stdout == "shop:1: reviewed=yes\n"
    assert promote(shop)["promoted"]
    assert shop.json("models", "show", "shop", "--in", "dev")["tags"]["reviewed"] == "yes"
    assert "owner=bob" in shop.mlops("models", "tag", "shop", "owner=bob", "--in", "dev").stdout
    for tag in ("deployment=champion", "promotion=9"):
        assert "is not for hands" in shop.mlops("models", "tag", "shop", tag, expect=2).stderr
    assert "no tag is given" in shop.mlops("models", "tag", "shop", expect=2).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("promote", "shop", "--from", "runs", "--to", "prd"), "did you mean 'prod'?"),
        (("promote", "shop", "--from", "dev", "--to", "dev"), "is in dev already"),
        (("promote", "shop", "--from", "runs", "--to", "dev", "--gate", "gates/lax.yml"), "the gate of dev is 'gates/shop.yml'"),
        (("promote", "shop", "--from", "runs", "--to", "dev"), "no model 'shop' is registered here"),
        (("promote", "shop", "--from", "dev", "--to", "qa"), "no model 'shop' is in dev"),
        (("promote", "shop", "--from", "runs", "--to", "test"), "the stage 'test' has no gate"),
        (("rollback", "shop", "--in", "dev"), "no model 'shop' is in dev"),
        (("rollback", "shop", "--in", "runs"), "there is no stage 'runs'"),
        (("show", "shop", "--in", "qa"), "no model 'shop' is in qa"),
        (("list", "--azure"), "--azure says where a stage is, and the models of runs are on this machine"),
        (("show", "shop", "--local"), "--local says where a stage is"),
        (("tag", "shop", "a=b", "--outputs", "x.json"), "--outputs says where a stage is"),
    ],
)
def test_wrong_usage_is_one_clear_error(shop: Any, arguments: tuple[str, ...], words: str) -> None:
    shop.write("mlops.yml", SETTINGS + "  test: {}\n")
    shop.write("gates/lax.yml", GATE)
    done = shop.mlops("models", *arguments, expect=2)
    assert words in done.stderr


def test_a_gate_with_mistakes_is_told_with_its_place(shop: Any) -> None:
    run(shop, "0.5")
    shop.write("gates/shop.yml", GATE.replace("minimize", "minimise"))
    done = shop.mlops("models", "promote", "shop", "--from", "runs", "--to", "dev", expect=2)
    assert done.stderr.splitlines()[1].startswith("gates/shop.yml:1:")
    assert "gates/shop.yml:1:" in shop.mlops("validate", expect=2).stdout
    shop.write("mlops.yml", SETTINGS.replace("gates/shop.yml", "gates/shp.yml", 1))
    shop.write("gates/shop.yml", GATE)
    done = shop.mlops("validate", expect=2)
    assert done.stdout.startswith("mlops.yml:5:15: the gate 'gates/shp.yml' of stage 'dev' does not exist")
    assert "did you mean 'shop.yml'?" in done.stdout
    done = shop.mlops("models", "promote", "shop", "--from", "runs", "--to", "dev", expect=2)
    assert "mlops.yml:5:15: the gate 'gates/shp.yml' of stage 'dev' does not exist" in done.stderr


def test_who_promotes_has_to_have_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user: int) -> Any:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    for name in ("MLOPS_ACTOR", "GITHUB_ACTOR", "BUILD_REQUESTEDFOREMAIL", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)  # as in a container that runs as any user
    with pytest.raises(InputError, match="nobody says who promotes") as caught:
        _actor()
    assert caught.value.fix == "set MLOPS_ACTOR"
    monkeypatch.setenv("MLOPS_ACTOR", " ")
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    assert _actor() == "ann"
