"""A stage's workspace, asked with plain requests."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from mlops_lib.emulator.wire import Request, Response
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


def test_after_ctrl_c_none_of_many_things_is_changed_any_more(stage: Stage, azure: ScriptedAzure) -> None:
    puts: list[str] = []

    def interrupt(request: Request) -> Response | None:
        if request.method == "PUT":
            puts.append(request.path)
            if len(puts) == 5:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)  # all of them would take seconds
        return None

    azure.twists.append(interrupt)
    body = {"properties": {"dataUri": "azureml://datastores/raw/paths/x", "dataType": "uri_folder"}}
    with Workspace(stage) as workspace:
        with pytest.raises(KeyboardInterrupt):
            workspace.each(lambda number: workspace.put(f"data/x/versions/{number}", body, doing="register it"), range(1000))
        seen = len(puts)
        for thread in threading.enumerate():
            if thread.name == "azure":
                thread.join(10)
    assert 5 <= seen == len(puts) < 1000


def test_what_is_to_be_new_takes_the_place_of_nothing(stage: Stage, azure: ScriptedAzure) -> None:
    body = {"properties": {"modelUri": "azureml://datastores/raw/paths/x"}}
    with Workspace(stage) as workspace:
        workspace.put("models/x/versions/1", body, doing="make the model", only_new=True)
        workspace.put("models/x/versions/1", body, doing="make the model")
        with pytest.raises(InputError, match="could not make the model") as caught:
            workspace.put("models/x/versions/1", body, doing="make the model", only_new=True)
    assert "HTTP 412" in caught.value.why
