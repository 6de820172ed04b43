"""A local Azure ML: the REST API that the SDK calls, over HTTPS, with real blob storage."""

from .emulator import Call, Emulator, environ_with
from .setup import Setup

__all__ = ["Call", "Emulator", "Setup", "environ_with"]
