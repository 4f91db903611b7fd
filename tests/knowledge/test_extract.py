"""Triples out of texts: headings, enumerations and wordings say them; what is denied or supposed says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.knowledge.conftest import write_lines

from huatuo import store
from huatuo.knowledge.extract import extract, subject_of
from huatuo.knowledge.extract_lists import values
from huatuo.recipe import DocumentSource, IngestSettings
from huatuo.records import Document, Entity, Fact, Finding

Run = Callable[..., Path]

LABEL = """【药品名称】
通用名称：甲磺司特片
商品名称：康平
【成份】本品主要成份为甲磺司特。
【适应症】用于治疗支气管哮喘、过敏性鼻炎；也可用于葡萄球菌、链球菌引起的皮肤感染。
【不良反应】1.常见头痛、恶心和腹泻等症状。2.偶见GOT、GPT升高，停药后可恢复。3.未见肾损害。如出现皮疹，应停药。
【禁忌】对本品过敏者、孕妇禁用。严重肝、肾功能不全者慎用。
【注意事项】慎用：1.高血压患者。2.糖尿病患者。
【药物相互作用】与华法林合用可增加出血的危险；与含2.5mg利尿剂的药同服须监测血钾。
【用法用量】1.成人：(1)口服，一次0.5g，一日3次。(2)重症一日4次。2.儿童：一次0.25g。
【药代动力学】口服用于测定吸收，达峰2小时。
【贮藏】密封，25℃以下保存。
"""


def by_relation(text: str, title: str = "", section: str = "") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for triple in extract(text, title, section):
        found.setdefault(triple.relation, []).append(triple.object)
    return found


def test_a_label_gives_a_value_per_item_of_each_section() -> None:
    found = by_relation(LABEL)
    assert {t.subject for t in extract(LABEL)} == {"甲磺司特片"}
    assert found["成分"] == ["甲磺司特"]
    assert found["适应证"] == ["支气管哮喘", "过敏性鼻炎", "葡萄球菌、链球菌引起的皮肤感染"]
    assert found["不良反应"] == ["头痛", "恶心", "腹泻", "GOT、GPT升高"]
    assert found["贮藏"] == ["密封，25℃以下保存"]


def test_a_caution_never_loses_its_word() -> None:
    found = by_relation(LABEL)
    assert found["禁忌"] == ["对本品过敏者", "孕妇", "严重肝、肾功能不全者慎用"]
    assert found["注意事项"] == ["慎用：1.高血压患者。2.糖尿病患者"]


def test_a_dose_stays_with_its_age_group() -> None:
    assert by_relation(LABEL)["用法用量"] == [
        "成人：(1)口服，一次0.5g，一日3次。(2)重症一日4次",
        "儿童：一次0.25g",
    ]


def test_every_object_and_subject_stands_at_its_place() -> None:
    for triple in extract(LABEL):
        assert LABEL[slice(*triple.span)] == triple.object
        assert triple.subject_span
        assert LABEL[slice(*triple.subject_span)] == triple.subject


def test_markdown_headings_of_a_guideline_and_of_a_book() -> None:
    guide = "# 甲热诊疗指南（2020年版）\n\n## 临床表现\n\n主要表现为发热、皮疹。\n\n## 背景\n\n共有头痛、咳嗽。\n"
    found = extract(guide, "甲热诊疗指南（2020年版）")
    assert [(t.subject, t.relation, t.object) for t in found] == [
        ("甲热", "临床症状", "发热"),
        ("甲热", "临床症状", "皮疹"),
    ]
    book = "# 传染病\n\n## 甲热\n\n### 并发症\n\n肺炎、心肌炎。\n\n## 乙热\n\n### 病因\n\n甲病毒感染。\n"
    assert [(t.subject, t.relation, t.object) for t in extract(book, "传染病")] == [
        ("甲热", "并发症", "肺炎"),
        ("甲热", "并发症", "心肌炎"),
        ("乙热", "病因", "甲病毒感染"),
    ]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            "乙酰丙片适用于类风湿关节炎、痛风。",
            [("乙酰丙片", "适应证", "类风湿关节炎"), ("乙酰丙片", "适应证", "痛风")],
        ),
        ("孕妇禁用利巴韦林。", [("利巴韦林", "禁忌", "孕妇")]),
        ("对青霉素过敏者禁用。", [("青霉素", "禁忌", "对青霉素过敏者")]),
        (
            "阿司匹林的常见不良反应有恶心、呕吐。",
            [("阿司匹林", "不良反应", "恶心"), ("阿司匹林", "不良反应", "呕吐")],
        ),
        ("地高辛与奎尼丁合用可使血药浓度升高。", [("地高辛", "药物相互作用", "与奎尼丁合用可使血药浓度升高")]),
        ("心肌炎是白喉的常见并发症。", [("白喉", "并发症", "心肌炎")]),
        (
            "白喉的临床表现包括发热、声音嘶哑。",
            [("白喉", "临床症状", "发热"), ("白喉", "临床症状", "声音嘶哑")],
        ),
        ("本品可引起头晕。", [("题", "不良反应", "头晕")]),
    ],
)
def test_wordings_state_triples(sentence: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(t.subject, t.relation, t.object) for t in extract(sentence, "题")] == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "未见本品可引起头晕。",
        "本品不引起头晕。",
        "心肌炎不是白喉的常见并发症。",
        "如果孕妇禁用利巴韦林，应咨询医生。",
        "临床试验中本品可引起头晕。",
        "5%的患者用本品可引起头晕。",
        "本品可引起头晕吗？",
        "心肌炎和白喉都要休息。",
        "",
        "【】【 】\n：：：\n# \n",
    ],
)
def test_denied_supposed_and_studied_sentences_state_nothing(sentence: str) -> None:
    assert extract(sentence, "题") == []


@pytest.mark.parametrize("filler", ["尚不明确。", "无。", "详见说明书。", "不详"])
def test_a_section_that_knows_nothing_gives_nothing(filler: str) -> None:
    assert extract(f"甲片\n适应证:{filler}\n禁忌证:{filler}\n注意事项:{filler}\n") == []


def test_numbers_units_and_brackets_are_never_cut() -> None:
    text = "甲片\n规格:每片含甲2.5mg（以C1、C2计；干）。\n成分:甲(乙、丙)、丁酸钠。\n"
    found = by_relation(text)
    assert found["规格"] == ["每片含甲2.5mg（以C1、C2计；干）"]
    assert found["成分"] == ["甲(乙、丙)", "丁酸钠"]


def test_a_section_without_its_heading_and_a_subject_of_the_title() -> None:
    assert by_relation("头痛、恶心。", "甲片", "不良反应") == {"不良反应": ["头痛", "恶心"]}
    assert subject_of("正文。", "2型糖尿病防治指南（2020年版）") == ("2型糖尿病", None)


MARKS = st.text(alphabet="甲乙丙痛热病、，。；：:1.2()（）【】\n#无如和或用于的 ", max_size=120)


@given(MARKS, st.sampled_from(["适应证", "不良反应", "禁忌", "用法用量", "注意事项", "检查", "成分"]))
def test_values_are_in_order_without_overlap(text: str, relation: str) -> None:
    at = 0
    for start, end in values(text, relation, 0, len(text)):
        assert at <= start < end <= len(text)
        assert text[start:end].strip()
        at = end


@given(MARKS)
def test_any_text_gives_literal_triples(text: str) -> None:
    for triple in extract(text, "题"):
        assert text[slice(*triple.span)] == triple.object
        assert triple.object != triple.subject


def labels_of(folder: Path, number: int) -> DocumentSource:
    records = [
        {"title": f"第{i}号", "text": f"第{i}药片\n适应证:用于治疗病{i}、症{i}。\n禁忌证:尚不明确。\n别名:乙{i}\n"}
        for i in range(number)
    ]
    path = write_lines(folder / "labels.jsonl", records)
    return DocumentSource(name="labels", path=path, evidence="pharmacopoeia", extract="rules")


def test_a_thousand_labels_become_facts_with_places_and_evidence(run: Run, tmp_path: Path) -> None:
    source = labels_of(tmp_path, 1000)
    folder = run(IngestSettings(documents=(source,)))
    facts = {(f.entity, f.relation, f.value): f for f in store.read(folder, "facts", Fact)}
    assert set(facts) == {(f"第{i}药片", "适应证", f"{w}{i}") for i in range(1000) for w in "病症"}
    assert {f.origin.evidence for f in facts.values()} == {"pharmacopoeia"}
    documents = {d.origin.place: d.text for d in store.read(folder, "documents", Document)}
    assert len(documents) == 1000
    for fact in facts.values():
        found = re.fullmatch(r"(.+) 第\d+药片 适应证 characters (\d+)-(\d+)", fact.origin.place)
        assert found
        assert documents[found[1]][int(found[2]) : int(found[3])] == fact.value
    entities = list(store.read(folder, "entities", Entity))
    assert {(e.kind, e.aliases[0][0], e.origins[0].evidence) for e in entities} == {("drug", "乙", "pharmacopoeia")}


def test_extracted_facts_are_checked_like_a_graph(run: Run, tmp_path: Path) -> None:
    text = "甲片\n适应证:用于治疗哮喘、血小板低于20×109/L。\n"
    source = DocumentSource(
        name="d", path=write_lines(tmp_path / "d.jsonl", [{"title": "x", "text": text}]), extract="rules"
    )
    folder = run(IngestSettings(documents=(source,)))
    assert {f.value: f.flags for f in store.read(folder, "facts", Fact)} == {
        "哮喘": (),
        "血小板低于20×109/L": ("unit_loss",),
    }


def test_without_the_key_documents_stay_documents(run: Run, tmp_path: Path) -> None:
    source = labels_of(tmp_path, 3).model_copy(update={"extract": ""})
    folder = run(IngestSettings(documents=(source,)))
    assert list(store.read(folder, "facts", Fact)) == []
    assert len(list(store.read(folder, "documents", Document))) == 3


def test_a_document_that_states_nothing_is_a_note(run: Run, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "d.jsonl", [{"title": "散步", "text": "饭后散步很好。"}])
    folder = run(IngestSettings(documents=(DocumentSource(name="d", path=path, extract="rules"),)))
    found = [f for f in store.read(folder, "findings", Finding) if f.rule == "nothing_extracted"]
    assert [(f.severity, f.place) for f in found] == [("note", "d.jsonl record 1")]


def test_an_unknown_way_to_extract_is_refused() -> None:
    with pytest.raises(ValidationError, match="extract"):
        DocumentSource.model_validate({"name": "d", "path": "d", "extract": "magic"})


def test_numbers_of_items_are_no_part_of_a_value() -> None:
    text = (
        "甲片\n注意事项:1.慎用：(1)高血压患者。(2)糖尿病患者。2.(1)监测血压。(2)监测血糖。\n禁忌证:(1)孕妇；(2)儿童。\n"
    )
    assert by_relation(text) == {
        "注意事项": ["慎用：(1)高血压患者。(2)糖尿病患者", "监测血压", "监测血糖"],
        "禁忌": ["孕妇", "儿童"],
    }


def test_a_numbered_test_is_named_without_what_it_shows() -> None:
    text = "甲热的检查:1.细胞遗传学检查染色体核型分析：单纯型75%。"
    assert [(t.relation, t.object) for t in extract(text)] == [("检查", "细胞遗传学检查")]
    assert by_relation("血常规检查、尿常规检查。", "甲热", "检查") == {"检查": ["血常规检查", "尿常规检查"]}
