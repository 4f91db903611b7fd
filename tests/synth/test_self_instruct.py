from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from huatuo.checks.entities import Dictionary
from huatuo.errors import InputError
from huatuo.llm import prompts
from huatuo.llm.base import Reply, Sampling
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.preflight import _CHECKS
from huatuo.recipe import Recipe, SynthSettings
from huatuo.recipe_synth import SelfInstructSettings
from huatuo.records import Dropped, Message, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth import self_instruct
from huatuo.synth.make import make_pairs
from huatuo.synth.parse import QA

TOPICS = (
    "怎样照顾发烧的孩子",
    "长期失眠应当看什么科",
    "高血压病人能不能喝咖啡",
    "骨折以后多久可以走路",
    "体检发现结节怎么办",
)


class Grower:
    """A model that grows two questions from a call, one of them the first example again with a word changed."""

    name, digest, format = "grower", "d", ""

    def stream(self, messages: Any, sampling: Sampling) -> Any:
        raise NotImplementedError

    def logprobs(self, prefix: Any, continuations: Any) -> Any:
        raise NotImplementedError

    def chat(self, conversations: Any, sampling: Sampling) -> Any:
        for index, messages in enumerate(conversations):
            block = read_block(messages[-1].content)
            if block["shape"] != "self_instruct":
                yield index, Reply(text="", finish_reason="error", error="no")
                continue
            number = block["number"]
            copy = block["examples"][0].replace("请问", "想问")
            new = "".join(chr(0x4E00 + (number * 4729 + place * place * 613) % 20000) for place in range(16)) + "？"
            made = [{"question": q, "answer": f"第{number}次回答。"} for q in (new, copy)]
            yield index, Reply(text=json.dumps(made, ensure_ascii=False))


def seeds_in(path: Path, count: int = 200) -> Path:
    marks = "子丑寅卯辰巳午未申酉"
    names = ["".join(marks[int(d)] for d in f"{n:03}") for n in range(count)]
    path.write_text("\n".join(f"请问{name}病{TOPICS[n % 5]}？" for n, name in enumerate(names)), encoding="utf-8")
    return path


def test_seeds_are_read_once_each(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    rows = [json.dumps({"instruction": f"问题{n // 2}怎么办？"}, ensure_ascii=False) for n in range(2000)]
    path.write_text("\n".join([*rows, "纯文本的问题？"]), encoding="utf-8")
    seeds = self_instruct.read_seeds(path)
    assert len(seeds) == 1001
    assert len({seed.id for seed in seeds}) == 1001


@pytest.mark.parametrize("text", ["", '{"answer": "x"}', "{broken"])
def test_a_file_without_questions_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seeds"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="next:"):
        self_instruct.read_seeds(path)


def test_calls_show_different_seeds_drawn_by_hash(tmp_path: Path) -> None:
    seeds = self_instruct.read_seeds(seeds_in(tmp_path / "s"))
    settings = SelfInstructSettings(questions=1000)
    calls = list(self_instruct.calls(settings, seeds, 5, 1))
    assert len(calls) == 200
    assert all(len({seed.id for seed in call.seeds}) == 8 for call in calls)
    assert calls == list(self_instruct.calls(settings, seeds, 5, 1))
    assert calls != list(self_instruct.calls(settings, seeds, 5, 2))
    assert len({seed.id for call in calls for seed in call.seeds}) > 190
    few = list(self_instruct.calls(settings, seeds[:3], 5, 1))
    assert all(len(call.seeds) == 3 for call in few)


def test_near_copies_among_a_thousand_questions() -> None:
    before = self_instruct.NearCopies(0.5)
    marks = "甲乙丙丁戊己庚辛壬癸"
    texts = [f"患了{''.join(marks[int(d)] * 2 for d in f'{n:03}')}综合征的老人平时应该注意什么？" for n in range(1000)]
    for text in texts:
        before.add(text)
    assert before.of(texts[700])[0] == texts[700]
    assert before.of(texts[700].replace("老人", "老年人"))[0] != ""
    assert before.of("新生儿出生后第一次打疫苗安排在什么时候？") == ("", 0)
    before.add("头痛？")
    assert before.of("头痛?") == ("头痛？", 1.0)
    assert before.of("头痛怎么办？")[0] == ""


@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("儿童多大可以打流感疫苗？", "满六个月。", ""),
        ("问" * 200, "答。", "long_question"),
        ("癸病怎么办？", "看医生。", "withheld"),
        ("儿童多大可以打流感疫苗？", "参考文本说满六个月。", "leak"),
        ("请问发烧到多少度应当去医院看急诊？", "高热。", "near_copy"),
    ],
)
def test_objections(question: str, answer: str, rule: str) -> None:
    before = self_instruct.NearCopies(0.5)
    before.add("发烧到多少度应当去医院看急诊？")
    found = self_instruct.objection(QA(question, answer), before, Dictionary(["癸病"]))
    assert (found.rule if found else "") == rule


@pytest.mark.slow
def test_pairs_grow_from_seeds_and_copies_are_counted(maker: Any, tmp_path: Path) -> None:
    path, folder = seeds_in(tmp_path / "seeds.txt", 500), tmp_path / "synth"
    grown = SelfInstructSettings(seeds=path, questions=400)
    settings = SynthSettings(shapes=("direct",), self_instruct=grown, pairs_per_call=2)
    knowledge = maker.knowledge(
        [maker.fact("甲病", "临床症状", "乙症"), maker.fact("子子子病", "检查", "x镜", flags=("withheld",))]
    )
    with writing(folder, stage="synth", key="k") as out:
        make_pairs(settings, knowledge, maker.write("c", {"passages": []}), Grower(), 1, out)
    pairs, manifest = list(read(folder, "pairs", Pair)), read_manifest(folder)
    assert len(pairs) == 200
    assert {(p.shape, p.source, p.provenance.prompt_id) for p in pairs} == {
        ("self_instruct", "self_instruct", "self_instruct.zh")
    }
    assert all(len(p.parents) == 8 for p in pairs)
    assert manifest.dropped["near_copy"] >= 150
    assert manifest.left["withheld"] == 2  # the fact, and the seed that names its entity
    copies = [d for d in read(folder, "dropped", Dropped) if d.rule == "near_copy"]
    assert all(len(d.parents) == 8 and "5-grams" in d.reason for d in copies)


def test_the_offline_teacher_refuses_by_name(tmp_path: Path) -> None:
    phrasings = Path(str(resources.files("huatuo"))) / "prompts" / "phrasings.zh.toml"
    text = prompts.load("self_instruct.zh").render({"shape": "self_instruct", "examples": []}, pairs=5)
    ((_, reply),) = OfflineTeacher(phrasings).chat([[Message(role="user", content=text)]], Sampling())
    assert reply.finish_reason == "refused"
    assert "self_instruct" in reply.error
    recipe = Recipe.model_validate(
        {"run": {"name": "r"}, "synth": {"self_instruct": {"seeds": seeds_in(tmp_path / "s")}}}
    )
    assert any("offline-teacher cannot grow" in said for said in _CHECKS["synth"](recipe))
