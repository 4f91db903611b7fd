"""How the offline teacher puts values into its wordings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

LONGEST_LIST_ITEM = 60
"""Characters. A longer value, or one of several sentences, is prose: it is quoted, not put in a list."""

KINDS = {"disease": "疾病", "drug": "药物", "symptom": "症状", "herb": "中药"}
"""Chinese names of the kinds that the shipped mappings give; any other kind is spoken of as 实体."""

_ASKED = re.compile(r"(?:哪种|哪个|哪味|哪些|什么|哪)(中药|药材|药|疾病|病|症状)(?![因历史理况])")
"""The kind that a reverse question asks for."""
_ASKED_KINDS = {
    "中药": "herb",
    "药材": "herb",
    "药": "drug herb",
    "疾病": "disease",
    "病": "disease",
    "症状": "symptom",
}


def names_kind(wording: str, kind: str) -> bool:
    """Whether a reverse wording asks for entities of the kind: it names that kind, none, or leaves ``{kind}`` open."""
    found = _ASKED.search(wording)
    return found is None or kind in _ASKED_KINDS[found[1]].split()


def pick(options: Sequence[str], *key: str) -> str:
    """The option that the key's hash falls on."""
    digest = hashlib.sha256("\x1f".join(key).encode("utf-8", "surrogatepass")).digest()
    return options[int.from_bytes(digest[:8]) % len(options)]


def fill(wording: str, **parts: str) -> str:
    """The wording with its parts; braces inside a part stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], wording)


def listed(values: Sequence[str]) -> str:
    """The values joined by ``、``, each without a full stop of its own."""
    return "、".join(value.strip().rstrip("。.；;，,、 ") for value in values)


def is_prose(value: str) -> bool:
    """Whether a value is a text of its own and not an item of a list."""
    return len(value) > LONGEST_LIST_ITEM or bool(re.search(r"[。！？\n]", value.strip().rstrip("。")))
