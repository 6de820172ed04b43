"""Raw flights and weather to the features that a model was trained on, for flights of which nobody knows how they will end."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prep import InputError, in_order, known, save


def main() -> None:
    """The command line of component.yml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    args = parser.parse_args()

    _, table = known(args.raw)
    save(in_order(table), args.features)
    print(f"{len(table):,} flights")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"prep_score: {error}")
