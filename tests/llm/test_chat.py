from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from huatuo.llm.base import Sampling
from huatuo.llm.chat import chat_loop, introduce, recent
from huatuo.llm.local import LocalModel
from huatuo.models.save import save
from model_makers import characters, model_of, talk


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    tokenizer = characters(tmp_path / "tokenizer")
    about = {"title": "小模型", "not_for_use": True, "turns": getattr(request, "param", 0)}
    save(model_of("llama", len(tokenizer), 256), tokenizer, "huatuo2", tmp_path / "model", about)
    return tmp_path / "model"


def said(folder: Path, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    chat_loop(folder, 8, 0.0, "", "")
    return capsys.readouterr().out.removeprefix(introduce(folder) + "\n")


def alone(folder: Path, *contents: str) -> str:
    return "".join(LocalModel(folder).stream(talk(*contents), Sampling(max_tokens=8)))


def test_a_demonstration_says_what_it_is_before_anything_else(folder: Path) -> None:
    assert "not a medical model" in introduce(folder)


@pytest.mark.parametrize("folder", [1], indirect=True)
def test_a_model_of_single_questions_answers_each_alone_and_says_so(folder, monkeypatch, capsys):
    assert "each is answered on its own" in introduce(folder)
    out = said(folder, "感冒的症状？\n糖尿病呢？\n", monkeypatch, capsys)
    assert out == f"{alone(folder, '感冒的症状？')}\n{alone(folder, '糖尿病呢？')}\n"


def test_without_a_limit_the_conversation_is_continued_until_it_is_cleared(folder, monkeypatch, capsys):
    out = said(folder, "感冒的症状？\n糖尿病呢？\nclear\n糖尿病呢？\nexit\n不会被问\n", monkeypatch, capsys)
    first = alone(folder, "感冒的症状？")
    second = alone(folder, "感冒的症状？", first, "糖尿病呢？")
    assert out == f"{first}\n{second}\n{alone(folder, '糖尿病呢？')}\n"


@pytest.mark.parametrize(
    ("turns", "kept"),
    [(0, "问一答一问二答二问三"), (1, "问三"), (2, "问二答二问三"), (3, "问一答一问二答二问三"), (9, "问一答一问二答二问三")],
)  # fmt: skip
def test_a_chat_keeps_as_many_turns_as_were_trained_and_the_system_message(turns, kept):
    messages = talk("问一", "答一", "问二", "答二", "问三", system="系统")
    assert "".join(m.content for m in recent(messages, turns)) == "系统" + kept
