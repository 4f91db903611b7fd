"""Making a `Pair`, and the draws by hash that synth uses: the same for the same content on every machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from huatuo.records import Message, Pair, Provenance
from huatuo.store import content_id
from huatuo.text.zh import language

_language = lru_cache(maxsize=256)(language)  # many questions share an answer
_SPACE = re.compile(r"\s+")


def fraction(*key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256("\x1f".join(key).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def pair_id(source: str, messages: Sequence[Message]) -> str:
    """The id of a pair: hash of its source and its turns."""
    return content_id(source, *(part for m in messages for part in (m.role, m.content)))


def make_pair(
    messages: Sequence[Message],
    source: str,
    shape: str,
    provenance: Provenance,
    parents: Iterable[str] = (),
    entities: Iterable[str] = (),
) -> Pair:
    """The pair with its id and the language of its last answer."""
    return Pair(
        id=pair_id(source, messages),
        messages=tuple(messages),
        source=source,
        language=_language(messages[-1].content),
        shape=shape,
        parents=tuple(parents),
        entities=tuple(entities),
        provenance=provenance,
    )


def ask(question: str, answer: str) -> tuple[Message, Message]:
    """One user turn and one assistant turn."""
    return Message(role="user", content=question), Message(role="assistant", content=answer)


def normalised(text: str) -> str:
    """The text for comparison of first messages: lower case, without blanks and end marks."""
    return _SPACE.sub("", text).lower().rstrip("。.？?！!：:")
