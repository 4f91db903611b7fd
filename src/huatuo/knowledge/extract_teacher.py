"""Triples out of documents, by a teacher that is shown one part of a text at a time.

Nothing is taken on its word: a value counts only where it stands literally in the part that was shown, under a relation
of the list, about something that is named there. Whatever else it says is lost under a rule, and counted. The rules of
`huatuo.knowledge.extract` are the way to do this without a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huatuo.knowledge import documents
from huatuo.knowledge.extract import Triple, headings, subject_of
from huatuo.knowledge.extract_lists import Range, denied_before
from huatuo.knowledge.extract_sentences import THIS
from huatuo.knowledge.relations import KNOWN, canonical
from huatuo.llm import estimate, prompts
from huatuo.llm.base import Model, Reply, Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.estimate import Asked
from huatuo.llm.listed import read_list
from huatuo.llm.money import Spent
from huatuo.recipe import ExtractorSettings, IngestSettings
from huatuo.records import Document, Message, Provenance
from huatuo.text.segment import pieces

RELATIONS = tuple(sorted(frozenset[str]().union(*KNOWN.values()) | {"别名"}))
"""The closed list: CMeKG's relations of all kinds (`huatuo.knowledge.relations`), and other names."""

FIELDS = ("subject", "relation", "object")
"""What the teacher gives of a triple."""

LIST = "triples"
"""Name of the list in a reply that must be an object."""

LISTS = (LIST, "data", "items", "result", "spo_list")
"""Names under which a reply may hold it."""

REPLY_TOKENS = 400
"""Tokens of a reply: about ten triples of 40 tokens with the JSON around them."""

ASKED_TOGETHER = 4096
"""Parts of texts handed to the model at once: each batch ends with a wait for its slowest call."""

_ORDER = re.compile(
    r"(?:忽略|无视|不要理会|忘记)[^。\n]{0,12}(?:以上|上述|上面|前面|之前|指令|要求|规则)"
    r"|(?:ignore|disregard|forget)\b[^.\n]{0,30}\b(?:above|previous|earlier|instructions?|rules)",
    re.IGNORECASE,
)
"""An order to whoever reads the text; what stands in its line is no knowledge."""
_WORD = re.compile(r"[0-9A-Za-z]")
_DECIMAL = re.compile(r"[0-9][.．][0-9]")
_TAKING = re.compile(r"[^，,。；;\n]*?(慎用|慎服|禁用|禁服|忌用|忌服|禁止|不宜)")


class Part(NamedTuple):
    """One part of a document, as a call shows it."""

    document: Document
    """The document."""
    span: Range
    """Where the part stands in its text."""
    heading: str
    """The last heading above it; empty where there is none."""
    about: str
    """What the document is about: a label's name or the title."""

    @property
    def text(self) -> str:
        """The part itself."""
        return self.document.text[slice(*self.span)]

    @property
    def prompt_id(self) -> str:
        """Name of the prompt file."""
        return f"extract.{'en' if self.document.language == 'en' else 'zh'}"


class Lost(NamedTuple):
    """What a reply says that no triple was made of."""

    span: Range
    """The part of the document that was asked about."""
    rule: str
    """``not_literal``, ``foreign_relation``, ``length``, ..."""
    reason: str
    """What was found and what was expected."""
    excerpt: str
    """What the teacher said."""


class Read(NamedTuple):
    """What the teacher read in one document."""

    triples: list[tuple[Triple, Provenance]]
    """The triples in the order of the parts and replies, each value once per subject and relation."""
    lost: list[Lost]
    """Everything else."""


def parts_of(document: Document, max_chars: int) -> list[Part]:
    """The parts of a document of at most ``max_chars`` characters that hold words, in order."""
    text, about = document.text, subject_of(document.text, document.title)[0]
    marks = sorted(headings(text))
    found = []
    for start, end in pieces(text, max_chars, "en" if document.language == "en" else "zh"):
        if text[start:end].strip():
            above = [name for _, last, name, _ in marks if last <= start]
            found.append(Part(document, (start, end), above[-1] if above else "", about))
    return found


def conversation(part: Part, settings: ExtractorSettings) -> tuple[Message, ...]:
    """What the teacher is asked about a part."""
    block = {
        "shape": "extract",
        "title": part.document.title,
        "heading": part.heading,
        "about": part.about,
        "relations": list(RELATIONS),
        "text": part.text,
    }
    language = part.prompt_id.partition(".")[2]
    said = prompts.load(part.prompt_id).render(block)
    said += "" if settings.response_format == "text" else prompts.in_an_object(LIST, language)
    return (Message(role="user", content=said),)


def sampling_of(settings: ExtractorSettings, seed: int) -> Sampling:
    """How the teacher decodes."""
    return Sampling(
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=seed,
        response_format=prompts.response_format(settings.response_format, LIST, FIELDS),
    )


# ---------------------------------------------------------------- asking


class Extractor:
    """Reads triples out of documents by asking a model. ``spent`` says what its answers used."""

    def __init__(self, model: Model, settings: ExtractorSettings, seed: int):
        """Ask ``model`` (a cache before it keeps the answers)."""
        self._model, self._settings, self._sampling = model, settings, sampling_of(settings, seed)
        self.spent = Spent(settings.currency)

    def parts(self, document: Document) -> list[Part]:
        """The parts of a document, one call each."""
        return parts_of(document, self._settings.max_chars)

    def read(self, parts: Sequence[Part]) -> dict[str, Read]:
        """What each document says, by document id. Raises what the model raises when going on is useless."""
        replies: list[Reply | None] = [None] * len(parts)
        talks = [conversation(part, self._settings) for part in parts]
        for index, reply in self._model.chat(talks, self._sampling) if talks else ():
            replies[index] = reply
            self.spent = self.spent.add(reply)
        found: dict[str, Read] = {}
        taken: set[tuple[str, str, str, str]] = set()
        for part, given in zip(parts, replies, strict=True):
            reply = given or Reply(text="", finish_reason="error", error="the model gave no reply")
            key = part.document.id
            read = found.setdefault(key, Read([], []))
            triples, refused = read_reply(part, reply)
            read.lost.extend(refused)
            provenance = self._provenance(part, reply)
            for triple in triples:
                name = (key, triple.subject, triple.relation, triple.object)
                if name in taken:
                    said = f"{triple.subject} {triple.relation} {triple.object} was read before in this document"
                    read.lost.append(Lost(part.span, "duplicate", said, triple.object))
                    continue
                taken.add(name)
                read.triples.append((triple, provenance))
        return found

    def _provenance(self, part: Part, reply: Reply) -> Provenance:
        return Provenance(
            by="model",
            model=self._model.name,
            digest=self._model.digest,
            sampling=self._sampling.canonical(),
            prompt_id=part.prompt_id,
            prompt_hash=prompts.load(part.prompt_id).hash,
            format=self._model.format,
            time=reply.time,
        )


def asked(settings: IngestSettings, cache: Cached, seed: int) -> Iterator[Asked]:
    """Every call that reading these documents takes, in its order, with the answers that are on disk.

    The documents are read for it, as the stage will read them again. Raises InputError as `documents.read` does.
    """
    assert settings.teacher is not None
    sampling = sampling_of(settings.teacher, seed)
    for source in sorted(settings.documents, key=lambda source: source.name):
        if source.extract != "teacher":
            continue
        seen: set[str] = set()
        for _, _, made, _ in documents.read(source):
            if not isinstance(made, Document) or made.id in seen:
                continue
            seen.add(made.id)
            talks = [conversation(part, settings.teacher) for part in parts_of(made, settings.teacher.max_chars)]
            for messages, reply in zip(talks, cache.known(talks, sampling), strict=True):
                yield Asked("extract", messages, reply)


def expected(settings: IngestSettings, cache: Cached, seed: int) -> estimate.Expected:
    """What is left to ask about these documents."""
    assert settings.teacher is not None
    return estimate.expect(asked(settings, cache, seed), _reply_tokens, settings.teacher.max_tokens)


def prepare(settings: IngestSettings, cache: Cached, seed: int, folder: Path) -> None:
    """Say what will be asked before the first paid call, as `huatuo.llm.estimate.prepare` does, and raise what it
    raises."""
    assert settings.teacher is not None
    sampling = sampling_of(settings.teacher, seed)
    estimate.prepare(
        settings.teacher, lambda: asked(settings, cache, seed), _reply_tokens, cache, sampling, "ingest", folder
    )


def _reply_tokens(_: str) -> float:
    return REPLY_TOKENS


# ---------------------------------------------------------------- reading what it says


def read_reply(part: Part, reply: Reply) -> tuple[list[Triple], list[Lost]]:
    """(the triples of a reply in its order, what no triple was made of and why)."""
    if reply.finish_reason != "stop":
        said = reply.error or f"the reply ended with {reply.finish_reason}"
        return [], [Lost(part.span, reply.finish_reason, said, reply.text)]
    listed = read_list(reply.text, LISTS)
    triples, lost = [], []
    if not listed.how or listed.how == "repaired":
        lost.append(Lost(part.span, "unparsed", listed.reason or "no JSON", reply.text))
    for number, item in enumerate(listed.items, 1):
        made = _triple(part, item)
        if isinstance(made, Triple):
            triples.append(made)
        else:
            rule, reason = made
            lost.append(Lost(part.span, rule, f"item {number}: {reason}", str(item)))
    return triples, lost


def _triple(part: Part, item: Any) -> Triple | tuple[str, str]:
    """The triple that an item is; else rule and reason."""
    given = [item.get(name) for name in FIELDS] if isinstance(item, dict) else []
    if not given or not all(isinstance(value, str) for value in given):
        return "unparsed", "expected an object with the texts subject, relation and object"
    name, relation, words = (str(value).strip() for value in given)
    if not name or not words:
        return "empty_value", "subject or object is empty"
    relation = canonical(relation)
    if relation not in RELATIONS:
        return "foreign_relation", f"{relation[:40]!r} is no relation of the list"
    subject = _subject(part, name)
    if isinstance(subject, str):
        return "foreign_subject", subject
    place = _place(part.text, relation, words)
    if isinstance(place, tuple):
        return place
    start = part.span[0] + place
    return Triple(*subject, relation, words, (start, start + len(words)), "teacher")


def _subject(part: Part, name: str) -> tuple[str, Range | None] | str:
    """(name, where it stands) of a triple's subject; else why it is none."""
    if name in THIS or name == part.about:
        return part.about, None
    at = next(_places(part.text, name), None)
    if at is not None:
        start = part.span[0] + at
        return name, (start, start + len(name))
    if name in (part.heading, part.document.title):
        return name, None
    return f"{name[:40]!r} stands neither in the text nor above it"


def _place(text: str, relation: str, words: str) -> int | tuple[str, str]:
    """The first place where a text states the words; else rule and reason."""
    if words not in text:
        return "not_literal", f"{words[:40]!r} does not stand in the text"
    whole = list(_places(text, words))
    if not whole:
        return "cut_word", f"{words[:40]!r} stands only inside a longer word or number"
    free = [at for at in whole if not _ORDER.search(_line(text, at))]
    if not free:
        return "order_in_text", f"{words[:40]!r} stands only in a line that gives its reader orders"
    stated = [at for at in free if not denied_before(text, at)]
    if not stated:
        return "denied", f"the text denies {words[:40]!r}"
    if relation == "禁忌" and "慎" not in words and all(_asks_for_caution(text, at + len(words)) for at in stated):
        return "caution_as_ban", f"the text asks for caution with {words[:40]!r} and forbids nothing"
    return stated[0]


def _places(text: str, words: str) -> Iterator[int]:
    """Where the words stand, neither begun nor ended inside a Latin word or a number."""
    for found in re.finditer(re.escape(words), text):
        if not any(_is_inside(text, edge) for edge in found.span()):
            yield found.start()


def _is_inside(text: str, edge: int) -> bool:
    around = text[max(0, edge - 1) : edge + 1]
    is_word = len(around) == 2 and edge > 0 and all(_WORD.match(character) for character in around)
    return is_word or any(_DECIMAL.fullmatch(text, at, at + 3) for at in (edge - 1, edge - 2) if at >= 0)


def _line(text: str, at: int) -> str:
    end = text.find("\n", at)
    return text[text.rfind("\n", 0, at) + 1 : end if end >= 0 else len(text)]


def _asks_for_caution(text: str, end: int) -> bool:
    found = _TAKING.match(text, end)
    return bool(found and found[1].startswith("慎"))
