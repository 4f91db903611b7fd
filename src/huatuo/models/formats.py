"""Chat formats: the one place where messages become text and token ids.

How text is tokenised (the same ids come out of `encode`, `encode_prompt` and the template saved with a checkpoint):

* A rendering is cut into *runs* at the control tokens that the format itself writes (BOS, EOS, ``<|im_start|>``). A run
  is tokenised as a whole, as the tokenizer would find it in the middle of that text. Nothing is tokenised message by
  message, so a SentencePiece model adds no blank in front of each piece.
* An answer begins a new stretch: its ids are what follows the prompt's ids. So the ids of a prompt are always an exact
  prefix of the ids of the prompt with its answer, and training sees what generation sees. Where a token would straddle
  the border (the tokenizer merges ``：`` and ``“``), the answer is tokenised on its own and
  `Encoded.straddled` counts it; only there a plain tokenizer call on the whole text differs.
* A message is text, never control: ``</s>`` typed by a user becomes the tokens of four characters. The saved template
  cannot do that inside a string, so it breaks the literal end token with a zero-width space instead.
* Blanks and line ends around a message are dropped, on both paths. An empty system message is no system message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from huatuo.errors import FormatError, TrainingError
from huatuo.models.coding import (
    Encoded,
    adds_bos,
    encode,
    encode_answers,
    encode_many,
    encode_prompt,
    end_token,
    opening_tokens,
)
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
    "encode_answers",
    "encode_many",
    "encode_prompt",
    "end_token",
    "get",
    "opening_tokens",
    "show",
    "vocabulary",
]

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
    marks = (fmt.begin + fmt.user[0] + fmt.user[1] + fmt.assistant).strip()
    for control in (fmt.end, *fmt.guarded):
        marks = marks.replace(control, "") if control else marks
    return [
        _talk("怎么保持健康？", "作息规律、饮食清淡、适量运动。"),
        _talk("What is aspirin?", "A drug of 100 mg per tablet."),
        _talk("累了怎么办", "多休息。\n1. 多喝水\n2. 少熬夜", "还累呢？", "请就医。", "好", "祝早日康复"),
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
                f"format {fmt.name}: the tokenizer of {name} does not know a character of {text!r}, so every "
                "prompt would "
                "hold unknown tokens; next: keep the format that the base was trained with, or use "
                "format 'plain'"
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
                    f"format {fmt.name}: with the tokenizer of {name} the saved chat template gives other ids "
                    "than training "
                    f"from token {at} of {messages[0].content!r} ({ours[at : at + 3]} here, {theirs[at : at + 3]} "
                    "there); "
                    "next: use another format, or a tokenizer without lstrip/rstrip on its special tokens"
                )
    typed = encode(fmt, _talk(f"a{end}b", f"c{end}d"), tokenizer)
    if typed.ids.count(end_id) != encode(fmt, _talk("ab", "cd"), tokenizer).ids.count(end_id):
        raise FormatError(
            f"format {fmt.name}: with the tokenizer of {name} a typed {end!r} becomes the control token; expected "
            "plain "
            "text; next: mark it as special in tokenizer.json"
        )


def check_learned(fmt: Format, encoded: Encoded, tokenizer: Any) -> None:
    """Nothing where every answer is learned to its end. Raises TrainingError where one is not."""
    _, end_id = end_token(fmt, tokenizer)
    if not encoded.turns or len(encoded.ids) != len(encoded.learned):
        raise TrainingError(
            f"format {fmt.name}: a sample of {len(encoded.ids)} tokens has {len(encoded.turns)} answers and a "
            "mask of "
            f"{len(encoded.learned)}; expected at least one answer and one mark per token"
        )
    for number, (start, stop) in enumerate(encoded.turns, 1):
        last = stop - 1
        if not (start <= last < len(encoded.ids)) or encoded.ids[last] != end_id or not encoded.learned[last]:
            raise TrainingError(
                f"format {fmt.name}: answer {number} of {len(encoded.turns)} does not learn its end token (id "
                f"{end_id}): the "
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
