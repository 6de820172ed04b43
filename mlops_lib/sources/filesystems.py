"""Files and folders in a store that fsspec knows: Azure storage, S3, Google Cloud Storage."""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ..errors import InputError, MlopsError, RunError
from ..references import escapes, redacted, scheme_of
from ..stores.files import FileEntry, files_of
from .downloads import Brought, Marks, Unreachable, split_url, unreadable

_AZURE: Final = ("abfs", "abfss", "wasb", "wasbs")
# The package behind each scheme, and what to install for it.
_PACKAGES: Final[Mapping[str, tuple[str, str]]] = {
    **dict.fromkeys(_AZURE, ("adlfs", "mlops-lib[azure-storage]")), "s3": ("s3fs", "s3fs"), "gs": ("gcsfs", "gcsfs"),
    "gcs": ("gcsfs", "gcsfs"), "memory": ("fsspec", "fsspec"),
}
# What stores call the mark of a file's content, the surest first; a time alone does when nothing else is told.
_CONTENT: Final = ("etag", "ETag", "e_tag", "md5Hash", "content_md5", "checksum", "crc32c", "generation")
_TIMES: Final = ("last_modified", "LastModified", "mtime", "updated", "modified", "created")
_CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
_ENVIRONMENT: Final = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CLIENT_SECRET")


class StoredTree:
    """A file or a folder in a store.

    Args:
        url: ``abfss://container@account.dfs.core.windows.net/folder`` and the like.

    Raises:
        InputError: a package is missing, or the URL is none of a store.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with self._translated():
            self._systems, self._path = connect(url)
        self._system = self._systems[0]
        self._is_file = False

    def is_file(self) -> bool:
        """Whether it is a file; looks for it."""
        info = self._info()
        return bool(info["type"] == "file")

    def marks(self) -> Marks | None:
        found = {name: _mark(info) for name, info in self._files().items()}
        return found if all(found.values()) else None

    def bring(self, folder: Path, known: Brought | None) -> Brought | None:
        files = self._files()
        marks = {name: _mark(info) for name, info in files.items()}
        if known is not None and all(marks.values()) and dict(known.marks) == marks:
            return None
        had = (known.path.parent if known.path.is_file() else known.path) if known is not None else None
        todo = []
        for name, info in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if had is not None and known is not None and marks[name] and known.marks.get(name) == marks[name]:
                os.link(had / name, place)
            else:
                todo.append((info["name"], str(place)))
        with self._translated():
            if todo:
                self._system.get([remote for remote, _ in todo], [local for _, local in todo])
        for name, info in files.items():
            size = info.get("size")
            if not (folder / name).is_file() or (size is not None and (folder / name).stat().st_size != size):
                raise RunError(f"{redacted(self.url)!r} broke off", why=f"{name} is not whole", fix="start again")
        if {name: _mark(info) for name, info in self._files().items()} != marks:
            raise RunError(f"{redacted(self.url)!r} was changed while it was read", fix="start again when nobody writes there")
        return Brought(marks, folder / next(iter(files)) if self._is_file else folder)

    # --- writing -----------------------------------------------------------------------------------------------------

    def put(self, source: Path, *, give_up: Callable[[], bool] = lambda: False) -> Marks | None:
        """Write a file or the files of a folder there: first all of them beside it, then each to its place.

        What else is there stays. A store has no move of many files at once: until the last one is in place, readers
        find some of the new ones. Nothing is touched when writing them fails.

        Returns:
            The marks of what was written, by its name; None when it was given up.

        Raises:
            RunError: it failed.
        """
        entries = files_of(source) if source.is_dir() else [FileEntry("", str(source), source.stat())]
        parent, name = posixpath.split(self._path)
        aside = f"{parent}/.{name}.{secrets.token_hex(4)}.new"
        with self._translated(writing=True):
            self._clear_after_death(parent, name)
            try:
                for entry in entries:
                    if give_up():
                        return None
                    self._make_parent(f"{aside}/{entry.name or 'file'}")
                    self._system.put_file(entry.path, f"{aside}/{entry.name or 'file'}")
                for entry in entries:
                    target = f"{self._path}/{entry.name}" if entry.name else self._path
                    self._make_parent(target)
                    self._system.mv(f"{aside}/{entry.name or 'file'}", target)
            finally:
                self._forget()
                if self._system.exists(aside):
                    self._system.rm(aside, recursive=True)
            self._forget()
            return self.marks_of([entry.name for entry in entries])

    def _clear_after_death(self, parent: str, name: str) -> None:
        """Remove what a process left that was killed while it wrote."""
        left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}\.new")
        self._forget()
        with suppress(FileNotFoundError):
            for path in self._system.ls(parent, detail=False):
                if left.fullmatch(posixpath.basename(str(path).rstrip("/"))):
                    self._system.rm(path, recursive=True)

    def marks_of(self, names: list[str]) -> Marks | None:
        """The marks of some of its files; None when one is not there or has none. ``""`` is the file that it is itself."""
        try:
            files = self._files()
        except InputError:
            return None
        wanted = {name: files.get(name or posixpath.basename(self._path)) for name in names}
        found = {name: _mark(info) for name, info in wanted.items() if info is not None}
        return found if len(found) == len(names) and all(found.values()) else None

    def _make_parent(self, path: str) -> None:
        self._system.makedirs(posixpath.dirname(path), exist_ok=True)

    # --- looking -----------------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._system.invalidate_cache()

    def _info(self) -> Mapping[str, Any]:
        """What is there, through the first way in that leads to it."""
        for index, system in enumerate(self._systems):
            try:
                with self._translated():
                    system.invalidate_cache()
                    found: Mapping[str, Any] = system.info(self._path)
            except MlopsError as error:
                if isinstance(error, Unreachable) or index == len(self._systems) - 1:
                    raise
            else:
                self._system, self._systems = system, [system]
                return found
        raise ValueError("there was no way in")

    def _files(self) -> dict[str, Mapping[str, Any]]:
        """Every file by its name below the folder, or the one file by its own."""
        info = self._info()
        self._is_file = info["type"] == "file"
        if self._is_file:
            return {posixpath.basename(self._path): {**info, "name": info.get("name") or self._path}}
        with self._translated():
            listed = self._system.find(self._path, detail=True)
        root = str(self._system._strip_protocol(self._path)).rstrip("/") + "/"
        found: dict[str, Mapping[str, Any]] = {}
        for path, entry in sorted(listed.items()):
            name = path[len(root):] if path.startswith(root) else path
            if escapes(name) or not name or any(part in ("", ".") for part in name.split("/")):
                raise unreadable(self.url, f"it has a file with the name {name!r}", fix="rename it")
            found[name] = {**entry, "name": path}
        both = next((name for name in found if any(other.startswith(f"{name}/") for other in found)), None)
        if both is not None:
            raise unreadable(self.url, f"{both!r} is a file and a folder there, which no disk can have", fix="rename one")
        if not found:
            raise InputError(f"{redacted(self.url)!r} is empty", why="nothing is below it", fix="correct the URL")
        return found

    @contextmanager
    def _translated(self, *, writing: bool = False) -> Iterator[None]:
        """What a store's client raises, as errors that a user can act on: each has classes of its own."""
        shown = redacted(self.url)
        try:
            yield
        except (MlopsError, KeyboardInterrupt):
            raise
        except FileNotFoundError as error:
            raise InputError(f"{shown!r} does not exist", fix="correct the path") from error
        except Exception as error:
            kind, said = type(error).__name__, redacted(_first_line(error))
            status = getattr(error, "status_code", None)
            unknown = "Credential" in kind or "Authentication" in kind
            if isinstance(error, PermissionError) or status in (401, 403, 409) or unknown:
                verb = "written to" if writing else "read"
                raise InputError(f"{shown!r} may not be {verb}", why=said or kind,
                                 fix="sign in (az login), or ask for a role on the store's data") from error
            if status == 404:
                raise InputError(f"{shown!r} does not exist", why=said, fix="correct the URL") from error
            raise Unreachable(f"{shown!r} could not be {'written to' if writing else 'had'}", why=f"{kind}: {said}",
                              fix="check the network and the URL") from error


def connect(url: str) -> tuple[list[Any], str]:
    """The ways into the store of *url*, in the order to try them, and the path in it.

    Azure storage without anything in the environment is asked as anybody first, since public data needs no sign-in and an
    identity takes seconds to find; then as azure-identity signs in.

    Raises:
        InputError: a package is missing, or the URL does not say what is needed.
    """
    scheme = scheme_of(url)
    module, package = _PACKAGES[scheme]
    try:
        import fsspec

        __import__(module)
    except ImportError:
        raise InputError(f"{redacted(url)!r} needs the package {module}", why=f"it reads {scheme}://",
                         fix=f"pip install '{package}'") from None
    if scheme not in _AZURE:
        return [fsspec.filesystem(scheme)], url.partition("://")[2].rstrip("/") if scheme != "memory" else \
            "/" + url.partition("://")[2].strip("/")
    account, host, path = azure_parts(url)
    named = {"account_name": account, "account_host": host, "skip_instance_cache": True}
    _check_account(account)
    if os.environ.get(_CONNECTION):  # it says by itself where its account is
        return [fsspec.filesystem("abfs", account_name=account, skip_instance_cache=True)], path
    _reach(host)
    if any(os.environ.get(name) for name in _ENVIRONMENT):
        return [fsspec.filesystem("abfs", **named)], path
    return [fsspec.filesystem("abfs", **named, anon=anonymous) for anonymous in (True, False)], path


def _reach(host: str) -> None:
    """Ask whether anybody is there: the client of Azure storage takes a minute and a half to find out that nobody is.

    Raises:
        Unreachable: nobody is.
    """
    from .web import WebFile

    with suppress(InputError):  # an answer, whatever it says
        WebFile(f"https://{host}/", patience=15.0).marks()


def azure_parts(url: str) -> tuple[str, str, str]:
    """The account, its host and ``container/path`` of ``abfss://container@account.dfs.core.windows.net/path``.

    Raises:
        InputError: it has another form.
    """
    parts = split_url(url)
    host = parts.hostname or ""
    if not parts.username or "." not in host:
        raise InputError(f"{redacted(url)!r} does not name its account and container",
                         fix="write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH")
    account, _, domain = host.partition(".")
    blob = f"{account}.blob.{domain.partition('.')[2]}" if domain.startswith("dfs.") else host
    return account, blob, f"{parts.username}/{parts.path.strip('/')}".rstrip("/")


def _check_account(account: str) -> None:
    """The environment's credentials are for one account; the URL names the one that is meant."""
    pairs = dict(part.partition("=")[::2] for part in os.environ.get(_CONNECTION, "").split(";"))
    named = pairs.get("AccountName") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME") or account
    if named.lower() != account.lower():
        raise InputError(f"the environment has credentials for the account {named!r}, and the data is in {account!r}",
                         fix="unset AZURE_STORAGE_CONNECTION_STRING and the like, or set them for that account")


def _mark(info: Mapping[str, Any]) -> str:
    """What tells this version of a file from another; empty when nothing does."""
    for keys in (_CONTENT, _TIMES):
        for key in keys:
            if info.get(key):
                return f"{info.get('size')}:{info[key]}"
    return ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else ""
