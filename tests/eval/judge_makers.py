"""Judges that a test can trust to be biased, and the answers they judge."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from huatuo.eval.judging.ask import Judge
from huatuo.eval.judging.replies import read_verdict
from huatuo.eval.judging.sources import Pair
from huatuo.eval.sus.answers import Answer
from huatuo.llm.base import Reply
from huatuo.llm.template import read_block
from huatuo.recipe import JudgingSettings
from huatuo.records import Message, Provenance
from huatuo.records_rated import Verdict

Say = Callable[[dict[str, Any], str], "str | Reply"]


def code_in(prompt: str) -> str:
    """The code of a prompt."""
    return re.search(r"\b([0-9a-f]{8}): |\"code\": \"([0-9a-f]{8})\"", prompt).group(0).strip(': "')[-8:]


class FakeJudge:
    """A model that says what the test's function says of the block and the code."""

    name, digest, format = "fake", "", ""

    def __init__(self, say: Say):
        self.say, self.prompts = say, list[str]()

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Any) -> Iterator[tuple[int, Reply]]:
        for index in reversed(range(len(conversations))):
            prompt = conversations[index][-1].content
            self.prompts.append(prompt)
            said = self.say(read_block(prompt), code_in(prompt))
            yield index, said if isinstance(said, Reply) else Reply(text=said)


def judge(say: Say, **settings: Any) -> Judge:
    return Judge(FakeJudge(say), JudgingSettings(model="fake", url="http://x/v1", **settings))


def relation(code: str, winner: str) -> str:
    word = {"1": "优于", "2": "劣于", "tie": "等于"}[winner]
    return f"两个回答各有长短。\n{code}: 助手1 {word} 助手2"


def first_wins(block: dict[str, Any], code: str) -> str:
    return relation(code, "1")


def longer_wins(block: dict[str, Any], code: str) -> str:
    a, b = len(block["first"]), len(block["second"])
    return relation(code, "tie" if a == b else "1" if a > b else "2")


def answer(number: int, model: str, text: str) -> Answer:
    return Answer(f"q{number:04}", f"{model}{number}", model, f"第{number}个问题，怎么办？", text)


def pair(number: int = 0, left: str = "多喝水。", right: str = "多喝水，注意休息，三天不退热就去看医生。") -> Pair:
    return Pair(answer(number, "甲", left), answer(number, "乙", right))


def game(question: str, winner: str | None, first: str = "left", **more: Any) -> Verdict:
    values: dict[str, Any] = {
        "id": f"{question} {first} {more.get('left', '甲')} {more.get('right', '乙')} {more.get('annotator', 'llm:x')}",
        "question_id": question, "left": "甲", "right": "乙", "left_response": f"l{question}",
        "right_response": f"r{question}", "first": first, "winner": winner,
        "unparsed": "" if winner else "no verdict line", "by": "model", "annotator": "llm:x", "left_chars": 10,
        "right_chars": 10, "provenance": Provenance(by="model", prompt_id="p", prompt_hash="0123456789"),
    }  # fmt: skip
    return Verdict(**values | more)


def table(folder: Path, rows: Sequence[tuple[str, str, str, str]]) -> Path:
    """A CSV of (id, question, model, answer)."""
    path = folder / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "question", "model", "answer"))
        writer.writerows(rows)
    return path


def jsonl(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


assert read_verdict(relation("0123abcd", "2"), "0123abcd").value == "2"
