"""Whether the packages of an environment go together, asked of uv with wheels that the tests make and no index."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines.azureml.resolving import check
from mlops_lib.errors import InputError, RunError
from mlops_lib.project import Project
from mlops_lib.spec import Environment


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages, of which one needs a new version of the other."""
    (tmp_path / "wheels").mkdir()
    for name, version, more in (("alpha", "1.0", "Requires-Dist: beta>=2\n"), ("beta", "1.0", ""), ("beta", "2.0", "")):
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(tmp_path / "wheels" / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


def environment(tmp_path: Path, *pip: str, python: str = "3.11") -> Environment:
    conda = {"dependencies": [f"python={python}", "openmpi", {"pip": list(pip)}]}
    for name, content in (("conda.yml", conda), ("environment.yml", {"name": "own", "image": "ubuntu", "conda_file": "conda.yml"})):
        (tmp_path / name).write_text(json.dumps(content))
    found: Any = Project(tmp_path).catalogue().spec(tmp_path / "environment.yml", "environment")
    assert isinstance(found, Environment)
    return found


def test_packages_that_go_together_pass(tmp_path: Path) -> None:
    check({"a": environment(tmp_path, "alpha==1.0", "beta"), "b": None, "c": Environment(image="ubuntu")})
    (tmp_path / "more.txt").write_text("beta>=2\n")
    check({"a": environment(tmp_path, "alpha", "-r more.txt")})


def test_a_conflict_is_told_with_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the packages of the environment 'own' do not go together") as caught:
        check({"a": environment(tmp_path, "alpha==1.0", "beta==1.0")})
    assert caught.value.why.startswith("Because all versions of alpha depend on beta>=2 and you require alpha==1.0")
    assert caught.value.place is not None
    assert caught.value.place.file.endswith("environment.yml")


def test_what_uv_cannot_tell_is_no_conflict(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="uv cannot tell"):
        check({"a": environment(tmp_path, "alpha @ file:///absent/alpha-1.0-py3-none-any.whl")})


def test_an_index_that_cannot_be_reached_is_no_mistake_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    with pytest.raises(RunError, match="uv cannot tell") as caught:
        check({"a": environment(tmp_path, "gamma")})
    assert caught.value.fix == "see whether this machine reaches the package index, or leave out --resolve-environments"
