"""A datastore's blobs, for whoever is signed in: listed, read and written in pieces, and held by one process at a time."""

from __future__ import annotations

import contextlib
import io
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from ...errors import StageError
from ...stores.models import Stream
from . import sdk
from .workspace import Workspace

_BLOCK: Final = 4 << 20  # of bytes in one request
_AT_ONCE: Final = 4  # requests: memory is bounded by this many blocks
_HELD_S: Final = 60  # the longest that a lease can last without being renewed
_RENEWED_S: Final = 20.0
_PIECE_S: Final = 300.0


class Blob(NamedTuple):
    """A blob: its path in the container, and its size in bytes."""

    path: str
    size: int

    def name_in(self, prefix: str) -> str:
        """Its name below a path, which may be empty; of what is at that path itself its own."""
        return self.path.rpartition("/")[2] if self.path == prefix else self.path.removeprefix(f"{prefix}/")


class Blobs:
    """The container of a datastore. No key and no signed URL is asked for: who reads and writes is who is signed in.

    Args:
        workspace: Has the datastore.
        datastore: Its name; None for the default.
    """

    def __init__(self, workspace: Workspace, datastore: str | None = None) -> None:
        self._workspace = workspace
        told = _described(workspace, datastore)
        properties = told.get("properties") or {}
        self.datastore = str(told["name"])
        account, container = properties.get("accountName"), properties.get("containerName") or properties.get("filesystem")
        if not account or not container:
            raise StageError(f"stage {workspace.stage.name!r}: the datastore {self.datastore!r} is no blob storage",
                             why=f"it is of type {properties.get('datastoreType')}", fix="keep models in blob storage")
        self._client = workspace.container(str(account), str(container), block=_BLOCK,
                                           suffix=str(properties.get("endpoint") or "core.windows.net"))

    @property
    def uri(self) -> str:
        """What a path in here is written after, in a model's or a data asset's address."""
        stage = self._workspace.stage
        return (f"azureml://subscriptions/{stage.subscription_id}/resourceGroups/{stage.resource_group}/workspaces/"
                f"{self._workspace.name}/datastores/{self.datastore}/paths/")

    @property
    def host(self) -> str:
        """Where the storage account is."""
        return str(self._client.primary_hostname)

    def url(self, path: str) -> str:
        """The address of a path in here as the storage account has it."""
        return f"{str(self._client.url).partition('?')[0]}/{path}"

    # --- looking -----------------------------------------------------------------------------------------------------

    def below(self, prefix: str) -> Sequence[Blob]:
        """The blob of that path, or all below it; an empty path is the container."""
        def attempt() -> list[Blob]:
            found = self._client.list_blobs(name_starts_with=prefix, include=["metadata"])
            return [Blob(str(blob.name), int(blob.size)) for blob in found if not _is_folder(blob)]

        every = self._workspace.call(f"list the files in {prefix!r}", attempt, seconds=_PIECE_S)
        return [blob for blob in every if prefix in ("", blob.path) or blob.path.startswith(f"{prefix}/")]

    def has(self, path: str, *, seconds: float) -> bool:
        """Whether there is a blob of that path, or a folder with something in it; an empty path is the container."""
        folder = path.rstrip("/") + "/" if path.rstrip("/") else ""

        def attempt() -> bool:
            if folder and not path.endswith("/") and self._client.get_blob_client(path).exists():
                return True
            return any(True for _ in self._client.list_blobs(name_starts_with=folder, results_per_page=1))

        return self._workspace.call(f"look for {path!r}", attempt, seconds=seconds)

    def folders(self, prefix: str) -> Sequence[str]:
        """The names of the folders in the folder *prefix*."""
        def attempt() -> list[str]:
            found = self._client.walk_blobs(name_starts_with=f"{prefix}/", delimiter="/")
            return [str(entry.name)[len(prefix) + 1 : -1] for entry in found if str(entry.name).endswith("/")]

        return self._workspace.call(f"list the folders in {prefix!r}", attempt, seconds=_PIECE_S)

    def read(self, path: str) -> bytes | None:
        """All of a small blob; None when there is none."""
        missing = sdk.module("azure.core.exceptions").ResourceNotFoundError

        def attempt() -> bytes | None:
            try:
                return bytes(self._client.download_blob(path).readall())
            except missing:
                return None

        return self._workspace.call(f"read {path!r}", attempt)

    def open(self, blob: Blob) -> BinaryIO:
        """A blob's bytes, from its beginning."""
        return io.BufferedReader(_Reading(self._workspace, self._client, blob), _BLOCK)

    # --- changing ----------------------------------------------------------------------------------------------------

    def write(self, path: str, content: bytes) -> None:
        """Put a small blob, whatever was there."""
        self._workspace.call(f"write {path!r}", lambda: self._client.upload_blob(path, content, overwrite=True),
                             seconds=_PIECE_S)

    def upload(self, path: str, stream: Stream) -> None:
        """Put a blob of any size, whatever was there; of its bytes a few blocks are in memory at a time."""
        first = _block(stream)
        if len(first) < _BLOCK:
            self.write(path, first)
            return
        blob = self._client.get_blob_client(path)
        names: list[str] = []
        blocks = [first]
        while blocks:
            while len(blocks) < _AT_ONCE and len(blocks[-1]) == _BLOCK:
                blocks.append(_block(stream))
            some = {f"{len(names) + number:08d}": block for number, block in enumerate(blocks) if block}
            self._workspace.each(lambda name, some=some: self._staged(blob, path, name, some[name]), some)  # type: ignore[misc]
            names += some
            more = len(blocks[-1]) == _BLOCK
            blocks = [_block(stream)] if more else []
        block_of = sdk.module("azure.storage.blob").BlobBlock
        self._workspace.call(f"write {path!r}", lambda: blob.commit_block_list([block_of(name) for name in names]))

    def _staged(self, blob: Any, path: str, name: str, block: bytes) -> None:
        self._workspace.call(f"write {path!r}", lambda: blob.stage_block(name, block, length=len(block)), seconds=_PIECE_S)

    def remove(self, prefix: str) -> None:
        """Delete all below a folder; what is gone meanwhile is gone."""
        missing = sdk.module("azure.core.exceptions").ResourceNotFoundError

        def delete(blob: Blob) -> None:
            with contextlib.suppress(missing):
                self._client.delete_blob(blob.path)

        self._workspace.each(lambda blob: self._workspace.call(f"remove {blob.path!r}", lambda: delete(blob)),
                             self.below(prefix))

    # --- holding -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def held(self, path: str, taken: Callable[[], Exception]) -> Iterator[Callable[[], None]]:
        """Hold a blob's lease, which Azure gives to one at a time. It ends a minute after the process does, at the latest.

        Args:
            path: The blob, made when absent.
            taken: What to raise when another one holds it.

        Yields:
            Asks Azure whether it still is ours, and raises when it is not.
        """
        exceptions = sdk.module("azure.core.exceptions")

        def make() -> None:
            try:
                self._client.upload_blob(path, b"", overwrite=False)
            except exceptions.HttpResponseError as error:
                if error.status_code not in (409, 412):  # it is there, or there and held
                    raise

        # The name of the lease is ours to choose, so that a second attempt after a lost answer gets the same one.
        lease = sdk.module("azure.storage.blob").BlobLeaseClient(self._client.get_blob_client(path), lease_id=str(uuid.uuid4()))

        def told(call: Callable[[], Any]) -> Callable[[], None]:
            def attempt() -> None:
                try:
                    call()
                except exceptions.HttpResponseError as error:
                    if error.status_code in (404, 409, 412):
                        raise _Taken from None
                    raise
            return attempt

        def ask(call: Callable[[], Any]) -> None:
            try:
                self._workspace.call(f"hold {path!r}", told(call))
            except Exception as error:
                raise (taken() if isinstance(error.__cause__, _Taken) else error) from None

        self._workspace.call(f"make {path!r}", make)
        ask(lambda: lease.acquire(lease_duration=_HELD_S))
        over = threading.Event()

        def renew() -> None:
            while not over.wait(_RENEWED_S):
                with contextlib.suppress(Exception):  # whoever asks is told
                    ask(lease.renew)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield lambda: ask(lease.renew)
        finally:
            over.set()
            with contextlib.suppress(Exception):  # it ends by itself
                ask(lease.release)
            thread.join()


class _Taken(Exception):
    """Another one holds the lease."""


class _Reading(io.RawIOBase):
    """A blob that is read from its beginning to its end, a few blocks at once."""

    def __init__(self, workspace: Workspace, client: Any, blob: Blob) -> None:
        self._workspace, self._client, self._blob = workspace, client, blob
        self._blocks: list[bytes] = []
        self._next = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._blocks:
            end = min(self._blob.size, self._next + _AT_ONCE * _BLOCK)
            self._blocks = self._workspace.each(self._fetch, range(self._next, end, _BLOCK))
            self._next = end
        if not self._blocks:
            return 0
        block = self._blocks[0]
        count = min(len(buffer), len(block))
        buffer[:count] = block[:count]
        self._blocks[:1] = [block[count:]] if count < len(block) else []
        return count

    def _fetch(self, start: int) -> bytes:
        length = min(_BLOCK, self._blob.size - start)
        return self._workspace.call(
            f"read {self._blob.path!r}", seconds=_PIECE_S,
            call=lambda: bytes(self._client.download_blob(self._blob.path, offset=start, length=length).readall()))


def _described(workspace: Workspace, datastore: str | None) -> Any:
    if datastore is not None:
        return workspace.get(f"{workspace.path}/datastores/{datastore}", doing=f"read the datastore {datastore!r}")
    found = next(workspace.pages(f"{workspace.path}/datastores?isDefault=true", doing="look for the default datastore"), None)
    if found is None:
        raise StageError(f"stage {workspace.stage.name!r} has no default datastore", fix="apply the stage again")
    return found


def _is_folder(blob: Any) -> bool:
    """Accounts with a hierarchical namespace list folders as well."""
    return str((blob.metadata or {}).get("hdi_isfolder", "")).lower() == "true"


def _block(stream: Stream) -> bytes:
    """The next bytes: a block, or fewer at the end."""
    parts: list[bytes] = []
    size = 0
    while size < _BLOCK and (part := stream.read(_BLOCK - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
