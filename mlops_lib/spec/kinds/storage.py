"""Datastores, MLTable and conda files, as shapes.

Source: the CLI v2 schemas of datastores and MLTable, as azure-ai-ml 1.35 reads them; conda's environment files.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import Anything, ByForm, ByType, Either, ListOf, MapOf, OneOf, Record, Shape, Text
from .common import TAGS, TEXT

_NAME = Text(pattern=r"[A-Za-z0-9_-]{1,255}", hint="a datastore's name has letters, digits, '-' and '_'")
_common: Mapping[str, Shape] = {"$schema": TEXT, "id": TEXT, "name": _NAME, "description": TEXT, "tags": TAGS, "type": TEXT}
_account: Mapping[str, Shape] = {"account_name": TEXT, "endpoint": TEXT, "protocol": TEXT}
_tenant: Mapping[str, Shape] = {"authority_url": TEXT, "resource_url": TEXT, "tenant_id": TEXT, "client_id": TEXT}
_none = Record("credentials", {})
_key = Record("credentials", {"account_key": TEXT}, required=("account_key",))
_sas = Record("credentials", {"sas_token": TEXT}, required=("sas_token",))
_principal = Record("credentials", {**_tenant, "client_secret": TEXT}, required=("tenant_id", "client_id", "client_secret"))
_certificate = Record("credentials", {**_tenant, "certificate": TEXT, "thumbprint": TEXT},
                      required=("tenant_id", "client_id", "thumbprint"))
_of_storage = Either((_none, _key, _sas))
_of_lake = Either((_none, _principal, _certificate))
DATASTORE = ByType("datastore", {
    "azure_blob": Record("a blob datastore", {**_common, **_account, "container_name": TEXT, "credentials": _of_storage},
                         required=("name", "account_name", "container_name")),
    "azure_file": Record("a file datastore", {**_common, **_account, "file_share_name": TEXT, "credentials": _of_storage},
                         required=("name", "account_name", "file_share_name")),
    "azure_data_lake_gen2": Record("a Data Lake Gen2 datastore", {
        **_common, **_account, "filesystem": TEXT, "credentials": _of_lake}, required=("name", "account_name", "filesystem")),
    "azure_data_lake_gen1": Record("a Data Lake Gen1 datastore", {
        **_common, "store_name": TEXT, "credentials": _of_lake}, required=("name", "store_name")),
    "one_lake": Record("a OneLake datastore", {
        **_common, "one_lake_workspace_name": TEXT, "endpoint": TEXT, "credentials": Either((_none, _principal)),
        "artifact": Record("an artifact", {"name": TEXT, "type": OneOf(("lake_house",), folded=True)}, required=("name",)),
    }, required=("name", "one_lake_workspace_name", "endpoint")),
}, folded=True)

MLTABLE = Record("an MLTable", {
    "$schema": TEXT, "type": TEXT,
    "paths": ListOf(Either((Record("a path", {"file": TEXT}, required=("file",)),
                            Record("a path", {"folder": TEXT}, required=("folder",)),
                            Record("a path", {"pattern": TEXT}, required=("pattern",))))),
    "transformations": ListOf(ByForm(scalar=TEXT, table=Anything())),
    "metadata": Anything(), "traits": Anything(),
}, required=("paths",))

# Keys that conda reads; tools beside it put others there, which conda passes over with a warning.
CONDA = Record("a conda file", {
    "name": TEXT, "prefix": TEXT, "channels": ListOf(TEXT),
    "dependencies": ListOf(ByForm(scalar=TEXT, table=Record("a mapping of requirements", {"pip": ListOf(TEXT)}, elsewhere=(
        lambda key: f"only 'pip' has a list of its own; a package is written '- {key}=VERSION'")))),
    "variables": MapOf(Anything()), "category": TEXT, "platforms": ListOf(TEXT),
}, open=True)
