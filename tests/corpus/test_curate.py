"""Documents become passages; every document and passage is kept or dropped with a reason."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from huatuo import store
from huatuo.corpus.curate import curate
from huatuo.corpus.segments import cut
from huatuo.recipe import CurateSettings
from huatuo.records import Document, Dropped, Entity, Option, Origin, Question
from huatuo.store import content_id

Run = Callable[..., Path]
STEM = "患者男性，六十五岁，突发胸骨后压榨样疼痛三小时，心电图示下壁导联抬高，最可能的诊断是"


def document(text: str, title: str = "标题", source: str = "d") -> Document:
    origin = Origin(source=source, file="a.md", place="line 1")
    identity = content_id("document", source, title, text)
    return Document(id=identity, title=title, text=text, genre="book", language="zh", origin=origin)


def question(stem: str = STEM, kind: str = "single") -> Question:
    options = tuple(Option(label=label, text=f"选项{label}") for label in "ABCD") if kind == "single" else ()
    return Question.model_validate({"id": "q1", "exam": "e", "kind": kind, "stem": stem, "options": options})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def go(documents: Sequence[Document], asked: Sequence[Question] = (), name: str = "out", **options: object) -> Path:
        with store.writing(tmp_path / "k", stage="ingest", key="k") as out:
            origin = Origin(source="g", file="a", place="line 1")
            out.write("entities", Entity(id="e", kind="disease", name="病", origins=(origin,)))
            for item in documents:
                out.write("documents", item)
        with store.writing(tmp_path / "q", stage="questions", key="k") as out:
            for item in asked or [question("没有关系的题目只是为了占位而已", "open")]:
                out.write("questions", item)
        with store.writing(tmp_path / name, stage="curate", key="k") as out:
            curate(CurateSettings.model_validate(options), tmp_path / "k", tmp_path / "q", out)
        return tmp_path / name

    return go


def passages(folder: Path) -> list[Document]:
    return list(store.read(folder, "passages", Document))


def dropped(folder: Path) -> list[Dropped]:
    return list(store.read(folder, "dropped", Dropped))


def test_a_thousand_documents(run: Run) -> None:
    documents = [
        document(
            f"# 病{i}\n\n总述{i}需要长期的管理和随访。\n\n## 治疗\n\n{i}号药物每日三次，每次2.5 mg口服。\n", f"病{i}"
        )
        for i in range(1000)
    ]
    folder = run(documents)
    got = passages(folder)
    assert Counter(p.title for p in got) == {t: 1 for i in range(1000) for t in (f"病{i}", f"病{i} > 治疗")}
    by_id = {d.id: d for d in documents}
    for p in got:
        assert p.span is not None
        assert by_id[p.parent].text[p.span.start : p.span.end] == p.text
        assert len(p.text) <= 400
    assert store.read_manifest(folder).kept == 3000
    assert not dropped(folder)


def test_each_rule_says_why(run: Run) -> None:
    folder = run(
        [
            document("短句。\n\n# 甲\n\n这一段足够长，可以留下来学习。", "a"),
            document("# 只有标题\n\n## 还是标题\n", "b"),
            document("=====-----=====一二三四五六七八九十甲乙-----=====-----=====", "c"),
            document("\ufffd".join("这一段里有很多字已经丢失了没有办法再读"), "d"),
            document("\n\n".join(["点击这里下载最新版本的软件"] * 20), "e"),
            document("#\n\n##\n", "f"),
        ]
    )
    rules = Counter(d.rule for d in dropped(folder))
    assert rules == {
        "too_short": 2,
        "no_text": 1,
        "mostly_symbols": 1,
        "unreadable": 1,
        "repetitive": 1,
        "no_passage_left": 4,
    }
    assert "expected at least 12" in {d.excerpt: d.reason for d in dropped(folder)}["短句。"]
    assert [p.title for p in passages(folder)] == ["a > 甲"]


@pytest.mark.slow
def test_the_smallest_id_of_equal_texts_survives_in_any_order(run: Run) -> None:
    documents = [document(f"这是第{i % 100}号重复的段落，内容完全一样。", f"t{i}") for i in range(1000)]
    one = run(documents)
    random.Random(3).shuffle(documents)
    two = run(documents, name="two")
    assert store.read_manifest(one).digest == store.read_manifest(two).digest
    assert len(passages(one)) == 100
    kept = {p.id for p in passages(one)}
    twins = [d for d in dropped(one) if d.rule == "duplicate"]
    assert len(twins) == 900
    assert all(d.witness in kept and d.witness < d.record_id for d in twins)


def test_width_and_punctuation_do_not_make_a_difference_but_numbers_do(run: Run) -> None:
    texts = [
        "每次口服2.5 mg，一日三次，饭后服用。",
        "每次口服２.５mg,一日三次。饭后服用",
        "每次口服25 mg，一日三次，饭后服用。",
        "白细胞计数为10⁹个每升时应当复查血常规",
        "白细胞计数为109个每升时应当复查血常规",
        "收缩压<140毫米汞柱时继续原来的治疗方案",
        "收缩压>140毫米汞柱时继续原来的治疗方案",
    ]
    assert len(passages(run([document(t, str(i)) for i, t in enumerate(texts)]))) == 6


def test_passages_that_hold_an_exam_question_are_dropped(run: Run) -> None:
    clean = "急性心肌梗死的护理要点是绝对卧床休息并持续监测生命体征。"
    documents = [document(f"题目：{STEM}哪一项？", "a"), document(clean, "b")]
    folder = run(documents, [question()])
    assert [p.text for p in passages(folder)] == [clean]
    found = next(d for d in dropped(folder) if d.rule == "contaminated")
    assert found.witness == "q1"
    assert len(passages(run(documents, [question()], name="two", decontaminate=False))) == 2


def test_knowledge_questions_do_not_contaminate(run: Run) -> None:
    asked = Question(id="q", exam="probe", kind="knowledge", stem=STEM, gold=("a",))
    assert len(passages(run([document(STEM + "什么病呢？")], [asked]))) == 1


def test_a_run_without_documents_finishes_and_says_so(run: Run) -> None:
    folder = run([])
    assert "no document" in (folder / "empty.json").read_text()
    assert passages(folder) == []
    assert store.read_manifest(folder).tables == {}


def test_medical_characters_survive(run: Run) -> None:
    text = "白细胞4×10⁹/L，每次½片，①餐前②餐后，H₂O，体表面积㎡，Ⅱ型糖尿病，体温38.5℃，剂量≥5μg。"
    assert passages(run([document(text)]))[0].text == text


def test_radicals_full_width_and_unit_glyphs_are_repaired(run: Run) -> None:
    text = "⻘霉素过敏者禁⽤，⼝服每次５００㎎，\u200b体重６０ＫＧ以上加量。"
    assert passages(run([document(text)]))[0].text == "青霉素过敏者禁用，口服每次500mg，体重60KG以上加量。"


def test_the_longest_passage_is_bounded_and_nothing_is_lost() -> None:
    text = "".join(f"第{i}句话说明剂量为{i}.5 mg。" for i in range(2000)) + "\n\n# 下一章\n没有句号" * 50
    spans = cut(text, "标题", "zh", 160)
    assert max(p.end - p.start for p in spans) <= 160
    outside = list(text)
    for p in spans:
        outside[p.start : p.end] = [""] * (p.end - p.start)
    assert set("".join(outside).split()) <= {"#", "下一章"}
