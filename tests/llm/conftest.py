from __future__ import annotations

import pytest

from fake_teacher import KEY, FakeTeacher
from huatuo.llm import limits


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(limits, "BACKOFF_BASE_S", 0.002)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    made = FakeTeacher()
    yield made
    made.close()
