import pytest

from mlops_lib.cost import Prices
from mlops_lib.document import parse
from mlops_lib.errors import CompileError
from mlops_lib.inspection import Limits
from mlops_lib.references import Mappings
from mlops_lib.settings import OnlineSettings, Settings, StageSettings, read
from mlops_lib.spec import Data, Literal


def settings(text: str) -> Settings:
    return read(parse(text, "mlops.yml"), folder="/home/shop", default_experiment="shop")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "inputs:\n", "inputs: {}\n"])
def test_every_setting_has_a_default(text: str) -> None:
    found = settings(text)
    assert (found.experiment, found.compute, dict(found.inputs)) == ("shop", "azureml:cpu", {})
    assert (found.folder, found.file) == ("/home/shop", "mlops.yml")


def test_pipelines_have_the_endpoints_that_are_named() -> None:
    found = settings("stages: {prod: {endpoints: {score: flights-score}}}\n")
    assert found.stages["prod"].endpoints == {"score": "flights-score"}


def test_what_is_written_is_read() -> None:
    found = settings(
        "experiment: flights\ncompute: azureml:big\ninputs:\n  raw: {type: uri_folder, path: data}\n  prep_days: 3\n"
    )
    assert (found.experiment, found.compute) == ("flights", "azureml:big")
    assert found.inputs == {"raw": Data(path="data", type="uri_folder"), "prep_days": Literal(text="3", value=3)}
    assert found.inputs["raw"].place.line == 4


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "words"),
    [
        ("experimnt: x\n", "unknown-key", 1, 1, "did you mean 'experiment'?"),
        ("experiment: two words\n", "bad-name", 1, 13, "starts with a letter"),
        ("experiment: 1\n", "wrong-type", 1, 13, 'write "1", in quotes'),
        ("experiment:\n", "wrong-type", 1, 12, "give a value or remove the key"),
        ("stages: {prod: {after: runs}}\n", "bad-name", 1, 24, "is none of champion, latest and runs"),
        ("stages: {prod: {approval: others}}\n", "wrong-value", 1, 27, "did you mean 'other'?"),
        ("stages: {prod: {gate: 3}}\n", "wrong-type", 1, 23, 'write "3", in quotes'),
        ("stages: {runs: {}}\n", "bad-name", 1, 10, "none of champion, latest and runs"),
        ("stages: {prod: {endpoints: {score: a_b}}}\n", "bad-name", 1, 36, "3 to 32 letters"),
        ("champion: Prod\n", "bad-name", 1, 11, "lower-case letters"),
        ("compute: cpu\n", "bad-name", 1, 10, "azureml:NAME or serverless"),
        ("inputs: [raw]\n", "wrong-type", 1, 9, "must be a mapping, not a list"),
        ("inputs: {raw: }\n", "missing-value", 1, 15, "has no value"),
        ("inputs: {raw: [a]}\n", "wrong-type", 1, 15, "not a list"),
        ("inputs: {raw: {type: uri_foldr, path: x}}\n", "unknown-type", 1, 22, "did you mean 'uri_folder'?"),
        ("inputs: {raw: {type: uri_folder}}\n", "missing-key", 1, 15, "has no path"),
        ("inputs: {raw: '${{parent.inputs.x}}'}\n", "bad-binding", 1, 15, "give a value or a path"),
        ("inputs: {raw: '${{parent.input.x}}'}\n", "bad-binding", 1, 15, "none of"),
        ("datastores: [raw]\n", "wrong-type", 1, 13, "must be a mapping, not a list"),
        ("datastores: {raw: [a]}\n", "wrong-type", 1, 19, "not a list"),
        ("datastores: {raw: 3}\n", "wrong-type", 1, 19, 'write "3", in quotes'),
        ("datastores: {r w: x}\n", "bad-name", 1, 14, "letters, digits"),
        ("datastores: {raw: abfs3://c@a.dfs.core.windows.net}\n", "bad-mapping", 1, 19, "did you mean 'abfs'?"),
        ("datastores: {raw: 'https://example.org/x'}\n", "bad-mapping", 1, 19, "a folder, or a URL of"),
        ("datastores: {raw: 'simplecache::s3://b/x'}\n", "bad-mapping", 1, 19, "a folder, or a URL of"),
        ("datastores: {raw: 's3://b/x?y=1'}\n", "bad-mapping", 1, 19, "write SCHEME://"),
        ("datastores: {raw: 'abfss://c@a.dfs.core.windows.net/x?sig=hidden'}\n", "secret", 1, 19, "az login"),
        ("datastores: {raw: 'AccountName=a;AccountKey=hidden'}\n", "secret", 1, 19, "with a secret in it"),
        ("registries: {azureml: 's3://b/x'}\n", "bad-mapping", 1, 23, "name a folder"),
        ("workspaces: {'a b': x}\n", "bad-name", 1, 14, "letters, digits"),
        ("- a\n", "wrong-type", 1, 1, "the settings must be a mapping, not a list"),
        ("word\n", "wrong-type", 1, 1, "the settings must be a mapping"),
    ],
)
def test_each_mistake_has_its_place(text: str, code: str, line: int, column: int, words: str) -> None:
    with pytest.raises(CompileError) as caught:
        settings(text)
    [finding] = caught.value.findings
    assert (finding.code, finding.place.line, finding.place.column) == (code, line, column)
    assert words in str(finding)
    assert "hidden" not in str(finding)


def test_folders_are_relative_to_the_file_and_urls_stay() -> None:
    found = settings(
        "datastores: {raw: data/raw, lake: 'abfss://c@a.dfs.core.windows.net/x', abs: /srv/x}\n"
        "registries: {azureml: vendor}\nworkspaces: {ws-dev: ../ws}\n"
    ).mappings
    assert found.datastores == {
        "raw": "/home/shop/data/raw", "lake": "abfss://c@a.dfs.core.windows.net/x", "abs": "/srv/x"}  # fmt: skip
    assert (found.registries, found.workspaces) == ({"azureml": "/home/shop/vendor"}, {"ws-dev": "/home/ws"})
    assert settings("datastores:\nregistries: {}\n").mappings == Mappings()


def test_every_mistake_is_told() -> None:
    with pytest.raises(CompileError) as caught:
        settings("experimnt: x\ncompute: 3\n")
    assert [finding.code for finding in caught.value.findings] == ["unknown-key", "wrong-type"]


def test_limits_of_code_are_read() -> None:
    assert settings("").limits == Limits()
    assert settings("limits: {snapshot_megabytes: 0.5}\n").limits == Limits(snapshot_bytes=2**19)
    assert settings("limits: {snapshot_files: 10}\n").limits == Limits(snapshot_files=10)


def test_prices_are_read() -> None:
    assert settings("").prices == Prices()
    assert settings("prices: {Standard_DS3_v2: 0.27}\ncurrency: EUR\n").prices == Prices(
        hourly={"Standard_DS3_v2": 0.27}, currency="EUR")  # fmt: skip
    with pytest.raises(CompileError) as caught:
        settings("prices: {Standard_DS3_v2: cheap, Standard DS3: 1, Standard_D2: -1}\ncurrency: euro\n")
    assert [finding.code for finding in caught.value.findings] == ["wrong-type", "bad-name", "out-of-range", "bad-name"]


def test_what_is_wanted_of_a_stage_is_read() -> None:
    found = settings("stages:\n  dev: {gate: gates/g.yml}\n  prod: {outputs: out.json, approval: other, after: dev}\nchampion: dev\n")
    assert found.stages == {"dev": StageSettings(gate="gates/g.yml"), "prod": StageSettings(outputs="out.json", approval="other", after="dev")}
    assert found.stages["dev"].gate_place.line == 2
    assert (found.champion, found.published) == ("dev", {"prod": "out.json"})
    assert settings("").champion is None


def test_the_settings_say_what_runs_on_a_stage() -> None:
    told = settings("stages: {prod: {pipelines: [score]}, dev: {outputs: dev.json}}")
    assert told.pipelines_on("prod") == ("score",)
    assert told.pipelines_on("qa") == ("preprocess", "score"), "what is usual"
    assert told.pipelines_on("dev") is None, "all"


def test_how_models_are_served_on_a_stage_is_read() -> None:
    told = settings("stages: {prod: {online: {endpoint: e-1, auth: key, instances: 2, workers: 4, steps: [5, 100], models: any}}, dev: {}}")
    assert told.online_on("prod") == OnlineSettings(endpoint="e-1", auth="key", instances=2, workers=4, steps=(5, 100), models="any")
    assert told.online_on("dev") == told.online_on("qa") == OnlineSettings(steps=(10, 50, 100))
    for steps in ("[]", "[50, 10, 100]", "[10, 50]", "[100, 100]", "[50, 200]"):
        with pytest.raises(CompileError) as caught:
            settings(f"stages: {{dev: {{online: {{steps: {steps}}}}}}}\n")
        [finding] = caught.value.findings
        assert (finding.code, finding.place.line) in (("bad-traffic", 1), ("empty", 1), ("wrong-type", 1))
