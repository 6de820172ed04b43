"""A stage's workspace, asked with plain requests."""

from collections.abc import Callable

import pytest

from mlops_lib.engines.azureml import assets, schedules
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError
from mlops_lib.infra import Stage

from .stage import ScriptedAzure


@pytest.mark.parametrize("use", [
    lambda workspace: assets.shown(workspace, "component", "../computes/cpu", None),
    lambda workspace: schedules.switch(workspace, "../computes/cpu", on=False),
    lambda workspace: workspace.delete("models/./x/../y", doing="delete it"),
])  # fmt: skip
def test_a_name_that_leads_to_something_else_is_asked_for_nowhere(stage: Stage, azure: ScriptedAzure,
                                                                  use: Callable[[Workspace], object]) -> None:
    with Workspace(stage) as workspace:
        azure.calls.clear()
        with pytest.raises(InputError, match="stage 'dev': nothing there has a name with") as caught:
            use(workspace)
    assert azure.requests() == []
    assert caught.value.fix == "correct the name"
