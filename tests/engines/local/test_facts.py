import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines.local.facts import Ground, environment_digest, gather
from mlops_lib.errors import InputError
from mlops_lib.project import Project
from mlops_lib.sources import Found
from mlops_lib.spec import Environment


def ground(root: Path, name: str = "p") -> Ground:
    project = Project(root)
    job, name, catalogue = project.load(name)
    store = project.store()
    try:
        return gather(project.graph(job, name), catalogue, store)
    finally:
        store.close()


def data_project(shop: Any, type_: str, path: str) -> Any:
    shop.component("c", "ls ${{inputs.d}}", inputs={"d": type_})
    shop.pipeline({"s": ("c", {"d": "${{parent.inputs.d}}"})}, inputs={"d": {"type": type_, "path": path}})
    return shop


def test_the_facts_are_digests_of_content(copying: Any) -> None:
    before = ground(copying.root)
    assert before.facts.code == {"first": "", "second": ""}
    assert [found.path.name for found in before.data.values() if isinstance(found, Found)] == ["data"]
    os.utime(copying.root / "data/in.txt", (1, 1))
    assert ground(copying.root).facts == before.facts
    copying.write("data/in.txt", "other\n")
    assert ground(copying.root).facts.data != before.facts.data


def test_data_that_nobody_made_yet_names_the_pipelines_that_do(project: Callable[..., Any]) -> None:
    shop = data_project(project(), "uri_folder", "azureml:flights@latest")
    for name, more in (("whole", "more: {type: uri_folder, name: others}, "), ("prepare", "")):
        shop.write(f"pipelines/{name}.yml", f"type: pipeline\noutputs: {{{more}o: {{type: uri_folder, name: flights}}}}\njobs: {{}}\n")
    with pytest.raises(InputError) as caught:
        ground(shop.root)
    assert caught.value.fix == "make it first: mlops run prepare or whole"


def test_steps_of_one_code_share_its_files(project: Callable[..., Any]) -> None:
    shop = project()
    shop.component("c", "echo ${{inputs.n}}", inputs={"n": "integer"}, code={"a.sh": "1", "b.sh": "2"})
    shop.pipeline({f"s{n}": ("c", {"n": n}) for n in range(3)})
    found = ground(shop.root)
    assert len({id(entries) for entries in found.code.values()}) == 1
    assert [entry.name for entry in found.code["s0"]] == ["a.sh", "b.sh"]
    assert len(set(found.facts.code.values())) == 1


@pytest.mark.parametrize(
    ("type_", "path", "words"),
    [
        ("uri_folder", "../data/file", "is a file, and the input is a uri_folder"),
        ("uri_file", "../data", "is a folder, and the input is a uri_file"),
        ("uri_folder", "https://example.org/x", "is one file, and the input is a uri_folder"),
        ("uri_folder", "ftp://example.org/x", "is not on this machine"),
        ("uri_folder", "azureml:flights@latest", "no data 'flights' is registered here"),
        ("uri_folder", "azureml:flights@newest", "asks for the label 'newest'"),
    ],
)
def test_data_that_does_not_fit_is_named_with_its_place(type_: str, path: str, words: str, project: Callable[..., Any]) -> None:
    shop = data_project(project(), type_, path)
    shop.write("data/file", "x")
    with pytest.raises(InputError, match=words) as caught:
        ground(shop.root)
    assert caught.value.place is not None
    assert caught.value.place.file.endswith("pipelines/p.yml")


def test_data_that_goes_away_between_compiling_and_reading_is_named(project: Callable[..., Any]) -> None:
    shop = data_project(project(), "uri_folder", "../data")
    shop.write("data/file", "x")
    project_ = Project(shop.root)
    job, name, catalogue = project_.load("p")
    (shop.root / "data/file").unlink()
    (shop.root / "data").rmdir()
    store = project_.store()
    with pytest.raises(InputError, match=r"the data '../data' does not exist"):
        gather(project_.graph(job, name), catalogue, store)
    store.close()


@pytest.mark.parametrize(
    ("target", "words"), [("nowhere", "cannot be read: No such file"), (".", "cannot be read: a link leads back")]
)
def test_data_with_a_link_that_cannot_be_followed_is_a_clear_error(
    target: str, words: str, project: Callable[..., Any]
) -> None:
    shop = data_project(project(), "uri_folder", "../data")
    shop.write("data/file", "x")
    (shop.root / "data/link").symlink_to(target)
    with pytest.raises(InputError, match=words):
        ground(shop.root)


def environment(folder: Path, conda: str) -> Environment:
    (folder / "conda.yml").write_text(conda)
    return Environment(name="e", image="i", conda_file="conda.yml", folder=str(folder))


def test_an_environment_changes_with_its_files_and_with_what_is_installed(tmp_path: Path) -> None:
    one = environment_digest(None, environment(tmp_path, "dependencies: [python=3.11, pip: [click]]"))
    assert environment_digest(None, environment(tmp_path, "dependencies:\n- python=3.11\n- pip:\n  - click")) == one
    assert environment_digest(None, environment(tmp_path, "dependencies: [python=3.11, pip: [click>8]]")) != one
    assert environment_digest("azureml:a@latest", None) != environment_digest("azureml:b@latest", None)


def test_a_missing_conda_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the conda file 'conda.yml' cannot be read"):
        environment_digest(None, Environment(name="e", conda_file="conda.yml", folder=str(tmp_path)))
