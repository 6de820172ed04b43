"""Environments, datastores and MLTable files beyond their keys.

Source: the SDK's checks of environments; the MLTable reference.
"""

from __future__ import annotations

from ..document import Items, Scalar, Table
from ..errors import Severity, did_you_mean
from ..spec import Report
from .facts import scalar, table

_TRANSFORMATIONS = frozenset({
    "convert_column_types", "drop_columns", "extract_columns_from_partition_format", "filter", "get_partition_count",
    "keep_columns", "partition_keys", "random_split", "read_delimited", "read_delta_lake", "read_json_lines", "read_parquet",
    "read_text_lines", "rename_columns", "skip", "take", "take_random_sample", "traits",
})
_SECRETS = ("account_key", "sas_token", "client_secret", "certificate")


def check_environment(value: Table, report: Report) -> None:
    """Report what is wrong with an environment, in a file of its own or in a component."""
    image, build = value.get("image"), value.get("build")
    if image is not None and build is not None:
        report.add("image-and-build", "an environment has an image and a build", value.places["build"],
                   why="it takes one of them", fix="remove one")
    if image is None and build is None and value.entries.keys() & {"conda_file", "inference_config", "os_type"}:
        report.add("no-image", "an environment has neither an image nor a build", value.place,
                   why="Azure ML installs the conda file over an image",
                   fix="add 'image: mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04'")


def check_datastore(value: Table, report: Report) -> None:
    """Report secrets in a datastore's file, without repeating them."""
    credentials = table(value, "credentials")
    for key in _SECRETS:
        given = scalar(credentials, key)
        if given is not None and not _is_placeholder(given.text):
            report.add("secret", f"the datastore's file holds its {key}", given.place,
                       why="whoever reads the file can use it; with an identity none is needed",
                       fix="remove the credentials, and give the identity a role", severity=Severity.WARNING)


def _is_placeholder(text: str) -> bool:
    """``<key>``, ``${KEY}``, ``XXXX-XXXX``: what stands for a secret in an example."""
    letters = {character.lower() for character in text if character.isalnum()}
    return text.startswith(("<", "$", "{")) or len(letters) < 4


def check_mltable(value: Table, report: Report) -> None:
    """Report what is wrong with the transformations of an MLTable."""
    given = value.get("transformations")
    if not isinstance(given, Items):
        return
    readers = []
    rows_changed = False
    for item in given.items:
        names = [(item.text, item.place)] if isinstance(item, Scalar) else []
        if isinstance(item, Table):
            names = list(item.places.items())
        for name, place in names:
            if name not in _TRANSFORMATIONS:
                report.add("unknown-transformation", f"an MLTable has no transformation {name!r}", place,
                           fix=did_you_mean(name, _TRANSFORMATIONS))
            elif name.startswith("read_"):
                readers.append(name)
                if len(readers) > 1:
                    report.add("unknown-transformation", f"{name!r} comes after {readers[0]!r}", place,
                               why="files are read once", fix="remove one of them")
                elif rows_changed:
                    report.add("unknown-transformation", f"{name!r} comes after other transformations", place,
                               why="files are read before rows are changed", fix="put it first", severity=Severity.WARNING)
            # The package itself writes this one in front of the reader, where it finds the paths.
            rows_changed |= name != "extract_columns_from_partition_format"
        if isinstance(item, Table):
            for key in ("take", "skip"):
                amount = scalar(item, key)
                if amount is not None and not (isinstance(amount.value, int) and amount.value >= 0):
                    report.add("wrong-type", f"{key} must be a whole number, not {amount.text!r}", amount.place)
