"""Calls by file, where nothing may be called: requests out as an OpenAI batch file, the file with the answers in.

A request's ``custom_id`` is its key in the cache of replies, so an answer finds its place whatever file it comes in.
Format and limits: OpenAI, "Batch API" guide (JSON Lines, 50,000 requests and 200 MB a file).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.errors import InputError, ModelError, WaitingError
from huatuo.files import sync_folder
from huatuo.llm.base import Reply, Sampling, TextOnly
from huatuo.llm.cache import Cached
from huatuo.llm.http import request_body
from huatuo.llm.keys import mask
from huatuo.llm.money import Prices, Purse, Spent, prices_of, size_of
from huatuo.llm.replies import UNREADABLE, error_codes, excerpt, is_about_one_prompt, refused, reply_of, why_unreadable
from huatuo.recipe_teacher import TeacherSettings
from huatuo.records import Message

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000
"""Requests and bytes of one file (OpenAI's limits)."""
KEEP = 1000
"""Answers put into the cache together."""
_OURS = re.compile(r"[0-9a-f]{32}")
_REQUESTS = "requests-"


class ByFile(TextOnly):
    """The teacher behind a batch file, as a `Model`: every reply comes from the cache, none can be asked for."""

    digest = ""
    format = ""

    def __init__(self, settings: TeacherSettings):
        """Raises ModelError where the recipe names no model: the requests must say which."""
        if not settings.model:
            raise ModelError("teacher.kind = batch needs teacher.model; next: name the model in the recipe")
        self.name = settings.model

    def chat(self, conversations: Iterable[Any], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Raises WaitingError for a conversation that no answer was put in for."""
        raise WaitingError("a call has no answer yet; next: run the stage again, it writes the requests to a file")
        yield  # makes this an iterator, as the Protocol says

    def stream(self, messages: Iterable[Message], sampling: Sampling) -> Iterator[str]:
        """Raises ModelError: a file does not stream."""
        raise ModelError(f"{self.name} is asked by file and cannot stream; next: use kind = endpoint")

    def no_ids(self) -> str:
        """A chat completion takes text."""
        return f"{self.name} is asked by file and takes no token ids; next: ask `ours`"


# ---------------------------------------------------------------- requests out


class Written(NamedTuple):
    """One file of requests."""

    path: Path
    """Where it lies; its name is the hash of its content, so the same requests never look like new ones."""
    requests: int
    """Lines."""
    bytes: int
    """Size."""


def write_requests(
    folder: Path,
    missing: Iterable[tuple[str, tuple[Message, ...]]],
    sampling: Sampling,
    settings: TeacherSettings,
    before: Spent,
) -> tuple[list[Written], int]:
    """The files written for keys and conversations, and the number left out because a limit would not hold with them.

    Raises RefusedError where the limit on money or tokens does not allow one request.
    """
    purse, prices, left = Purse(settings, before), prices_of(settings), 0
    made: list[Written] = []
    lines: list[bytes] = []
    total = 0
    for key, messages in missing:
        size = size_of(messages, sampling)
        if left or not purse.fits(size, prices):
            if not made and not lines:
                raise purse.refusal(size)
            left += 1
            continue
        purse.hold(size, prices)
        body = request_body(messages, sampling, settings.model, settings)
        request = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
        line = json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if len(lines) == MOST_REQUESTS or total + len(line) > MOST_BYTES:
            made.append(_write(folder, lines))
            lines, total = [], 0
        lines.append(line)
        total += len(line)
    return ([*made, _write(folder, lines)] if lines else made), left


def _write(folder: Path, lines: list[bytes]) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    data = b"".join(lines)
    path = folder / f"{_REQUESTS}{hashlib.sha256(data).hexdigest()[:8]}.jsonl"
    beside = folder / f".{path.name}.new"
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(folder)
    return Written(path, len(lines), len(data))


# ---------------------------------------------------------------- answers in


class Taken(NamedTuple):
    """What the files with answers held."""

    files: int
    """Files that were read."""
    kept: int
    """Answers that were not in the cache before."""
    failed: Counter[str]
    """Lines without an answer, by reason."""

    def __str__(self) -> str:
        reasons = "".join(f"; {n:,} without an answer: {reason}" for reason, n in self.failed.most_common(8))
        return f"{self.kept:,} new answers from {self.files} file(s){reasons}"


def read_answers(folder: Path, cache: Cached, prices: Prices, key: str = "") -> Taken:
    """What the ``.jsonl`` files in ``folder`` that are not requests hold, put into the cache.

    Output and error files may lie there together, in any number; a line that is no answer is counted with its reason.
    ``key``: the endpoint's, which is masked wherever a line holds it. Raises InputError for a file that cannot be read.
    """
    paths = sorted(path for path in folder.glob("*.jsonl") if not path.name.startswith((_REQUESTS, ".")))
    failed: Counter[str] = Counter()
    pending: list[tuple[str, Reply]] = []
    doubtful: list[tuple[str, str]] = []  # status 400: about one prompt if others were answered
    kept, good = 0, False
    for path in paths:
        for line in _lines(path):
            place, reply, reason = _answer(line, prices, cache.name, key)
            if reply is not None:
                pending.append((place, reply))
                good = good or reply.finish_reason != "refused"
            elif reason.startswith("status 400") and place:
                doubtful.append((place, reason))
            else:
                failed[reason] += 1
            if len(pending) >= KEEP:
                kept += cache.keep(pending)
                pending.clear()
    for place, reason in doubtful:
        if good:
            pending.append((place, refused(reason, prices)))
        else:
            failed[reason] += 1
    return Taken(len(paths), kept + cache.keep(pending), failed)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); next: check the file") from None


def _answer(line: bytes, prices: Prices, model: str = "", secret: str = "") -> tuple[str, Reply | None, str]:
    """Key and reply of one line; or the reason why it holds none, with the key where it says one."""
    try:
        data = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        key = str(data["custom_id"])
    except UNREADABLE:
        return "", None, "the line is no JSON object with a custom_id"
    if not _OURS.fullmatch(key):
        return "", None, "the custom_id is not one of huatuo's"
    response = data.get("response")
    if not isinstance(response, dict):
        code = mask(next(iter(sorted(error_codes(data) - {"None"})), ""), secret)
        return key, None, code or "neither a response nor an error code"
    status, body = response.get("status_code"), response.get("body")
    if status != 200:
        codes = error_codes(body)
        said = excerpt(json.dumps(body, ensure_ascii=False), secret)
        if isinstance(status, int) and is_about_one_prompt(status, codes, answered=False):
            return key, refused(said, prices), ""
        shown = said if status == 400 else mask(" ".join(sorted(codes - {"None"})), secret)
        return key, None, f"status {status} {shown}".strip()
    try:
        return key, reply_of(body, prices, model, secret), ""
    except UNREADABLE as error:
        return key, None, f"unreadable body ({why_unreadable(line, error)})"
