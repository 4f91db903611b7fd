"""No test may reach anything but this machine, and none may ask a hub."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("unit", max_examples=20)  # `make unit`; the whole suite draws a hundred

LOOPBACK = ("127.", "localhost", "::1")


class NetworkDeniedError(OSError):
    """A test tried to leave this machine."""


def pytest_collection() -> None:
    """Leave what is imported to itself: looking through all of torch for garbage took a tenth of the time of short tests."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def _is_local(address: Any) -> bool:
    return isinstance(address, (str, bytes)) or str(address[0]).startswith(LOOPBACK)


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Deny every connection except to loopback and Unix sockets."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: Any) -> None:
        if not _is_local(address):
            raise NetworkDeniedError(f"connection to {address} denied")
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        if not _is_local(address):
            raise NetworkDeniedError(f"connection to {address} denied")
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket.socket, "connect", guarded)
        patched.setattr(socket.socket, "connect_ex", guarded_ex)
        yield
