import subprocess
import sys

import pytest

import mlops_lib


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(mlops_lib.__all__) == sorted(mlops_lib.__all__)
    for name in mlops_lib.__all__:
        assert getattr(mlops_lib, name).__name__ in (name, "pipeline")
    assert set(mlops_lib.__all__) <= set(dir(mlops_lib))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pipline'"):
        mlops_lib.Pipline  # noqa: B018


@pytest.mark.parametrize("statement", ["import mlops_lib", "import mlops_lib.errors"])
def test_importing_the_library_loads_nothing_heavy(statement: str) -> None:
    program = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; sys.path[:0] = sys.argv[1:]\n" + program, str(mlops_lib.__path__[0]) + "/.."],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {name.partition(".")[0] for name in loaded} & {
        "pandas",
        "numpy",
        "mlflow",
        "azure",
        "click",
        "yaml",
        "rich",
        "sqlite3",
    } == set()


def test_using_the_library_loads_no_machine_learning() -> None:
    program = "import sys\nfrom mlops_lib import Project, pipeline, Run\nprint(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} & {"pandas", "numpy", "mlflow", "azure", "click", "rich"} == set()
