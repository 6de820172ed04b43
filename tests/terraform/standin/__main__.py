"""The stand-in by hand and for the tests; see ``python tests/terraform/standin --help`` and tests/terraform/README.md."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from standin.cli import main  # noqa: E402, the line above makes it importable

main()
