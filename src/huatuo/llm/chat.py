"""Talking with a local model in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from huatuo.llm.base import Sampling
from huatuo.models.save import card
from huatuo.records import Message

CLEAR, EXIT = ("clear", "清空"), ("exit", "quit", "stop", "退出")


def introduce(folder: Path) -> str:
    """What the model in a folder is, for the first lines of a chat: name, format, and whether it must not be used."""
    about = card(folder)
    lines = [f"{about.get('title') or folder.name}: chat format {about.get('format') or 'given with --format'}."]
    if about.get("not_for_use"):
        lines.append(
            "This is a DEMONSTRATION of the path, not a medical model: its answers are often wrong. "
            "Do not use them for any decision. 本模型仅演示流程，不是医学模型，回答常有错误，不得用于任何医疗决定。"
        )
    else:
        lines.append("Not a medical device: its answers may be wrong and do not replace a physician. 不能代替医生。")
    if about.get("turns") == 1:
        lines.append(
            "Trained on single questions: each is answered on its own. 本模型只学过单轮问答，每个问题单独回答。"
        )
    lines.append("'clear' forgets the conversation, 'exit' ends. 输入 clear 清空对话，exit 退出。")
    return "\n".join(lines)


def recent(messages: Sequence[Message], turns: int) -> list[Message]:
    """The system message and the last ``turns`` user turns with what came between: a model that never saw a longer
    conversation answers a longer one with noise. All of them where ``turns`` is 0."""
    first = [message for message in messages[:1] if message.role == "system"]
    asked = [place for place, message in enumerate(messages) if message.role == "user"]
    start = asked[-turns] if 0 < turns < len(asked) else len(first)
    return [*first, *messages[start:]]


def chat_loop(folder: Path, max_tokens: int, temperature: float, system: str, format_name: str) -> None:
    """Read questions from standard input until it ends, and stream the answers to standard output."""
    from huatuo.llm.local import LocalModel

    model = LocalModel(folder, format=format_name)
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    first = [Message(role="system", content=system)] if system else []
    history = list(first)
    turns = int(card(folder).get("turns") or 0)
    out = sys.stdout
    out.write(introduce(folder) + "\n")
    while True:
        if sys.stdin is None:  # closed by whoever started this
            return
        if sys.stdin.isatty():
            out.write("\n> ")
        out.flush()
        line = sys.stdin.readline()
        if "\ufffd" in line:
            out.write("This line is not UTF-8 and was not asked. 这一行不是 UTF-8，没有提问。\n")
            continue
        question = line.strip()
        if not line or question in EXIT:
            return
        if question in CLEAR:
            history = list(first)
            continue
        if not question:
            continue
        history.append(Message(role="user", content=question))
        history = recent(history, turns)
        answer = ""
        for piece in model.stream(history, sampling):
            answer += piece
            out.write(piece)
            out.flush()
        out.write("\n")
        history.append(Message(role="assistant", content=answer))
