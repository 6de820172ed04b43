"""What a model's folder says: which script is for it, what it needs, a sample; or why it cannot be served."""

import io
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.errors import InputError, Refused
from mlops_lib.serving.servable import SERVER, fetch, read, request_of
from mlops_lib.stores.models import ModelVersion
from mlops_lib.stores.stages import StageModels, digest_of

from .tiny import COLUMNS, LIGHTGBM, PACKAGES, TREE, write

FUNCTION = {"loader_module": "mlflow.sklearn", "predict_fn": "predict_proba"}
SKLEARN = {"sklearn": {"sklearn_version": "1.9.1"}, "python_function": FUNCTION}


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "lightgbm"),
        ({"tree": TREE.replace("categorical:null", "categorical:[]")}, "lightgbm"),
        ({"tree": TREE.replace("categorical:null", 'categorical:[["AA", "UA"]]')}, "pyfunc"),
        ({"tree": TREE.replace("=carrier distance", "=distance carrier")}, "pyfunc"),
        ({"inputs": [*COLUMNS[:2], {"type": "string", "name": "temp"}]}, "pyfunc"),
        ({"params": [{"name": "k", "type": "long", "default": 1, "shape": None}]}, "pyfunc"),
        ({"flavors": {**LIGHTGBM, "lightgbm": {"data": "model.lgb", "model_class": "lightgbm.sklearn.LGBMClassifier"}}}, "pyfunc"),
        ({"flavors": {**LIGHTGBM, "lightgbm": {**LIGHTGBM["lightgbm"], "data": "gone.lgb"}}}, "pyfunc"),
        ({"flavors": SKLEARN}, "sklearn"),
        ({"flavors": {**SKLEARN, "python_function": {"loader_module": "mine"}}}, "pyfunc"),
        ({"inputs": [{"type": "tensor", "tensor-spec": {"dtype": "int8", "shape": [-1]}}], "flavors": SKLEARN}, "pyfunc"),
    ],
)
def test_each_model_has_the_script_that_is_for_it(tmp_path: Path, more: Any, kind: str) -> None:
    assert read(write(tmp_path / "m", **more), "m").kind == kind


def test_a_model_says_what_it_is_and_needs(tmp_path: Path) -> None:
    model = read(write(tmp_path / "m", python="3.11.7"), "flights", "3")
    assert (str(model), model.python) == ("flights:3", "3.11")
    assert model.requirements == (*PACKAGES, "PyYAML>=6.0", SERVER)
    assert read(model.folder, "flights").version == "0123abcd"


def test_the_sample_is_the_first_row_of_the_example_as_json_that_all_read(tmp_path: Path) -> None:
    model = read(write(tmp_path / "m"), "m")
    assert request_of(model) == {"dataframe_split": {"columns": ["carrier", "distance", "temp"], "data": [[1, 7.5, None]]}}


def test_without_an_example_a_row_is_made_up(tmp_path: Path) -> None:
    model = read(write(tmp_path / "m", example=None), "m")
    assert model.sample is None
    assert request_of(model) == {"dataframe_split": {"columns": ["carrier", "distance", "temp"], "data": [[0, 0.0, None]]}}


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        ({"inputs": None}, "the model 'm' cannot be served: the model has no signature"),
        ({"inputs": [{"name": "x"}]}, "the model 'm' cannot be served: the model's signature is not as MLflow writes it"),
        ({"flavors": {"lightgbm": {}}}, "the model 'm' has no flavor python_function"),
        ({"packages": ["-e ."]}, "the model 'm' needs what PyPI does not have: -e ."),
        ({"packages": ["-r more.txt"]}, "the model 'm' needs what PyPI does not have: more.txt"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, spoil: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        read(write(tmp_path / "m", **spoil), "m")
    assert caught.value.what.startswith(what)
    assert caught.value.fix


def test_only_the_bytes_that_were_promoted_are_served(tmp_path: Path) -> None:
    made = write(tmp_path / "made")
    draft = ModelVersion(name="m", version="1", type="mlflow_model", digest=digest_of(made), created=0)
    stage = StageModels(tmp_path / ".mlops", "dev")
    stored = stage.write(draft, ((file.name, io.BytesIO(file.read_bytes())) for file in sorted(made.iterdir())), {})
    assert read(fetch(stage, stored, tmp_path / "fetched"), "m").kind == "lightgbm"
    assert digest_of(tmp_path / "fetched") == draft.digest

    booster = stage.path(stored) / "model.lgb"
    booster.chmod(0o644)
    booster.write_text(TREE.replace("leaf_value=-1 1", "leaf_value=1 -1"))
    with pytest.raises(Refused, match="the bytes of m:1 in dev are not what they were"):
        fetch(stage, stored, tmp_path / "again")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no MLflow model"):
        read(tmp_path, "m")
    for text in ("[", "", "3"):
        (tmp_path / "MLmodel").write_text(text)
        with pytest.raises(InputError, match="is not as MLflow writes it"):
            read(tmp_path, "m")
    folder = write(tmp_path / "m")
    (folder / "conda.yaml").unlink()
    with pytest.raises(InputError, match="does not say what it needs"):
        read(folder, "m")
