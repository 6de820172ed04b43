from pathlib import Path
from typing import Any

from mlops_lib.yamlfiles import YamlFiles


def test_hidden_built_and_foreign_folders_are_left_out(small: Any) -> None:
    for name in (
        ".hidden/a.yml",
        "node_modules/a.yml",
        "venv2/a.yml",
        "venv2/pyvenv.cfg",
        "other/mlops.yml",
        "other/a.yml",
        ".a.yml",
        "b.yaml",
    ):
        small.write(name, "a: 1\n")
    found = [str(path.relative_to(small.root)) for path in YamlFiles(small.root).project_files()]
    assert found == ["b.yaml", "components/copy/component.yml", "pipelines/p.yml"]


def test_files_are_named_as_seen_from_where_the_user_is(small: Any) -> None:
    path = small.root / "components/copy/component.yml"
    assert YamlFiles(small.root, near=small.root).display(path) == "components/copy/component.yml"
    assert YamlFiles(small.root, near=small.root / "components").display(path) == "copy/component.yml"
    assert YamlFiles(small.root, near=small.root / "data").display(path) == "components/copy/component.yml"
    assert YamlFiles(small.root).display(Path("/elsewhere/x.yml")) == "/elsewhere/x.yml"
