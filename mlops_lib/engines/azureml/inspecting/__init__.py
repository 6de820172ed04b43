"""What a stage really has: Azure is asked, and what it answers is compared with what Terraform said."""

from __future__ import annotations

from ..workspace import Workspace
from . import quota, resources, roles
from .report import Fact, Lack, Report, Unread, joined


def inspect(workspace: Workspace) -> Report:
    """Look at everything that a stage's outputs name, all at once.

    What may not be seen is told as that, and is no lack.

    Raises:
        StageError: nobody is signed in, or Azure does not answer.
    """
    every = [*resources.questions(workspace), *quota.questions(workspace), *roles.questions(workspace)]
    return joined(workspace.each(lambda question: question(), every))


__all__ = ["Fact", "Lack", "Report", "Unread", "inspect"]
