"""Freed memory that stays with the process while it trains on a processor.

Each step frees and takes the same large tensors. glibc gives blocks above a threshold (at most 32 MB, by itself) back
to the system when they are freed, and the next step pays for every page of them again.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt (malloc.h of glibc)."""

KEPT, DYNAMIC = 2**31 - 1, 32 * 2**20
"""Bytes: as many as mallopt can say; what glibc's own threshold grows to on a 64-bit machine."""

AHEAD = 64 * 2**20
"""Bytes asked of the system at a time."""


@contextmanager
def kept() -> Iterator[bool]:
    """Whether the heap keeps what is freed for the length of the block; afterwards it is given back.

    Nothing is changed where the C library has no ``mallopt`` or ``malloc_trim`` (it is not glibc).
    """
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield False
        return
    wanted = {M_MMAP_THRESHOLD: KEPT, M_TRIM_THRESHOLD: KEPT, M_TOP_PAD: AHEAD}
    done = [bool(library.mallopt(name, value)) for name, value in wanted.items()]
    try:
        yield all(done)
    finally:
        for name, value in {M_MMAP_THRESHOLD: DYNAMIC, M_TRIM_THRESHOLD: 2 * DYNAMIC, M_TOP_PAD: 0}.items():
            library.mallopt(name, value)
        library.malloc_trim(0)
