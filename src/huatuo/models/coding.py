"""From messages to token ids, run by run; the rules stand in `huatuo.models.formats`."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from huatuo.errors import FormatError
from huatuo.models.wordings import ROUND, Format
from huatuo.records import Message

# ---------------------------------------------------------------- rendering


@dataclass(frozen=True)
class _Part:
    """A stretch of a rendering: the format's own text, a message, or an answer (with its end token after it)."""

    kind: str
    text: str


def _parts(fmt: Format, messages: Sequence[Message], prompt: bool) -> Iterator[_Part]:
    turns = list(messages)
    system = fmt.default_system
    if turns and turns[0].role == "system":
        system, turns = turns[0].content.strip(), turns[1:]
    _check_turns(fmt, turns, prompt)
    if fmt.begin:
        yield _Part("own", fmt.begin)
    if system:
        yield from (_Part("own", fmt.system[0]), _Part("message", system), _Part("own", fmt.system[1]))
    for place, turn in enumerate(turns):
        if turn.role == "user":
            opening = "" if fmt.folds_system and system and not place else fmt.user[0]
            numbered = opening.replace(ROUND, str(place // 2 + 1))
            yield _Part("own", (fmt.between if place else "") + numbered)
            yield from (_Part("message", turn.content.strip()), _Part("own", fmt.user[1]))
        else:
            yield from (_Part("own", fmt.assistant), _Part("answer", turn.content.strip()))
    if prompt:
        yield _Part("own", fmt.assistant)


def _check_turns(fmt: Format, turns: Sequence[Message], prompt: bool) -> None:
    last = "user" if prompt else "assistant"
    if not turns or turns[-1].role != last:
        found = repr(turns[-1].role) if turns else "nothing"
        purpose = "a prompt" if prompt else "a training sample"
        raise FormatError(f"format {fmt.name}: {purpose} must end with a turn of {last!r}, found {found}")
    for place, turn in enumerate(turns):
        expected = ("user", "assistant")[place % 2]
        if turn.role != expected:
            raise FormatError(
                f"format {fmt.name}: turn {place + 1} is of {turn.role!r}, expected {expected!r}: user and assistant "
                "alternate, a system message stands first; next: join neighbouring turns of one speaker"
            )


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True)
class Encoded:
    """The ids of one training sample, and which of them are learned."""

    ids: list[int]
    """Token ids, from the first (BOS where the tokenizer adds one) to the last end token."""
    learned: list[bool]
    """Per id: True exactly on answers and on the end token of each answer."""
    turns: list[tuple[int, int]]
    """Per assistant turn: first position of the answer, and one past its end token."""
    straddled: int = 0
    """Answers whose beginning the tokenizer would have merged with the text before it."""


@dataclass(frozen=True)
class _Traits:
    """What `encode` needs to know of a tokenizer, found once."""

    key: tuple[str | None, int]
    specials: dict[str, int]
    pattern: re.Pattern[str]
    bos: str
    prefixed: bool
    opened: dict[tuple[Any, ...], _Coder] = field(default_factory=dict)
    """The last beginning of a prompt by its format and parts."""
    known: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """The format's own texts, cut."""

    def cut(self, own: str) -> list[tuple[str, str]]:
        """The pieces of a text that the format writes, each with the control token after it; the last has none."""
        if own not in self.known:
            ends = [*self.pattern.finditer(own)]
            starts = [0, *(match.end() for match in ends)]
            texts = [own[a:b] for a, b in zip(starts, [*(match.start() for match in ends), len(own)], strict=True)]
            self.known[own] = [*zip(texts, [*(match.group() for match in ends), ""], strict=True)]
        return self.known[own]


_KNOWN: WeakKeyDictionary[Any, _Traits] = WeakKeyDictionary()


def _traits(tokenizer: Any) -> _Traits:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise FormatError(
            f"{type(tokenizer).__name__} of {tokenizer.name_or_path or 'this model'} has no fast (Rust) backend; "
            "expected a "
            "tokenizer.json; next: save the tokenizer once with a fast class of transformers"
        )
    key = (tokenizer.eos_token, backend.get_vocab_size(True))
    known = _KNOWN.get(tokenizer)
    if known is not None and known.key == key:
        return known
    specials = {token.content: i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    longest_first = sorted(specials, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
    with_specials = backend.encode("a").ids
    bos_id = tokenizer.bos_token_id
    bos = tokenizer.bos_token if bos_id is not None and with_specials[:1] == [bos_id] else ""
    lead = next(iter(specials), "")
    alone = _call(tokenizer, "a")
    prefixed = not lead or _call(tokenizer, lead + "a")[1:] == alone
    traits = _Traits(key, specials, pattern, bos, prefixed)
    _KNOWN[tokenizer] = traits
    return traits


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer begins a text with BOS, so that a prompt must too."""
    return bool(_traits(tokenizer).bos)


def opening_tokens(fmt: Format, tokenizer: Any) -> int:
    """Control tokens that every conversation begins with: BOS, or those of the format."""
    coder = _Coder(fmt, tokenizer)
    coder.add(_Part("own", fmt.begin))
    return len(coder.ids)


def end_token(fmt: Format, tokenizer: Any) -> tuple[str, int]:
    """Text and id of the token that ends an answer. Raises FormatError where the tokenizer has none."""
    specials = _traits(tokenizer).specials
    text = fmt.end if fmt.end in specials else tokenizer.eos_token
    if not text or text not in specials:
        raise FormatError(
            f"format {fmt.name}: the tokenizer of {tokenizer.name_or_path or 'this model'} has no end token "
            "(EOS), so an "
            "answer could not end; next: set eos_token in its tokenizer_config.json"
        )
    return text, specials[text]


def _call(tokenizer: Any, text: str, plain: bool = False) -> list[int]:
    """Ids of a text as ``tokenizer(text, add_special_tokens=False)`` gives them; ``plain``: control texts are text."""
    backend = tokenizer.backend_tokenizer
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.padding is not None:
        backend.no_padding()
    if backend.encode_special_tokens is not plain:
        backend.encode_special_tokens = plain
    ids: list[int] = backend.encode(text, add_special_tokens=False).ids
    return ids


Ask = Callable[[str, bool], list[int]]
"""What `_call` is for one tokenizer: text, and whether control texts are text."""


def _inside(ask: Ask, text: str) -> list[int]:
    """Ids of a text as they are in the middle of a text: without the blank that some tokenizers put first."""
    for anchor in ("\n", "。", "a", "0"):
        head, whole = ask(anchor, True), ask(anchor + text, True)
        if whole[: len(head)] == head:
            return whole[len(head) :]
    raise FormatError(
        f"the tokenizer merges the beginning of {text[:20]!r} with whatever stands before it; expected a border "
        "after a "
        "line end; next: use another format or tokenizer"
    )


class _Coder:
    """Turns the parts of one rendering into ids, run by run."""

    def __init__(self, fmt: Format, tokenizer: Any, ask: Ask | None = None):
        self.ask, self.traits = ask or partial(_call, tokenizer), _traits(tokenizer)
        self.end, self.end_id = end_token(fmt, tokenizer)
        self.ids: list[int] = []
        self.turns: list[tuple[int, int]] = []
        self.straddled = 0
        self.run = self.lead = ""
        if self.traits.bos:
            self._control(self.traits.bos)

    def again(self) -> _Coder:
        """A coder that stands where this one does and goes its own way."""
        found = copy.copy(self)
        found.ids, found.turns = list(self.ids), list(self.turns)
        return found

    def add(self, part: _Part) -> None:
        """Take one more part."""
        if part.kind == "message":
            self.run += part.text
        elif part.kind == "own":
            for text, control in self.traits.cut(part.text):
                self.run += text
                if control:
                    self._control(control)
        else:
            self._answer(part.text)

    def _control(self, text: str) -> None:
        self.flush()
        self.ids.append(self.traits.specials[text])
        self.lead = text

    def flush(self) -> None:
        """Tokenise what has gathered since the last control token."""
        self.ids += self._run_ids(self.run)
        self.run = ""

    def _run_ids(self, run: str) -> list[int]:
        if not run:
            return []
        if not self.traits.pattern.search(run):
            ids = self.ask(self.lead + run, False)
            return ids[1:] if self.lead else ids
        if not self.lead or self.traits.prefixed:
            return self.ask(run, True)
        return _inside(self.ask, run)

    def run_ids(self) -> list[int]:
        """Ids of what has gathered since the last control token."""
        return self._run_ids(self.run)

    def cut(self, prompt: list[int]) -> tuple[int, list[int]]:
        """Where the last line of what has gathered begins, and its ids, where it can be tokenised without the rest.

        That is so where its ids alone are the end of the ids of the whole, ``prompt``; else 0 and ``prompt``.
        """
        at = self.run.rstrip("\n").rfind("\n") + 1
        if not at or self.traits.pattern.search(self.run):
            return 0, prompt
        end = self._run_ids(self.run[at:])
        return (at, end) if 0 < len(end) < len(prompt) and prompt[-len(end) :] == end else (0, prompt)

    def answer_ids(self, prompt: list[int], text: str, start: int = 0) -> tuple[list[int], bool]:
        """Ids of an answer after ``prompt``, the ids of what has gathered from ``start`` on; and whether the border is
        clean."""
        whole = self._run_ids(self.run[start:] + text)
        clean = whole[: len(prompt)] == prompt
        return (whole[len(prompt) :] if clean else _inside(self.ask, text)), clean

    def _answer(self, text: str) -> None:
        prompt = self.run_ids()
        ids, clean = self.answer_ids(prompt, text)
        self.ids += prompt
        start = len(self.ids)
        self.ids += ids
        self.straddled += not clean
        self.run = ""
        self._control(self.end)
        self.turns.append((start, len(self.ids)))


def encode(fmt: Format, messages: Sequence[Message], tokenizer: Any) -> Encoded:
    """The ids of a whole conversation, learned on every answer and its end token.

    Raises FormatError where turns do not alternate or the last is not the assistant's.
    """
    return _encoded(_Coder(fmt, tokenizer), fmt, messages)


def _encoded(coder: _Coder, fmt: Format, messages: Sequence[Message]) -> Encoded:
    for part in _parts(fmt, messages, prompt=False):
        coder.add(part)
    coder.flush()
    learned = [False] * len(coder.ids)
    for start, stop in coder.turns:
        learned[start:stop] = [True] * (stop - start)
    return Encoded(coder.ids, learned, coder.turns, coder.straddled)


def encode_many(fmt: Format, talks: Sequence[Sequence[Message]], tokenizer: Any) -> list[Encoded | FormatError]:
    """What `encode` gives for each conversation, or the error that it raises.

    The texts of all are tokenised together, which a fast tokenizer does on all processors: first every conversation
    is gone through to see which texts it needs, then again with their ids at hand.
    """
    known: dict[tuple[str, bool], list[int]] = {}

    def note(text: str, plain: bool) -> list[int]:
        return known.setdefault((text, plain), [])

    def look(text: str, plain: bool) -> list[int]:
        found = known.get((text, plain))
        return _call(tokenizer, text, plain) if found is None else found

    noting, looking = _Coder(fmt, tokenizer, note), _Coder(fmt, tokenizer, look)
    outcomes = [_tried(noting.again(), fmt, talk) for talk in talks]
    for plain in (False, True):
        texts = [text for text, flag in known if flag is plain]
        _call(tokenizer, "", plain)  # sets the tokenizer up for this kind
        made = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False) if texts else []
        known.update({(text, plain): one.ids for text, one in zip(texts, made, strict=True)})
    return [
        found if isinstance(found, FormatError) else _tried(looking.again(), fmt, talk)
        for found, talk in zip(outcomes, talks, strict=True)
    ]


def _tried(coder: _Coder, fmt: Format, messages: Sequence[Message]) -> Encoded | FormatError:
    try:
        return _encoded(coder, fmt, messages)
    except FormatError as error:
        return error


def encode_prompt(fmt: Format, messages: Sequence[Message], tokenizer: Any) -> list[int]:
    """The ids to generate an answer from: an exact prefix of `encode` of the same messages with any answer.

    Raises FormatError where turns do not alternate or the last is not the user's.
    """
    coder = _Coder(fmt, tokenizer)
    for part in _parts(fmt, messages, prompt=True):
        coder.add(part)
    coder.flush()
    return coder.ids


def encode_answers(
    fmt: Format, messages: Sequence[Message], answers: Sequence[str], tokenizer: Any
) -> tuple[list[int], list[list[int]], list[bool]]:
    """The ids of `encode_prompt`, the ids of each answer after them as `encode` has them (without the end token), and
    whether each answer straddles the border.

    The prompt is tokenised with each answer, and where its ids do not begin with the prompt's, the answer is tokenised
    on its own: what was learned is what is scored. Raises FormatError as `encode_prompt` does.
    """
    coder = _opened(fmt, list(_parts(fmt, messages, prompt=True)), tokenizer)
    prompt, found, straddled = coder.run_ids(), [], []
    head, end = coder.cut(prompt)
    for answer in answers:
        ids, clean = coder.answer_ids(end, answer.strip(), head)
        found.append(ids)
        straddled.append(not clean)
    return coder.ids + prompt, found, straddled


def _opened(fmt: Format, parts: Sequence[_Part], tokenizer: Any) -> _Coder:
    """A coder that has taken the parts; what stands before the last question is kept for the next call, since the
    worked examples of an exam are the same for each of its questions."""
    traits = _traits(tokenizer)
    opening = (fmt.name, *parts[:-4])
    if opening not in traits.opened:
        traits.opened.clear()
        coder = traits.opened[opening] = _Coder(fmt, tokenizer)
        for part in parts[:-4]:
            coder.add(part)
    found = traits.opened[opening].again()
    for part in parts[-4:]:
        found.add(part)
    return found
