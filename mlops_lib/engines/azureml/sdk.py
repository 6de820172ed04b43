"""The door to Azure's packages: imported when a stage is first used, quiet, and missed with words that help.

All that we take of the SDK beside its public interface is at the end; tests fail when a version of it has that no longer.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from ...errors import InputError

_ours: ContextVar[bool] = ContextVar("ours", default=False)
_uploads: ContextVar[Callable[[], Any] | None] = ContextVar("uploads", default=None)
_loaded: Final[dict[str, Any]] = {}
_loading: Final = threading.RLock()
_NOISY: Final = ("azure.ai.ml", "azure.core", "azure.identity", "msal")


def module(name: str) -> Any:
    """A module of azure-ai-ml, azure-identity or azure-core.

    Raises:
        InputError: the package is not installed, or is broken.
    """
    known = _loaded.get(name)
    if known is not None and sys.modules.get(name) is known:
        return known
    # One at a time: the filters of warnings are the process's, and of two threads that set and restore them the later one would
    # leave what the earlier one had set.
    with _loading:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # theirs, of their own dependencies: nobody here can do anything about them
                _loaded[name] = importlib.import_module(name)
        except ImportError as error:
            raise InputError("this needs the Azure SDK", why=f"{error}", fix="pip install 'mlops-lib[azure]'") from None
        _hush()  # what it brought along
    return _loaded[name]


def _hush() -> None:
    for name in list(logging.root.manager.loggerDict):
        if not any(name == noisy or name.startswith(f"{noisy}.") for noisy in _NOISY):
            continue
        logger = logging.getLogger(name)
        if _unheard not in logger.filters:
            logger.addFilter(_unheard)
    # Deprecations that the SDK's code meets in its own dependencies. A filter that is taken back would be lost in threads.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"azure\.|marshmallow")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile the SDK does not speak: it logs, to handlers of its own, that classes are experimental and names unused.

    Other threads, and the user's own calls of the SDK, are heard as before.
    """
    _hush()
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Meanwhile what the SDK prints in a :func:`quiet` context goes nowhere: bars of its uploads, and dots while it waits.

    They cannot be switched off: without them the SDK waits for ever for an upload that failed.
    """
    _mute.begin()
    try:
        yield
    finally:
        _mute.end()


class _Muted(io.TextIOBase):
    """Writes to another stream what is not ours."""

    def __init__(self, around: Any) -> None:
        self._around = around

    def write(self, text: str) -> int:
        # It waits in a thread of its own, which does not know whose it is.
        waits = threading.current_thread().name.startswith("LROPoller(")
        return len(text) if _ours.get() or waits else int(self._around.write(text))

    def flush(self) -> None:
        self._around.flush()


class _Mute:
    """Puts muted streams in place for the first who wants it, and the real ones back after the last: several threads submit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._real: tuple[Any, Any] = (None, None)

    def begin(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._real = sys.stdout, sys.stderr
                sys.stdout, sys.stderr = map(_Muted, self._real)

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.stdout, sys.stderr = self._real


_mute: Final = _Mute()


def _unheard(record: logging.LogRecord) -> bool:
    return not _ours.get()


# --- beside the public interface -------------------------------------------------------------------------------------

# The service that says how runs are doing, below a workspace's own address. The SDK asks it too, in jobs.stream and jobs.list,
# but prints what it hears: nothing public gives the state of a step, its logs, or why it failed.
HISTORY: Final = "/history/v1.0"


def register_anonymously(client: Any, component: Any) -> str:
    """Register a component as the SDK does those that a job carries: under a name made of its content.

    The operation is public, the argument is not documented. Without it each job would need a name and version of its own.

    Returns:
        Its id.
    """
    return str(client.components.create_or_update(component, is_anonymous=True).id)


def note_registered(component: Any, identity: str) -> None:
    """Tell the SDK that a component of a job is registered: it then sends the id with the job, and nothing before it.

    It notes that in a private attribute itself, and has no public way. Where that is gone it registers the component again
    by four requests, whose outcome is the same.
    """
    if hasattr(component, "_id"):
        component._id = identity


def client(*given: Any, **options: Any) -> Any:
    """The SDK's client for a workspace, which uploads as :func:`uploading` says.

    It makes clients for blob storage with nothing but an address and a credential: they wait four hours for a connection, try
    for a minute and a half what fails, and do so for each file of a folder. There is no public way to tell them anything. Where
    the private one is gone they are as the SDK makes them, and end when the time of their operation is over.
    """
    made: Any = module("azure.ai.ml").MLClient(*given, **options)
    helper = sys.modules.get("azure.ai.ml._artifacts._blob_storage_helper")  # which comes with it
    for name in ("BlobServiceClient", "ContainerClient"):
        theirs = getattr(helper, name, None)
        with _loading:
            if theirs is not None and not issubclass(theirs, _Uploading):
                setattr(helper, name, type(name, (_Uploading, theirs), {}))
    return made


@contextlib.contextmanager
def uploading(transport: Callable[[], Any]) -> Iterator[None]:
    """Meanwhile what the SDK uploads in this context goes by what *transport* makes, which knows when to give up."""
    token = _uploads.set(transport)
    try:
        yield
    finally:
        _uploads.reset(token)


class _Uploading:
    """Put before a client's class."""

    def __init__(self, *given: Any, **options: Any) -> None:
        transport = _uploads.get()
        ours = {"transport": transport(), "retry_total": 0} if transport is not None else {}
        super().__init__(*given, **{**ours, **options})
