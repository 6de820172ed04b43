"""Who takes a connection and who does not, with sockets of this machine."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_lib.engines.azureml.reaching import knock

from .conftest import BlackHole, black_hole


def at(listener: socket.socket) -> Any:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", listener.getsockname()


@pytest.fixture
def silent() -> Iterator[BlackHole]:
    with black_hole() as found:
        yield found


@pytest.fixture
def open_port() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_silence_ends_when_its_time_is_over(silent: BlackHole) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        knock([silent.address], 0.2)
    assert 0.2 <= time.monotonic() - begun < 20, "the system would try for two minutes"


def test_a_process_that_had_no_processor_until_the_time_was_over_sees_the_connection(open_port: socket.socket) -> None:
    knock([at(open_port)], 0.0)


def test_a_refusal_is_told_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        begun = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            knock([at(closed)], 300.0)
    assert time.monotonic() - begun < 60


def test_one_address_of_several_will_do(silent: BlackHole, open_port: socket.socket) -> None:
    begun = time.monotonic()
    knock([silent.address, at(open_port)], 300.0)
    assert time.monotonic() - begun < 60


class TakenInLater(list[Any]):
    """Addresses; whoever goes through them again meets a black hole that has room."""

    def __init__(self, silent: BlackHole) -> None:
        super().__init__([silent.address])
        self._silent, self.looks = silent, 0

    def __iter__(self) -> Iterator[Any]:
        self.looks += 1
        if self.looks == 2:
            self._silent.take_in()
        return super().__iter__()


def test_a_packet_that_is_lost_is_sent_again_within_the_time(silent: BlackHole) -> None:
    addresses = TakenInLater(silent)
    knock(addresses, 0.8)  # the system's own second attempt comes after a second
    assert addresses.looks == 2
