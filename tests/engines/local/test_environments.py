"""Isolated steps: real environments, built by uv from wheels that the tests make."""

import base64
import functools
import hashlib
import platform
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines.local.environments import software
from mlops_lib.engines.local.facts import unmet_pins
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

SERIES = ".".join(platform.python_version_tuple()[:2])


def wheel(folder: Path, name: str, version: str) -> None:
    """A wheel whose module says its version."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}"
        for path, text in files.items()
    ]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]))


@pytest.fixture
def shop(project: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    shop = project()
    for version in ("1.0", "2.0"):
        wheel(shop.root / "wheels", "tinypackage", version)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(shop.root / "wheels"))
    monkeypatch.setenv("UV_CACHE_DIR", str(shop.root / "cache"))
    environment(shop, "tinypackage==1.0")
    shop.component(
        "say",
        'python -c "import sys, tinypackage; print(tinypackage.VERSION, sys.prefix)" > ${{outputs.o}}',
        outputs={"o": "uri_file"},
        environment="azureml:own@latest",
    )
    shop.pipeline({"say": "say"}, outputs={"o": "${{parent.jobs.say.outputs.o}}"})
    return shop


def environment(shop: Any, *requirements: str, python: str = SERIES, conda: str = "") -> None:
    lines = [f"  - python={python}", *([f"  - {conda}"] if conda else []), "  - pip", "  - pip:", *(f"      - {line}" for line in requirements)]
    shop.write("environments/own/environment.yml", "name: own\nversion: '1'\nimage: example/image:1\nconda_file: conda.yml\n")
    shop.write("environments/own/conda.yml", "dependencies:\n" + "\n".join(lines) + "\n")


def run(shop: Any, *, isolate: bool | None = True) -> Any:
    job, name, catalogue = Project(shop.root).load("p")
    return Project(shop.root).run(job, name, catalogue, request={}, isolate=isolate)


def said(result: Any) -> list[str]:
    assert result.succeeded, result.errors
    return Path(result.outputs["o"].path).read_text().split()


def test_an_isolated_step_has_the_packages_of_its_conda_file_and_no_others(shop: Any) -> None:
    version, prefix = said(run(shop))
    assert version == "1.0"
    assert Path(prefix).parent == shop.root / ".mlops" / "environments"
    assert Path(prefix) != Path(sys.prefix)


def test_an_environment_is_built_once_and_another_content_is_another(shop: Any) -> None:
    _, first = said(run(shop))
    shop.component("other", "echo x > ${{outputs.o}}", outputs={"o": "uri_file"}, environment="azureml:own@latest")
    shop.pipeline({"say": "say", "other": "other"}, outputs={"o": "${{parent.jobs.say.outputs.o}}"})
    result = run(shop)
    assert result.steps["say"].status is Status.REUSED
    assert "building" not in (shop.root / ".mlops" / result.steps["other"].log).read_text()
    environment(shop, "tinypackage==2.0")
    changed = run(shop)
    assert changed.steps["say"].reason == "environment changed"
    version, second = said(changed)
    assert version == "2.0"
    assert first != second
    shutil.rmtree(first)  # what was made with it stays
    environment(shop, "tinypackage==1.0")
    assert run(shop).steps["say"].status is Status.REUSED


def test_two_runs_that_want_one_environment_build_it_once(shop: Any) -> None:
    shop.component("other", "echo $$ > ${{outputs.o}}", outputs={"o": "uri_file"}, environment="azureml:own@latest")
    shop.pipeline({"say": "say", "other": "other"}, outputs={"o": "${{parent.jobs.say.outputs.o}}"})
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(run(shop))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.succeeded for result in results] == [True, True]
    logs = [path.read_text() for path in (shop.root / ".mlops" / "runs").rglob("*.log")]
    assert sum("building the environment own" in text for text in logs) == 1


def test_a_build_that_was_killed_is_begun_again(shop: Any) -> None:
    _, prefix = said(run(shop))
    (Path(prefix) / ".whole").unlink()
    (Path(prefix) / "bin" / "python").unlink()
    shop.component("say", 'python -c "import tinypackage as t; print(t.VERSION, 2)" > ${{outputs.o}}', outputs={"o": "uri_file"}, environment="azureml:own@latest")
    assert said(run(shop)) == ["1.0", "2"]


def test_without_isolation_the_pins_that_are_not_met_are_told(shop: Any) -> None:
    shop.component("say", "echo 0 0 > ${{outputs.o}}", outputs={"o": "uri_file"}, environment="azureml:own@latest")
    environment(shop, "tinypackage==1.0", "pytest>=1")
    [difference] = [found for found in run(shop, isolate=False).differences if found.what == "environment"]
    assert difference.here == f"the Python {platform.python_version()} that runs mlops, which does not meet tinypackage==1.0 (absent)"
    [difference] = [found for found in run(shop).differences if found.what == "environment"]
    assert difference.here == f"an environment of its own, with Python {platform.python_version()}"


def test_only_pins_that_apply_here_can_be_missed() -> None:
    lines = [f"python={SERIES}", {"pip": ["pytest>=1", "nothing-like-it; python_version < '3'", "--pre", "pytest==0.1"]}]
    [unmet] = unmet_pins({"dependencies": lines})
    assert unmet.startswith("pytest==0.1 (")
    assert unmet_pins({"dependencies": ["python=2.7"]}) == (f"python 2.7 ({platform.python_version()})",)


def test_the_settings_can_isolate_every_run_of_a_project(shop: Any) -> None:
    shop.write("mlops.yml", "isolate: true\n")
    assert said(run(shop, isolate=None))[0] == "1.0"
    assert "which does not meet" in str(run(shop, isolate=False).differences)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"python": "2.6"}, "wants Python 2.6, which is not on this machine"),
        ({"conda": "cudatoolkit=11"}, "lists conda packages that PyPI does not have: cudatoolkit"),
    ],
)
def test_what_cannot_be_isolated_is_one_error_before_anything_runs(shop: Any, change: dict[str, str], message: str) -> None:
    environment(shop, "tinypackage==1.0", **change)
    done = shop.mlops("run", "p", "--isolate", expect=2)
    assert message in done.stderr
    assert "components/say/component.yml:1:" in done.stderr
    assert "without --isolate" in done.stderr
    assert not (shop.root / ".mlops" / "runs").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [("name: own\nversion: '1'\nimage: example/image:1\n", "no conda file"), (None, "the project has no environment of that name")],
)
def test_an_environment_that_lists_no_packages_cannot_be_isolated(shop: Any, text: str | None, why: str) -> None:
    file = shop.root / "environments/own/environment.yml"
    file.write_text(text) if text else file.unlink()
    assert why in shop.mlops("run", "p", "--isolate", expect=2).stderr


def test_paths_are_refused_and_requirements_files_are_read(shop: Any) -> None:
    environment(shop, "-e ../package")
    assert "paths, whose content no version tells: -e ../package" in shop.mlops("plan", "p", "--isolate", expect=2).stderr
    environment(shop, "-r more.txt")
    assert "'more.txt' cannot be read" in shop.mlops("plan", "p", "--isolate", expect=2).stderr
    shop.write("environments/own/more.txt", "tinypackage==2.0  # the new one\n")
    assert said(run(shop))[0] == "2.0"


@pytest.fixture
def guarded(shop: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address, less its scheme, of an index that gives the wheels to whoever knows the password."""
    expected = "Basic " + base64.b64encode(b"ann:open-sesame").decode()

    class Index(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_error(401)
            else:
                super().do_GET()

        def log_message(self, *args: Any) -> None: ...

    folder = shop.root / "index" / "tinypackage"
    shutil.copytree(shop.root / "wheels", folder)
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Index, directory=shop.root / "index")) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def holders(folder: Path, word: str) -> list[str]:
    """The files below a folder that have a word in them."""
    return [path.name for path in sorted(folder.rglob("*")) if path.is_file() and word.encode() in path.read_bytes()]


def test_the_password_of_an_index_opens_it_and_is_written_down_nowhere(shop: Any, guarded: str) -> None:
    environment(shop, f"--index-url http://ann:open-sesame@{guarded}", "tinypackage==1.0")
    version, prefix = said(run(shop))
    assert version == "1.0"
    assert holders(shop.root, "open-sesame") == ["conda.yml"]
    assert f"--index-url http://${{MLOPS_SECRET_1}}@{guarded}\n" in Path(f"{prefix}.txt").read_text()
    environment(shop, f"--index-url http://ann:open-barley@{guarded}", "tinypackage==2.0")
    [error] = run(shop).errors
    assert "own could not be built" in error
    assert "open-barley" not in error
    assert holders(shop.root, "open-barley") == ["conda.yml"]


def test_variables_in_an_address_stay_what_they_are_and_the_signature_of_a_wheel_becomes_one(tmp_path: Path) -> None:
    lines = ("--index-url https://${USER_NAME}:${PASSWORD}@index.example/simple", "-f https://index.example/?page=2",
             "one @ https://x.example/one.whl?sv=1&sig=abc%3D#sha256=00", "two @ git+https://token@x.example/two.git")  # fmt: skip
    found = software("own", None, lines, tmp_path)
    assert found.requirements == (*lines[:2], "one @ https://x.example/one.whl?${MLOPS_SECRET_1}#sha256=00",
                                  "two @ git+https://${MLOPS_SECRET_2}@x.example/two.git")  # fmt: skip
    assert found.secrets == {"MLOPS_SECRET_1": "sv=1&sig=abc%3D", "MLOPS_SECRET_2": "token"}
    assert "token" not in repr(found)


def test_a_package_that_is_nowhere_fails_the_step_with_the_installers_words(shop: Any) -> None:
    environment(shop, "tinypackage==3.0")
    result = run(shop)
    assert result.steps["say"].status is Status.FAILED
    [error] = result.errors
    assert "has no environment: own could not be built" in error
    assert "tinypackage==3.0" in error


def test_without_uv_there_is_one_clear_error(shop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("bash", "python3"):
        found = shutil.which(program)
        assert found is not None
        (bare / program).symlink_to(found)
    environment(shop, "tinypackage==1.0", python="2.6")
    code = "import sys; sys.executable = '/nowhere/python'; from mlops_lib.cli import main; main(['plan', 'p', '--isolate'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=shop.root, env={"PATH": str(bare)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "uv is not installed\n  why: it builds and resolves environments\n  fix: pip install 'mlops-lib[isolate]'\n"


def test_a_shell_of_an_isolated_step_is_in_its_environment(shop: Any) -> None:
    run(shop)
    shop.mlops("run", "p", "--isolate")
    done = subprocess.run(
        [sys.executable, "-m", "mlops_lib", "step", "latest", "say", "--shell"], cwd=shop.root, env=shop.environment(),
        input="python -c 'import tinypackage; print(tinypackage.VERSION)'; echo $VIRTUAL_ENV", capture_output=True, text=True,
    )
    version, prefix = done.stdout.split()
    assert version == "1.0"
    assert Path(prefix).parent == shop.root / ".mlops" / "environments"
