from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from huatuo import recipe_file
from huatuo.errors import ModelError, RecipeError
from huatuo.llm.base import Reply
from huatuo.llm.cache import Cached
from huatuo.llm.teachers import judge_of
from huatuo.recipe import ImportSource, JudgeSettings, UnifySettings
from huatuo.records import Dropped, Judgement, Message, Pair, Provenance
from huatuo.store import read, writing
from huatuo.synth.judge import Judge, read_scores
from huatuo.synth.pair import ask, make_pair
from huatuo.synth.unify import unify


def says(question: Any, faithfulness: Any, language: Any) -> str:
    return json.dumps({"question": question, "faithfulness": faithfulness, "language": language})


class Fake:
    """A judge whose replies the test writes; it counts what it is asked."""

    name, digest, format = "fake-judge", "", ""

    def __init__(self, answer: Callable[[str], Reply]):
        self.answer, self.prompts = answer, list[str]()

    def chat(self, conversations: Any, sampling: Any) -> Iterator[tuple[int, Reply]]:
        for index, messages in enumerate(conversations):
            self.prompts.append(messages[-1].content)
            yield index, self.answer(messages[-1].content)

    def stream(self, messages: Any, sampling: Any) -> Iterator[str]:
        yield ""

    def logprobs(self, prefix: Any, continuations: Any) -> list[float]:
        return []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (says(4, 5, 3), (4, 5, 3)),
        (f"```json\n{says(1, 1, 1)}\n```", (1, 1, 1)),
        (f"评审如下：{says(5, 5, 5)}。", (5, 5, 5)),
        (says(4, 6, 3), None),
        (says(0, 5, 3), None),
        (says(True, 5, 3), None),
        (says("4", 5, 3), None),
        (says(4.5, 5, 3), None),
        (says(None, 5, 3), None),
        ('{"question": 4, "faithfulness": 5}', None),
        ('{"question": 4, "question": 1, "faithfulness": 5, "language": 5}', None),
        (says(4, 5, 3) + says(1, 1, 1), None),
        ("很好，5分。", None),
        ("5 5 5", None),
        ("", None),
        ('{"question": 4, "faithfulness": 5, "language": 5', None),
    ],
)
def test_only_three_whole_scores_are_scores(text: str, values: Any) -> None:
    scores = read_scores(text)
    assert scores.values == values
    assert bool(scores.unscored) == (values is None)


@given(st.text())
def test_no_reply_breaks_the_reader(text: str) -> None:
    scores = read_scores(text)
    assert (scores.values is None) == bool(scores.unscored)


@given(st.tuples(*[st.integers(1, 5)] * 3), st.text(alphabet="答 好。\n", max_size=20))
def test_scores_are_read_from_inside_other_words(values: tuple[int, int, int], words: str) -> None:
    assert read_scores(words + says(*values) + words).values == values


def judged(maker: Any, tmp_path: Path, answer: Callable[[str], Reply], count: int = 1200, **settings: Any) -> Any:
    facts = [maker.fact(f"病{i}", "临床症状", f"症状{i}") for i in range(count)]
    pairs = [maker.pair(f"病{i}有什么症状？", f"病{i}的症状是症状{i}。", parents=(f.id,)) for i, f in enumerate(facts)]
    human = make_pair(ask("人写的问题？", "人写的答案。"), "people", "direct", Provenance(by="human"))
    synth, questions = maker.write("synth", {"pairs": [*pairs, human]}), maker.write("questions", {})
    fake = Fake(answer)
    sources = {fact.id: f"{fact.entity} {fact.relation}：{fact.value}" for fact in facts}

    def once(key: str) -> Any:
        cached = Cached(fake, tmp_path / "calls.sqlite")
        judge = Judge(cached, JudgeSettings(model="m", url="http://x/v1", threshold=3), sources)
        with writing(maker.folder / key, stage="unify", key=key) as out:
            unify(UnifySettings(**settings), synth, questions, 0, out, None, judge)
        cached.close()
        return out

    return once, fake


@pytest.mark.slow
def test_pairs_below_the_threshold_are_dropped_with_their_scores(maker: Any, tmp_path: Path) -> None:
    def answer(prompt: str) -> Reply:
        number = int(prompt.split('"question":"病')[1].split("有")[0])
        assert f"病{number} 临床症状：症状{number}" in prompt
        text = says(5, 2, 4) if number % 4 == 0 else "不好说" if number % 4 == 1 else says(3, 4, 5)
        return Reply(text=text, prompt_tokens=100, completion_tokens=10, cost=0.001, currency="USD", time="t")

    once, fake = judged(maker, tmp_path, answer)
    out = once("first")
    pairs = list(read(maker.folder / "first", "pairs", Pair))
    dropped = list(read(maker.folder / "first", "dropped", Dropped))
    judgements = list(read(maker.folder / "first", "judgements", Judgement))
    assert out.dropped == Counter({"judged": 300})
    assert {item.reason for item in dropped} == {"question 5, faithfulness 2, language 4; expected at least 3 each"}
    assert len(pairs) == 901
    unscored = [j for j in judgements if j.unscored]
    assert len(unscored) == 300
    assert {(j.question, j.faithfulness, j.language) for j in unscored} == {(None, None, None)}
    assert sum("judge_unscored" in pair.flags for pair in pairs) == 300
    assert len(fake.prompts) == len(judgements) == 1200  # what a person wrote is not judged
    assert out.figures["judge prompt_tokens"] == 120_000
    assert out.figures["judge cost (USD)"] == pytest.approx(1.2)
    assert once("second").dropped == out.dropped
    assert len(fake.prompts) == 1200  # the second run asks nothing


def test_unscored_pairs_can_be_dropped_and_lost_replies_are_no_scores(maker: Any, tmp_path: Path) -> None:
    once, _ = judged(
        maker,
        tmp_path,
        lambda _: Reply(text=says(5, 5, 5), finish_reason="length"),
        40,
        drop_flagged=("judge_unscored",),
    )
    out = once("first")
    assert out.dropped == Counter({"judge_unscored": 40})
    assert out.figures["judged without scores"] == 40
    assert out.figures["judge cost (USD)"] is None


def test_an_english_pair_is_judged_in_english_with_all_its_turns() -> None:
    fake = Fake(lambda _: Reply(text=says(5, 5, 5)))
    turns = [
        Message(role=r, content=c)
        for r, c in (
            ("user", "What is a cold?"),
            ("assistant", "An infection."),
            ("user", "How long?"),
            ("assistant", "It lasts a week."),
        )
    ]
    pair = make_pair(turns, "s", "consultation", Provenance(by="model"))
    Judge(fake, JudgeSettings(model="m"), {}).score([pair])
    assert "strict medical editor" in fake.prompts[0]
    assert "What is a cold?\\nAn infection.\\nHow long?" in fake.prompts[0]


@pytest.mark.parametrize(("kind", "said"), [("offline", "the offline teacher cannot judge"), ("batch", "by file")])
def test_what_cannot_judge_is_refused_by_name(tmp_path: Path, kind: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        JudgeSettings(kind=kind)  # type: ignore[arg-type]
    (tmp_path / "r.toml").write_text(f'[run]\nname = "r"\n[synth.judge]\nkind = "{kind}"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        recipe_file.load(tmp_path / "r.toml")
    settings = JudgeSettings(model="m").model_copy(update={"kind": kind})
    with pytest.raises(ModelError, match="cannot judge"):
        judge_of(settings, tmp_path / "calls.sqlite")


@pytest.mark.parametrize("which", ["generated", "all"])
def test_imported_reviewed_and_generated_pairs_are_judged_where_the_recipe_says_all(
    maker: Any, tmp_path: Path, which: Any
) -> None:
    lines = [{"instruction": f"第{n}床怎样护理？", "input": "", "output": f"第{n}床按常规护理。"} for n in range(1000)]
    path = tmp_path / "i.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    made = [maker.pair("甲病有哪些症状？", "甲病的症状有乙症。", parents=("f",))]
    made += [make_pair(ask("丙病怎么治？", "丙病请对症治疗。"), "graph", "direct", Provenance(by="human"))]
    fake = Fake(lambda prompt: Reply(text=says(4, 1 if "第7床" in prompt else 5, 4)))
    judge = Judge(fake, JudgeSettings(model="m", pairs=which), {"f": "甲病 症状：乙症"})
    source = ImportSource(name="ward", path=path, format="huatuo")
    with writing(tmp_path / "unify", stage="unify", key="k") as out:
        folders = maker.write("synth", {"pairs": made}), maker.write("questions", {})
        unify(UnifySettings(imports=(source,)), *folders, 0, out, None, judge)
    judgements = list(read(tmp_path / "unify", "judgements", Judgement))
    assert len(judgements) == len(fake.prompts) == (1002 if which == "all" else 1)
    prompts = Counter(j.provenance.prompt_id for j in judgements)
    assert prompts == ({"judge.zh": 1, "judge_alone.zh": 1001} if which == "all" else {"judge.zh": 1})
    assert out.dropped == ({"judged": 1} if which == "all" else {})
    assert not any('"source"' in prompt for prompt in fake.prompts if "第7床" in prompt)
