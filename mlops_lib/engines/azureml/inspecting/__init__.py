"""What a stage really has: Azure is asked, and what it answers is compared with what Terraform said."""

from __future__ import annotations

from ....errors import StageError
from ..reaching import unreached
from ..workspace import MANAGEMENT, VERSION, Workspace
from . import quota, resources, roles
from .report import Fact, Lack, Report, Unread, joined


def inspect(workspace: Workspace) -> Report:
    """Look at everything that a stage's outputs name, all at once.

    What may not be seen is told as that, and is no lack.

    Raises:
        StageError: nobody is signed in, or Azure does not answer.
    """
    host = MANAGEMENT.removeprefix("https://")
    # Nobody has signed in yet, which fails in a worse way where nothing is reached: that Azure says so is an answer, too.
    if why := unreached(host, f"{workspace.path[1:]}?api-version={VERSION}", workspace.patience):
        raise StageError(f"stage {workspace.stage.name!r}: Azure cannot be reached at {host}: {why}",
                         fix="see whether the network, a proxy or a private endpoint is in the way")
    every = [*resources.questions(workspace), *quota.questions(workspace), *roles.questions(workspace)]
    return joined(workspace.each(lambda question: question(), every))


__all__ = ["Fact", "Lack", "Report", "Unread", "inspect"]
