"""How a long list of calls goes: said from time to time where calls fail, or where nothing comes back."""

from __future__ import annotations

import asyncio

from huatuo.progress import say

SAY_EVERY_S = 30.0
"""Seconds between two lines."""


class Course:
    """Counts of one model's tries, and the line about them."""

    def __init__(self, name: str):
        self.name = name
        self.answered = self.failed = self.waiting = 0
        self.last = ""

    def fails(self, why: str) -> None:
        """Count a try without an answer."""
        self.failed += 1
        self.last = why

    async def watch(self) -> None:
        """Say one line every SAY_EVERY_S seconds in which a try failed or calls waited in vain; until cancelled."""
        while True:
            answered, failed = self.answered, self.failed
            await asyncio.sleep(SAY_EVERY_S)
            if self.failed > failed or (self.waiting and self.answered == answered):
                say(str(self))

    def __str__(self) -> str:
        last = f" (the last one: {self.last})" if self.last else ""
        return (
            f"{self.name}: {self.answered:,} calls answered, {self.waiting:,} wait for an answer, "
            f"{self.failed:,} tries failed and are made again{last}"
        )
