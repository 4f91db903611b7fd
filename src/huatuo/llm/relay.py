"""An event loop behind an iterator: calls go on while the reader reads, and what they say is waited for."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any

Put = Callable[[Any], Awaitable[None]]
"""Hands an item to the reader; returns once the reader asks for the next one."""


async def together(jobs: Iterator[Awaitable[None]]) -> None:
    """Run all jobs; the first error cancels the others."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def relay(work: Callable[[Put], Awaitable[None]]) -> Iterator[Any]:
    """What ``work`` puts, while it runs on an event loop in a thread of its own.

    ``put`` returns when the reader comes back for more, so what the reader does with an item (keeping it on disk) is
    done by then. Ending the iterator early cancels the work and waits for its connections to close.
    """
    items: queue.SimpleQueue[tuple[asyncio.Event | None, Any]] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def put(item: Any) -> None:
        taken = asyncio.Event()
        items.put((taken, item))
        await taken.wait()

    async def main() -> None:
        working = asyncio.ensure_future(work(put))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            items.put((None, working.exception()))
        await stopping
        working.cancel()
        await asyncio.wait((working,))

    def drive() -> None:
        with closing(loop):
            loop.run_until_complete(main())
            loop.run_until_complete(loop.shutdown_asyncgens())

    thread = threading.Thread(target=drive, name="huatuo-http", daemon=True)
    thread.start()
    try:
        while True:
            taken, item = items.get()
            if taken is None:
                if item is not None:
                    raise item
                return
            yield item
            loop.call_soon_threadsafe(taken.set)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
