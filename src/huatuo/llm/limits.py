"""How fast one server is asked: calls at once, calls and tokens a minute, and the wait after a failure.

Nothing here sleeps: `huatuo.llm.servers` asks how long to wait and waits once for all of them.
"""

from __future__ import annotations

import random

BACKOFF_BASE_S = 0.5
"""Seconds; the wait before try n is drawn evenly from 0 to this times 2**n (full jitter)."""
BACKOFF_CAP_S = 30.0
"""Longest back-off where the server does not name one."""
GROWTH = 0.1
"""Calls that a good answer adds to the window."""


def pause(attempt: int, least: float = 0.0) -> float:
    """Seconds before the next try: what the server asks for and a random part that doubles with each attempt."""
    return least + random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(attempt, 16)))


class Window:
    """How many calls may be in flight: one less for each that finds the server crowded, GROWTH more for each that not.

    So a server that turns a few calls away at random is asked at full speed, and one that admits only some at once
    turns away about GROWTH of the calls.
    """

    def __init__(self, most: int):
        self.most, self.limit = most, float(most)
        self.flying = 0

    @property
    def room(self) -> int:
        """Calls that may still be begun."""
        return int(self.limit) - self.flying

    def enter(self) -> None:
        """Take a place."""
        self.flying += 1

    def leave(self, good: bool, crowded: bool) -> None:
        """Free the place and learn from how the call went."""
        self.flying -= 1
        change = GROWTH if good else -1.0 if crowded else 0.0
        self.limit = max(1.0, min(float(self.most), self.limit + change))


class Pace:
    """At most so much a minute, evenly spread, so that no 60 seconds hold more than the limit and one call.

    What is taken before a call is the most it may need; what it did not need is given back.
    """

    def __init__(self, per_minute: float):
        self._seconds_each = 60.0 / per_minute if per_minute else 0.0
        self._free_at = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next call may begin; 0: now."""
        return max(0.0, self._free_at - now) if self._seconds_each else 0.0

    def take(self, now: float, amount: float = 1.0) -> None:
        """Count an amount from now on."""
        self._free_at = max(self._free_at, now) + amount * self._seconds_each

    def give_back(self, amount: float) -> None:
        """Take back what was counted and not needed."""
        self._free_at -= amount * self._seconds_each
