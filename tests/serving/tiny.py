"""A model that weighs nothing: a booster of one tree, written as text, in the folder that MLflow would have made."""

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TREE = """\
tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=2
objective=binary sigmoid:1
feature_names=carrier distance temp
feature_infos=[0:7] [0:10] [-20:30]

Tree=0
num_leaves=2
num_cat=0
split_feature=1
split_gain=1
threshold=5
decision_type=2
left_child=-1
right_child=-2
leaf_value=-1 1
leaf_weight=1 1
leaf_count=1 1
internal_value=0
internal_weight=2
internal_count=2
is_linear=0
shrinkage=1


end of trees

pandas_categorical:null
"""
NEAR, FAR = 0.2689414213699951, 0.7310585786300049  # what it says of a distance of at most 5, and of more
COLUMNS = (
    {"type": "integer", "name": "carrier", "required": True},
    {"type": "double", "name": "distance", "required": True},
    {"type": "double", "name": "temp", "required": False},
)
LIGHTGBM = {
    "lightgbm": {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"},
    "python_function": {"loader_module": "mlflow.lightgbm", "data": "model.lgb"},
}
EXAMPLE = {"columns": ["carrier", "distance", "temp"], "data": [[1, 7.5, float("nan")], [2, 3.0, 4.0]]}
PACKAGES = ("lightgbm==4.7.0", "numpy>=2.2")


def write(
    folder: Path,
    *,
    inputs: Sequence[Mapping[str, Any]] | None = COLUMNS,
    params: Sequence[Mapping[str, Any]] | None = None,
    flavors: Mapping[str, Any] = LIGHTGBM,
    example: Mapping[str, Any] | None = EXAMPLE,
    packages: Sequence[str] = PACKAGES,
    python: str = platform.python_version(),
    tree: str = TREE,
) -> Path:
    folder.mkdir(parents=True)
    described: dict[str, Any] = {"flavors": flavors, "mlflow_version": "3.15.0", "model_uuid": "0123abcd"}
    if inputs is not None:
        told = [json.dumps(schema) if schema is not None else None for schema in (inputs, params)]
        described["signature"] = {"inputs": told[0], "outputs": None, "params": told[1]}
    if example is not None:
        described["saved_input_example_info"] = {"artifact_path": "input_example.json", "type": "dataframe",
                                                 "serving_input_path": "serving_input_example.json"}  # fmt: skip
        (folder / "serving_input_example.json").write_text(json.dumps({"dataframe_split": example}))
    (folder / "MLmodel").write_text(json.dumps(described))
    (folder / "model.lgb").write_text(tree)
    conda = {"dependencies": [f"python={python}", "pip", {"pip": list(packages)}], "name": "mlflow-env"}
    (folder / "conda.yaml").write_text(json.dumps(conda))
    return folder
