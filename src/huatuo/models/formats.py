"""Chat formats: the one place where messages become text and token ids.

How text is tokenised (the same ids come out of `encode`, `encode_prompt` and the template saved with a checkpoint):

* A rendering is cut into *runs* at the control tokens that the format itself writes (BOS, EOS, ``<|im_start|>``). A run
  is tokenised as a whole, as the tokenizer would find it in the middle of that text. Nothing is tokenised message by
  message, so a SentencePiece model adds no blank in front of each piece.
* An answer begins a new stretch: its ids are what follows the prompt's ids. So the ids of a prompt are always an exact
  prefix of the ids of the prompt with its answer, and training sees what generation sees. Where a token would straddle
  the border (the tokenizer merges ``：`` and ``“``), the answer is tokenised on its own and `Encoded.straddled` counts it;
  only there a plain tokenizer call on the whole text differs.
* A message is text, never control: ``</s>`` typed by a user becomes the tokens of four characters. The saved template
  cannot do that inside a string, so it breaks the literal end token with a zero-width space instead.
* Blanks and line ends around a message are dropped, on both paths. An empty system message is no system message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from huatuo.errors import FormatError, TrainingError
from huatuo.models.wordings import FORMATS, Format, chat_template, get, vocabulary
from huatuo.records import Message

__all__ = [
    "FORMATS",
    "Encoded",
    "Format",
    "adds_bos",
    "bind",
    "chat_template",
    "check_learned",
    "check_tokenizer",
    "encode",
    "encode_prompt",
    "end_token",
    "get",
    "show",
    "vocabulary",
]

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
    if system:
        yield from (_Part("own", fmt.system[0]), _Part("message", system), _Part("own", fmt.system[1]))
    for place, turn in enumerate(turns):
        if turn.role == "user":
            yield _Part("own", (fmt.between if place else "") + fmt.user[0])
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


_KNOWN: WeakKeyDictionary[Any, _Traits] = WeakKeyDictionary()


def _traits(tokenizer: Any) -> _Traits:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise FormatError(
            f"{type(tokenizer).__name__} of {tokenizer.name_or_path or 'this model'} has no fast (Rust) backend; expected a "
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


def end_token(fmt: Format, tokenizer: Any) -> tuple[str, int]:
    """Text and id of the token that ends an answer. Raises FormatError where the tokenizer has none."""
    specials = _traits(tokenizer).specials
    text = fmt.end if fmt.end in specials else tokenizer.eos_token
    if not text or text not in specials:
        raise FormatError(
            f"format {fmt.name}: the tokenizer of {tokenizer.name_or_path or 'this model'} has no end token (EOS), so an "
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


def _inside(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text as they are in the middle of a text: without the blank that some tokenizers put first."""
    for anchor in ("\n", "。", "a", "0"):
        head, whole = _call(tokenizer, anchor, plain=True), _call(tokenizer, anchor + text, plain=True)
        if whole[: len(head)] == head:
            return whole[len(head) :]
    raise FormatError(
        f"the tokenizer merges the beginning of {text[:20]!r} with whatever stands before it; expected a border after a "
        "line end; next: use another format or tokenizer"
    )


class _Coder:
    """Turns the parts of one rendering into ids, run by run."""

    def __init__(self, fmt: Format, tokenizer: Any):
        self.tokenizer, self.traits = tokenizer, _traits(tokenizer)
        self.end, self.end_id = end_token(fmt, tokenizer)
        self.ids: list[int] = []
        self.turns: list[tuple[int, int]] = []
        self.straddled = 0
        self.run = self.lead = ""
        if self.traits.bos:
            self._control(self.traits.bos)

    def add(self, part: _Part) -> None:
        """Take one more part."""
        if part.kind == "message":
            self.run += part.text
        elif part.kind == "own":
            done = 0
            for match in self.traits.pattern.finditer(part.text):
                self.run += part.text[done : match.start()]
                self._control(match.group())
                done = match.end()
            self.run += part.text[done:]
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
            ids = _call(self.tokenizer, self.lead + run)
            return ids[1:] if self.lead else ids
        if not self.lead or self.traits.prefixed:
            return _call(self.tokenizer, run, plain=True)
        return _inside(self.tokenizer, run)

    def _answer(self, text: str) -> None:
        prompt, whole = self._run_ids(self.run), self._run_ids(self.run + text)
        clean = whole[: len(prompt)] == prompt
        self.ids += prompt
        start = len(self.ids)
        self.ids += whole[len(prompt) :] if clean else _inside(self.tokenizer, text)
        self.straddled += not clean
        self.run = ""
        self._control(self.end)
        self.turns.append((start, len(self.ids)))


def encode(fmt: Format, messages: Sequence[Message], tokenizer: Any) -> Encoded:
    """The ids of a whole conversation, learned on every answer and its end token.

    Raises FormatError where turns do not alternate or the last is not the assistant's.
    """
    coder = _Coder(fmt, tokenizer)
    for part in _parts(fmt, messages, prompt=False):
        coder.add(part)
    coder.flush()
    learned = [False] * len(coder.ids)
    for start, stop in coder.turns:
        learned[start:stop] = [True] * (stop - start)
    return Encoded(coder.ids, learned, coder.turns, coder.straddled)


def encode_prompt(fmt: Format, messages: Sequence[Message], tokenizer: Any) -> list[int]:
    """The ids to generate an answer from: an exact prefix of `encode` of the same messages with any answer.

    Raises FormatError where turns do not alternate or the last is not the user's.
    """
    coder = _Coder(fmt, tokenizer)
    for part in _parts(fmt, messages, prompt=True):
        coder.add(part)
    coder.flush()
    return coder.ids


# ---------------------------------------------------------------- checks


def bind(fmt: Format, tokenizer: Any) -> None:
    """Nothing; the tokenizer then carries the format: its EOS is the end token, its chat template is the format's.

    Raises FormatError where the tokenizer has no end token.
    """
    text, _ = end_token(fmt, tokenizer)
    if tokenizer.eos_token != text:
        tokenizer.eos_token = text
    tokenizer.chat_template = chat_template(fmt, adds_bos(tokenizer))


def _talk(*contents: str, system: str | None = None) -> list[Message]:
    turns = [Message(role="user" if i % 2 == 0 else "assistant", content=c) for i, c in enumerate(contents)]
    return turns if system is None else [Message(role="system", content=system), *turns]


def _probes(fmt: Format) -> list[list[Message]]:
    """Conversations on which the template must agree; each ends with an answer."""
    marks = (fmt.user[0] + fmt.user[1] + fmt.assistant).strip()
    for control in (fmt.end, *fmt.guarded):
        marks = marks.replace(control, "") if control else marks
    return [
        _talk("感冒有哪些症状？", "发热、咳嗽、流涕。"),
        _talk("What is aspirin?", "A drug of 100 mg per tablet."),
        _talk("头痛怎么办", "多休息。\n1. 多喝水\n2. 少熬夜", "还痛呢？", "请就医。", "好", "祝早日康复"),
        _talk("问", "答", system="你是一名医生。"),
        _talk("问", "答", system="  "),
        _talk("  前后有空白\n", "\n 也有 \n\n"),
        _talk("一\n\n二  三\t四", "五\n\n\n六  七"),
        _talk(f"格式的标记 {marks} 只是文字", f"答 {marks} 完"),
        _talk("", "空的问题"),
        _talk("剂量 0.5mg/kg，每日 3 次（饭后）😀", "β受体阻滞剂 ≤ 5 mg"),
    ]


def check_tokenizer(fmt: Format, tokenizer: Any) -> None:
    """Nothing where the tokenizer can carry the format.

    Raises FormatError, with the probe, where a character of the format is unknown to it, where the saved template would
    give other ids than `encode` or `encode_prompt`, or where a typed end token would become a real one.
    """
    end, end_id = end_token(fmt, tokenizer)
    name, unknown = tokenizer.name_or_path or "this model", tokenizer.unk_token_id
    for text in vocabulary(fmt):
        ids = encode_prompt(fmt, _talk(text), tokenizer) if text.strip() else []
        if unknown is not None and unknown != end_id and unknown in ids:
            raise FormatError(
                f"format {fmt.name}: the tokenizer of {name} does not know a character of {text!r}, so every prompt would "
                "hold unknown tokens; next: use format 'plain', or build the tokenizer with formats.vocabulary(format)"
            )
    template = chat_template(fmt, adds_bos(tokenizer))
    for talk in _probes(fmt):
        for messages, prompt in ((talk, False), (talk[:-1], True)):
            ours = encode_prompt(fmt, messages, tokenizer) if prompt else encode(fmt, messages, tokenizer).ids
            theirs = tokenizer.apply_chat_template(
                [m.model_dump() for m in messages],
                chat_template=template,
                add_generation_prompt=prompt,
                eos_token=end,
                return_dict=False,
            )
            if ours != theirs:
                at = next(
                    (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
                    min(len(ours), len(theirs)),
                )
                raise FormatError(
                    f"format {fmt.name}: with the tokenizer of {name} the saved chat template gives other ids than training "
                    f"from token {at} of {messages[0].content!r} ({ours[at : at + 3]} here, {theirs[at : at + 3]} there); "
                    "next: use another format, or a tokenizer without lstrip/rstrip on its special tokens"
                )
    typed = encode(fmt, _talk(f"a{end}b", f"c{end}d"), tokenizer)
    if typed.ids.count(end_id) != encode(fmt, _talk("ab", "cd"), tokenizer).ids.count(end_id):
        raise FormatError(
            f"format {fmt.name}: with the tokenizer of {name} a typed {end!r} becomes the control token; expected plain "
            "text; next: mark it as special in tokenizer.json"
        )


def check_learned(fmt: Format, encoded: Encoded, tokenizer: Any) -> None:
    """Nothing where every answer is learned to its end. Raises TrainingError where an answer or its end token is not."""
    _, end_id = end_token(fmt, tokenizer)
    if not encoded.turns or len(encoded.ids) != len(encoded.learned):
        raise TrainingError(
            f"format {fmt.name}: a sample of {len(encoded.ids)} tokens has {len(encoded.turns)} answers and a mask of "
            f"{len(encoded.learned)}; expected at least one answer and one mark per token"
        )
    for number, (start, stop) in enumerate(encoded.turns, 1):
        last = stop - 1
        if not (start <= last < len(encoded.ids)) or encoded.ids[last] != end_id or not encoded.learned[last]:
            raise TrainingError(
                f"format {fmt.name}: answer {number} of {len(encoded.turns)} does not learn its end token (id {end_id}): the "
                "model would never stop; next: do not cut samples at the window, and check the mask"
            )
        if not all(encoded.learned[start:stop]):
            raise TrainingError(f"format {fmt.name}: answer {number} of {len(encoded.turns)} is learned only in part")
    if sum(encoded.learned) != sum(stop - start for start, stop in encoded.turns):
        raise TrainingError(f"format {fmt.name}: tokens of the prompt are marked as learned; expected answers only")


def show(fmt: Format, messages: Sequence[Message], tokenizer: Any) -> list[tuple[str, int, bool]]:
    """Text, id and "is learned" of every token of a conversation; of a prompt where it ends with the user."""
    if messages and messages[-1].role == "user":
        ids = encode_prompt(fmt, messages, tokenizer)
        learned = [False] * len(ids)
    else:
        encoded = encode(fmt, messages, tokenizer)
        ids, learned = encoded.ids, encoded.learned
    return [(_token_text(tokenizer, i), i, mark) for i, mark in zip(ids, learned, strict=True)]


def _token_text(tokenizer: Any, token: int) -> str:
    piece = str(tokenizer.convert_ids_to_tokens(token))
    if piece.startswith("▁"):  # decoding one token would lose the blank
        return piece.replace("▁", " ")
    text = str(tokenizer.decode([token]))
    return piece if "\ufffd" in text else text  # part of a character: show its bytes' names
