"""A local Azure ML: the REST API that the SDK calls, over HTTPS, with real blob storage."""

from .emulator import Call, Emulator, environ_with, foreign_variables
from .faults import Fault, Faults
from .setup import Setup

__all__ = ["Call", "Emulator", "Fault", "Faults", "Setup", "environ_with", "foreign_variables"]
