from typing import Any

import pytest

from mlops_lib.requirements import Wanted, names, wanted


def conda(*lines: str, pip: list[str] | None = None) -> dict[str, Any]:
    return {"name": "e", "channels": ["conda-forge"], "dependencies": [*lines, *([{"pip": pip}] if pip is not None else [])]}


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy 1.26.*", "numpy==1.26.*"),
        ("numpy=1.26.4=py311h0", "numpy==1.26.4.*"),
        ("numpy>=1.26,<2", "numpy>=1.26,<2"),
        ("conda-forge::numpy>=1.26", "numpy>=1.26"),
        ("numpy 1.26|1.27", "numpy"),
        ("pytorch=2.4", "torch==2.4.*"),
        ("matplotlib-base", "matplotlib"),
        ("Scikit-Learn=1.5", "scikit-learn==1.5.*"),
    ],
)
def test_a_conda_package_becomes_a_requirement_of_pip(line: str, requirement: str) -> None:
    assert wanted(conda(line)).requirements == (requirement,)


@pytest.mark.parametrize(
    ("line", "python"),
    [("python=3.11", "3.11"), ("python==3.11.7", "3.11.7"), ("python 3.10.*", "3.10"), ("python>=3.10,<3.12", ">=3.10,<3.12"), ("python", None), ("numpy", None)],
)
def test_the_interpreter_is_told_apart(line: str, python: str | None) -> None:
    assert wanted(conda(line)).python == python


def test_what_pypi_does_not_have_is_foreign_and_what_wheels_bring_is_left_out() -> None:
    found = wanted(conda("cudatoolkit=11.8", "r-base", "libgdal", "mkl", "ca-certificates", "pip", "numpy"))
    assert found == Wanted(requirements=("numpy",), foreign=("cudatoolkit", "libgdal", "r-base"))


@pytest.mark.parametrize("line", ["-r more.txt", "-rmore.txt", "--requirement more.txt", "--requirement=more.txt"])
def test_a_file_of_requirements_is_named_in_every_way_that_pip_takes(line: str) -> None:
    assert wanted({"dependencies": [{"pip": [line]}]}) == Wanted(files=("more.txt",))


@pytest.mark.parametrize("line", [
    "-c pins.txt", "--constraint=pins.txt", "--find-links wheels", "-f file:///wheels", "--editable=src", "six @ file:///x/six.whl",
    "six[a] @ ./six.whl", "file:six.whl",
])  # fmt: skip
def test_whatever_names_a_path_is_told_apart(line: str) -> None:
    assert wanted({"dependencies": [{"pip": [line]}]}) == Wanted(local=(line,))


@pytest.mark.parametrize("line", [
    "--find-links https://x.example/wheels", "-c https://x.example/pins.txt", "six @ https://x.example/six.whl", "--pre", "--no-cache-dir",
    "-i https://x.example/simple", "--extra-index-url=https://x.example/simple", "six[a]>=1",
])  # fmt: skip
def test_addresses_and_other_options_go_to_the_installer(line: str) -> None:
    assert wanted({"dependencies": [{"pip": [line]}]}) == Wanted(requirements=(line,))


def test_lines_of_pip_stay_as_they_are_but_for_files_and_paths() -> None:
    lines = ["pandas==2.3.3  # pinned", "--extra-index-url https://example.org/simple", "-r more.txt", "-e .", "./wheels/a.whl", "a[b]>=1; python_version > '3'", "# nothing"]
    assert wanted(conda("python=3.11", "pip", pip=lines)) == Wanted(
        python="3.11",
        requirements=("pandas==2.3.3", "--extra-index-url https://example.org/simple", "a[b]>=1; python_version > '3'"),
        files=("more.txt",),
        local=("-e .", "./wheels/a.whl"),
    )


def test_every_package_has_its_name_once() -> None:
    assert names(conda("python=3.11", "pip", "NumPy=1.26", pip=["numpy", "pandas==2"])) == ("numpy", "pandas")


@pytest.mark.parametrize("odd", [None, [], "x", {"dependencies": None}, {"dependencies": [1, {"pip": "x"}, {"conda": []}, ["x"]]}])
def test_what_has_no_form_asks_for_nothing(odd: Any) -> None:
    assert wanted(odd) == Wanted()
    assert names(odd) == ()
