"""When one of several processes cannot go on, all stop at once and say the same.

A process that waits for another in a collective operation cannot be asked anything. So the one that fails writes why
where all can read it, in the store by which ``torchrun`` brought them together, and ends. Over gloo the wait of the
others then fails by itself; over NCCL it would not, and a process that is still waiting some seconds later ends itself.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]  # its stubs export them from elsewhere

from huatuo import errors
from huatuo.errors import HuatuoError, TrainingError

log = logging.getLogger(__name__)

WHY = "huatuo/why"
"""Key of the store under which the first process that fails writes why."""

LOOK_S = 0.5
"""Seconds between two looks at it."""

GRACE_S = 5.0
"""Seconds in which a process that was told may end in its own way."""

ANSWER_S = 20.0
"""Seconds in which the store answers; gone, it belonged to a process that has ended."""


@contextmanager
def stopping_together(rank: int) -> Iterator[None]:
    """The part of a run in which processes wait for each other.

    Raises, where this process lost the others because one of them failed, the HuatuoError with which that one did.
    """
    left, store = threading.Event(), _store()
    threading.Thread(target=_watch, args=(_store(), left), daemon=True).start()
    try:
        yield
    except BaseException as error:
        said = _exchanged(store, rank, error)
        if said is not None and isinstance(error, RuntimeError):  # torch's, of a wait that cannot end
            raise said from None
        raise
    finally:
        left.set()


def _store() -> Store:
    """The store that all processes reach, by a connection of its own, as one serves one thread."""
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(*place, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=ANSWER_S))


def _exchanged(store: Store, rank: int, error: BaseException) -> HuatuoError | None:
    """Why another process failed before this one; where none did, this one's error is told, and there is None."""
    try:
        said = why(store)
        if said is None:
            tell(store, rank, error)
    except RuntimeError:  # the store is gone with the process that held it: the error at hand is what is known
        return None
    return said


def tell(store: Store, rank: int, error: BaseException) -> None:
    """Write why this process cannot go on, unless another one has said so before."""
    name, text = type(error).__name__, str(error)
    if not isinstance(error, HuatuoError):
        name, text = TrainingError.__name__, f"process {rank} ended: {name}: {text}; next: see what it says itself"
    store.compare_set(WHY, "", json.dumps([name, text]))


def why(store: Store) -> HuatuoError | None:
    """Why another process cannot go on; None where none has said so."""
    if not store.check([WHY]):
        return None
    name, text = json.loads(store.get(WHY))
    made: HuatuoError = getattr(errors, name)(text)
    return made


def _watch(store: Store, left: threading.Event) -> None:
    """End this process when another has failed and this one waits for it all the same."""
    while not left.wait(LOOK_S):
        try:
            said = why(store)
        except RuntimeError:  # the store went with the process or launcher that held it
            said = TrainingError("the processes of this run cannot reach each other any more; next: see the others")
        if said is not None:
            if not left.wait(GRACE_S):
                log.error("%s", said)
                os._exit(1)
            return
