"""Triples out of texts: headings, enumerations and wordings say them; what is denied or supposed says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from graph_makers import write_lines
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
        ("地高辛与奎尼丁合用可使血药浓度升高。", [("地高辛", "药物相互作用", "奎尼丁")]),
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("本品与甲丁胺、乙丙酸及戊己类药物合用，可增强其作用。", ["甲丁胺", "乙丙酸", "戊己类药物"]),
        ("与其他降压药(如甲丁胺)同服可致低血压。", ["降压药"]),
        ("甲丁胺等抗凝药能使本药的吸收减少。", ["甲丁胺", "抗凝药"]),
        ("甲丁胺为乙素拮抗剂，可引起贫血。", ["甲丁胺"]),
        ("甲丁胺与本品合用时须监测血钾。", ["甲丁胺"]),
        ("本品可增加甲丁胺、乙丙酸等的作用和毒性。", ["甲丁胺", "乙丙酸"]),
        ("不宜与甲丁胺配伍；避免使用活疫苗。", ["甲丁胺", "活疫苗"]),
        ("与甲丁胺合用无相互作用。", []),
        ("与上述药物合用时，应减量。", []),
        ("两者合用须谨慎。", []),
        ("本品血浆蛋白结合率低。", []),
    ],
)
def test_an_interaction_is_the_name_of_the_other_drug(sentence: str, names: list[str]) -> None:
    assert by_relation(sentence, "庚片", "药物相互作用").get("药物相互作用", []) == names


@pytest.mark.parametrize(
    ("section", "sentence", "expected"),
    [
        ("适应证", "用于鼻塞，咳嗽等重症感冒。", ["鼻塞", "咳嗽", "重症感冒"]),
        ("适应证", "临床治疗流感、肺炎等病毒及细菌感染性疾病。", ["流感", "肺炎", "病毒及细菌感染性疾病"]),
        ("适应证", "本品为补肾益气之剂，多用于治疗肾虚。", ["肾虚"]),
        ("适应证", "本品具有抗炎活性，代谢迅速。", []),
        ("适应证", "用于下焦湿热引起的尿频。", ["尿频"]),
        ("适应证", "用于链球菌引起的皮肤感染。", ["链球菌引起的皮肤感染"]),
        ("适应证", "1.心悸：表现为心慌，头晕。", ["心悸"]),
        ("不良反应", "剂量过大，注入后可引起面红、烦躁等症状。", ["面红", "烦躁"]),
        ("不良反应", "肾毒性：表现为尿少、血尿等肾炎的表现。", ["肾毒性", "尿少", "血尿", "肾炎"]),
        ("不良反应", "偶见深反射消失，发生率为2%。", ["深反射消失"]),
        ("不良反应", "头痛、皮疹，宜减量。", ["头痛", "皮疹"]),
        ("禁忌", "对甲或乙类药过敏者、有溃疡者、孕妇禁用。", ["对甲或乙类药过敏者", "溃疡", "孕妇"]),
        ("禁忌", "青光眼、妊娠妇女禁用。", ["青光眼", "妊娠妇女"]),
        ("用法用量", "主要用于成人的维持。", []),
    ],
)
def test_a_list_is_cut_to_what_it_names(section: str, sentence: str, expected: list[str]) -> None:
    assert by_relation(sentence, "庚片", section).get(section, []) == expected


def test_what_stands_under_cautions_is_told_apart() -> None:
    text = (
        "庚片\n注意事项:1.避光保存；开启后应在阴凉处存放。2.偶见转氨酶升高，可恢复。3.未见异常。"
        "4.用药期间须监测血压。5.对儿童的研究很少。\n"
    )
    assert by_relation(text) == {
        "贮藏": ["避光保存", "开启后应在阴凉处存放"],
        "不良反应": ["转氨酶升高"],
        "注意事项": ["用药期间须监测血压"],
    }


def test_a_sentence_that_names_nothing_speaks_of_the_drug_of_its_label_only() -> None:
    label = "庚片\n专家点评:用于治疗哮喘，也用于鼻炎。对癣病疗效较好。\n"
    assert by_relation(label) == {"适应证": ["哮喘", "鼻炎", "癣病"]}
    assert by_relation("用于治疗哮喘。对癣病疗效较好。", "春季养生") == {}


def test_pharmacology_is_prose_and_a_symptom_with_another_is_two() -> None:
    assert by_relation("庚片\n药理作用:抑制甲酶，扩张血管。\n") == {}
    assert by_relation("甲检查的相关症状是尿频伴尿急") == {"相关症状": ["尿频", "尿急"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "1.己痛：表现为头晕，舌淡，见上述表现者属之。",
            [("己痛", "头晕"), ("己痛", "舌淡"), ("庚片", "己痛")],
        ),
        ("用于己热，症见恶寒、无汗等。", [("己热", "恶寒"), ("己热", "无汗"), ("庚片", "己热")]),
        ("1.己痛：腰膝酸软，喜按喜揉，可用本方治疗。", [("己痛", "腰膝酸软"), ("己痛", "喜按喜揉"), ("庚片", "己痛")]),
        ("1.其他：头痛，眩晕。", [("庚片", "头痛"), ("庚片", "眩晕")]),
        ("1.己瘤：己肺癌，己胃癌。", [("庚片", "己肺癌"), ("庚片", "己胃癌")]),
        ("临床表现为头痛，眩晕。", []),
        ("西医诊断为己病，见上述表现者可用之。", [("庚片", "己病")]),
    ],
)
def test_signs_of_an_indication_are_said_of_it_and_not_of_the_drug(text: str, expected: list[tuple[str, str]]) -> None:
    found = extract(text, "庚片", "适应证")
    assert [(t.subject, t.object) for t in found] == expected
    assert {t.relation for t in found if t.subject != "庚片"} <= {"临床症状"}
    assert {t.relation for t in found if t.subject == "庚片"} <= {"适应证"}
