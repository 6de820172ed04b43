"""References to data and assets that are elsewhere: their grammar, what stands for them here, and the secrets in a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

DEFAULT_DATASTORE = "workspaceblobstore"
WEB = ("https", "http")
STORES = ("abfs", "abfss", "wasb", "wasbs", "s3", "gs", "gcs", "memory")  # what can be listed, and written to

# Patterns are texts: most projects have no value that needs them, and re keeps what it has compiled.
_OF_WORKSPACE = (r"subscriptions/[^/]+/(?i:resourcegroups)/[^/]+/(?i:providers/Microsoft\.MachineLearningServices/)?"
                 r"workspaces/(?P<workspace>[^/]+)/")
_DATASTORE = rf"(?s)azureml://(?:{_OF_WORKSPACE})?datastores/(?P<name>[^/]+)/paths(?:/(?P<path>.*))?"
_ASSET = (r"azureml:/{1,2}(?:registries/(?P<registry>[^/]+)/|"
          rf"{_OF_WORKSPACE}|locations/[^/]+/workspaces/(?P<id>[^/]+)/)"
          r"(?P<kind>components|data|environments|models)/(?P<name>[^/:@]+)/"
          r"(?:versions/(?P<version>[^/]+)|labels/(?P<label>[^/]+))/?")
_NAMED = r"azureml:(?P<name>[^:@/]+)(?:@(?P<label>[^:@/]+)|:(?P<version>[^:@/]+))?"
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*):"


class DatastorePath(NamedTuple):
    """``azureml://datastores/NAME/paths/PATH``, also when it names the workspace."""

    datastore: str
    path: str


class AssetReference(NamedTuple):
    """An asset of a registry or a workspace.

    Attributes:
        shelf: ``registries`` or ``workspaces``.
        owner: The registry's or workspace's name.
        kind: ``components``, ``data``, ``environments`` or ``models``.
        version: None when there is a label.
    """

    shelf: str
    owner: str
    kind: str
    name: str
    version: str | None
    label: str | None


class AssetName(NamedTuple):
    """``azureml:name:version`` or ``azureml:name@label``; exactly one of version and label is set."""

    name: str
    version: str | None
    label: str | None


_NOTHING: Mapping[str, str] = MappingProxyType({})


class Mappings(NamedTuple):
    """What stands on this machine for what is elsewhere.

    Attributes:
        datastores: A folder or a URL, by the datastore's name.
        registries: A folder, by the registry's name.
        workspaces: A folder, by the workspace's name.
    """

    datastores: Mapping[str, str] = _NOTHING
    registries: Mapping[str, str] = _NOTHING
    workspaces: Mapping[str, str] = _NOTHING

    def folder_of(self, reference: AssetReference) -> str | None:
        """The folder that stands for the registry or workspace of an asset."""
        return (self.registries if reference.shelf == "registries" else self.workspaces).get(reference.owner)


NO_MAPPINGS = Mappings()


def parse_asset(text: str) -> AssetName | None:
    """The asset that *text* names; None when it is another kind of reference (a path, a registry …)."""
    match = re.fullmatch(_NAMED, text.strip())
    if match is None:
        return None
    label, version = match["label"], match["version"]
    return AssetName(match["name"], version, label or (None if version else "latest"))


def parse_reference(text: str) -> DatastorePath | AssetReference | None:
    """What *text* refers to in Azure ML; None when it is of another form."""
    if not text.startswith("azureml:/"):
        return None
    if match := re.fullmatch(_DATASTORE, text):
        return DatastorePath(match["name"], (match["path"] or "").lstrip("/"))
    if match := re.fullmatch(_ASSET, text):
        owner = match["registry"] or match["workspace"] or match["id"]
        shelf = "registries" if match["registry"] else "workspaces"
        return AssetReference(shelf=shelf, owner=owner, kind=match["kind"], name=match["name"], version=match["version"],
                              label=match["label"])
    return None


def scheme_of(text: str) -> str:
    """The scheme of a URI, in lower case; empty for a path."""
    match = re.match(_SCHEME, text)
    return match[1].lower() if match else ""


def escapes(path: str) -> bool:
    """Whether a relative path has parts that lead out of where it starts, or characters that no file's name should have."""
    return ".." in re.split(r"[/\\]", path) or path.startswith("/") or re.search(r"[\x00-\x1f\x7f]", path) is not None


def how_to_map(reference: DatastorePath | AssetReference) -> str:
    """The line that is missing in ``mlops.yml``."""
    if isinstance(reference, DatastorePath):
        return f"add to mlops.yml: datastores: {{{reference.datastore}: FOLDER}}, or a URL such as abfss://…"
    inside = f"{reference.kind}/{reference.name}/{reference.version or reference.label}"
    return f"add to mlops.yml: {reference.shelf}: {{{reference.owner}: FOLDER}}, with the asset in FOLDER/{inside}"


# --- secrets ---------------------------------------------------------------------------------------------------------

# A URL, or the path of one alone: so do errors of connections name what they wanted.
_URL = r"((?:[A-Za-z][A-Za-z0-9+.-]*://|(?:^|(?<=[\s'\"(=:]))/)[^\s?'\"<>]*)\?([^\s'\"<>]*)"
_SIGNED = (r"(?i)(?:^|[&;])(?:sig|(?:x-amz-|x-goog-)?signature|x-amz-security-token|sas_?token|account_?key|"
           r"shared_?access_?key|access_?token|api_?key|client_?secret|password|token)=")
_USER = r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@:'\"]*:[^\s/@'\"]*@"
_KEYS = r"(?i)\b((?:Account|SharedAccess)Key|SharedAccessSignature)=[^;\s'\"]+"


def redacted(text: str) -> str:
    """*text* without the signatures, keys and passwords of the URLs in it."""
    if "?" in text:
        text = re.sub(_URL, lambda match: f"{match[1]}?***" if re.search(_SIGNED, match[2]) else match[0], text)
    if "://" in text:
        text = re.sub(_USER, r"\1***@", text)
    return re.sub(_KEYS, r"\1=***", text) if "=" in text else text


def was_redacted(text: str) -> bool:
    """Whether *text* was a URL with a secret before it was shown or written down."""
    return "?***" in text or "://***@" in text


def holds_secret(text: str) -> bool:
    """Whether *text* has a signature, a key or a password in it."""
    return redacted(text) != text
