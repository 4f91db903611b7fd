"""Bodies of answers, read piece by piece up to a limit: memory has an end, a server need not have one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from huatuo.llm.replies import TooLargeError


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body. Raises TooLargeError where it has more bytes than the limit; of a refusal, those are enough."""
    data = bytearray()
    async for part in response.content.iter_any():
        data += part
        if len(data) > limit:
            if response.status == 200:
                raise TooLargeError(limit)
            break
    return bytes(data)


async def read_lines(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    """The lines of a stream. Raises TooLargeError where they have more bytes than the limit."""
    total = 0
    try:
        async for line in response.content:
            total += len(line)
            if total > limit:
                raise TooLargeError(limit)
            yield line
    except (ValueError, LineTooLong):  # one line larger than the buffer of the connection
        raise TooLargeError(limit) from None
