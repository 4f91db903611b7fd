"""The interval of a proportion, for whoever reports one."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""Standard normal quantile of .975."""


def wilson(successes: float, n: float) -> tuple[float, float] | None:
    """Both ends of Wilson's score interval of a proportion at 95 % (Wilson 1927), or None where n is 0."""
    if n <= 0:
        return None
    share = successes / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return (0.0 if successes == 0 else max(0.0, middle - half), 1.0 if successes == n else min(1.0, middle + half))
