from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from huatuo.recipe import ImportSource
from huatuo.synth.imports import read_pairs
from huatuo.synth.lint import ANYWHERE, RULES, lint
from huatuo.synth.pair import ask
from huatuo.text.near import earlier_neighbours

SEED = Path(__file__).parents[3] / "shared" / "data" / "sft_huatuo_seed" / "data_llama_data.json"
LABELS = Path(__file__).parent / "reference_labels.json"
ASKED, FINE = "感冒有哪些症状？", "感冒的症状有流涕、咳嗽。"

CASES: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "knowledge_leak": (
        [
            (ASKED, "根据知识，感冒会流涕。"),
            (ASKED, "感冒会流涕，这是根据知识得出的。"),
            ("a？", "根据知识库，感冒会流涕。"),
        ],
        [(ASKED, FINE), ("根据知识回答：感冒有哪些症状？", FINE), (ASKED, "按医学知识，感冒会流涕。")],
    ),
    "knowledge_base_leak": (
        [(ASKED, "知识库里没有这个内容。"), (ASKED, "知识库显示感冒会流涕。"), (ASKED, "据知识库，会流涕。")],
        [(ASKED, FINE), ("知识库是什么？", "一种储存方式的名称。"), (ASKED, "知识可以查阅书库里的教材。")],
    ),
    "source_leak": (
        [
            (ASKED, "根据上述文本，感冒会流涕。"),
            (ASKED, "参考资料中指出，感冒会流涕。"),
            (ASKED, "感冒会流涕，文中提到应休息。"),
            ("What is a cold?", "According to the provided passage, a cold is an infection."),
            (ASKED, "参考文献表明，感冒会流涕。"),
        ],
        [
            (ASKED, "血糖的参考值为3.9～6.1 mmol/L。"),
            (ASKED, "以上建议仅供参考，请遵医嘱。"),
            (ASKED, "可参考指南与参考文献进一步了解。"),
            (ASKED, "根据您提供的资料，考虑感冒。"),
            ("What is a cold?", "The reference range of glucose is 3.9 to 6.1 mmol/L."),
        ],
    ),
    "leading_reference": (
        [
            ("这两个疾病有何不同？", FINE),
            ("该病如何治疗？", FINE),
            ("请问此药能同用吗？", FINE),
            ("它们有什么区别？", FINE),
        ],
        [
            ("这位患者出现了血尿，应做什么检查？", FINE),
            ("其他治疗感冒的办法有哪些？", FINE),
            ("感冒时这种情况常见吗？", FINE),
            ("以上两个疾病有何不同？", FINE),
        ],
    ),
    "unresolved_reference": (
        [
            ("以上两个疾病的病因有何不同？", FINE),
            ("请问上述药物能同用吗？", FINE),
            ("一名6岁男孩出现脾肿大，这种疾病有哪些表现？", FINE),
            ("尿液分析是该疾病的常用检查吗？", FINE),
        ],
        [
            ("一名患者确诊为肺结核，请问该病如何治疗？", FINE),
            ("一位患者出现发热、头痛等不适，这些症状要紧吗？", FINE),
            ("应该检查什么？", FINE),
            ("患者应该药物治疗还是手术？", FINE),
            ("肝癌切除后三天，该手术有哪些并发症？", FINE),
            (ASKED, "该病会流涕。"),
        ],
    ),
    "short_answer": (
        [("哪个部位？", "足"), ("谁易感？", "男性。"), ("缺什么？", "氧")],
        [(ASKED, FINE), ("谁易感？", "多见于男性。"), ("谁？", "")],
    ),
    "no_end_mark": (
        [
            (ASKED, "感冒的症状有流涕、咳"),
            (ASKED, "多喝水"),
            (ASKED, "感冒的症状有流涕，"),
            (ASKED, "可以多喝水；"),
            (ASKED, "症状有："),
        ],
        [(ASKED, FINE), (ASKED, "感冒会流涕（见前）"), (ASKED, "It is a cold.")],
    ),
    "cut_off": (
        [
            (ASKED, "感冒的症状有流涕、"),
            (ASKED, "感冒的症状包括"),
            (ASKED, "应多喝水（"),
            ("What?", "The signs are fever and"),
        ],
        [(ASKED, FINE), (ASKED, "感冒的症状有流涕、咳"), (ASKED, "应保持心情平和。")],
    ),
    "empty": (
        [(ASKED, ""), ("", FINE), (ASKED, "  ")],
        [(ASKED, FINE), (ASKED, "。"), ("？", "足")],
    ),
    "refusal": (
        [
            (ASKED, "作为一个人工智能语言模型，我没有身体。"),
            (ASKED, "抱歉，我不了解这个问题。"),
            (ASKED, "这个问题我无法回答，请咨询医生。"),
            ("What is a cold?", "I'm sorry, but I can't say."),
            ("What is a cold?", "As an AI language model, I have no body."),
        ],
        [
            (ASKED, FINE),
            (ASKED, "作为一种常见病，感冒会流涕。"),
            (ASKED, "患者无法回答问题时应查意识。"),
            ("What is a cold?", "Patients cannot answer questions while intubated."),
        ],
    ),
    "wrong_language": (
        [
            (ASKED, "The symptoms of a cold are a runny nose and a cough."),
            ("What are the symptoms of a cold?", FINE),
            ("感冒怎么办？", "Drink enough and rest for a week."),
        ],
        [
            (ASKED, "感冒由 rhinovirus 等病毒引起，症状有流涕。"),
            ("感冒的英文是什么？", "It is called the common cold."),
            ("查什么？", "CT, MRI"),
            ("Please answer in Chinese: what is a cold?", FINE),
        ],
    ),
    "dose_without_unit": (
        [
            (ASKED, "口服，每次0.5，每日3次。"),
            (ASKED, "成人剂量为500，每日两次。"),
            (ASKED, "一次1～2，一日三次。"),
            ("What dose?", "Adults take 500 twice daily."),
        ],
        [
            (ASKED, "口服，每次0.5 g，每日3次。"),
            (ASKED, "每次1/2片，每日3次。"),
            (ASKED, "每天2次，疗程2周。"),
            (ASKED, "一次1～2片，一日三次。"),
            ("What dose?", "Adults take 500 mg twice daily."),
        ],
    ),
    "loop": (
        [(ASKED, "多喝水注意休息。" * 4), (ASKED, "流涕" + "咳嗽发热" * 6), (ASKED, "请多注意保暖；" * 3 + "好。")],
        [(ASKED, FINE), (ASKED, "多喝水注意休息。" * 2), (ASKED, "哈哈哈哈哈哈哈哈哈哈。")],
    ),
    "lost_exponent": (
        [(ASKED, "正常为4×109/L以上。"), (ASKED, "计数为3x1012/L。"), ("白细胞12×109/L，怎么办？", FINE)],
        [(ASKED, "正常为4×10⁹/L以上。"), (ASKED, "正常为4×10^9/L以上。"), (ASKED, "范围3×109毫米。")],
    ),
    "personal_data": (
        [("我的电话是13812345678。", FINE), (ASKED, "请联系王医生。"), ("患者住院号：00123456，怎么办？", FINE)],
        [(ASKED, "请咨询医生，剂量为500 mg。"), ("2023年12月31日起发热。", FINE), (ASKED, "血小板138×10⁹/L。")],
    ),
    "emergency_not_urged": (
        [
            ("我胸痛两小时，出冷汗，可能是什么病？", "可能是心绞痛。"),
            ("患者突然晕倒，叫不醒，怎么办？", "注意休息，如果加重，请立即就医。"),
            ("I have chest pain and can't breathe.", "It may be angina. Rest."),
        ],
        [
            ("我胸痛两小时，出冷汗，可能是什么病？", "请立即拨打120。可能是心绞痛。"),
            ("胸痛见于哪些疾病？", "胸痛见于心绞痛等。"),
            ("我没有胸痛，只是流涕。", FINE),
            ("I have chest pain.", "Call 911 now."),
            (ASKED, FINE),
        ],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_what_it_names_and_nothing_else(rule: str) -> None:
    wrong, right = CASES[rule]
    assert len(wrong) >= 3
    assert len(right) >= 3
    assert [case for case in wrong if not lint(ask(*case)).get(rule)] == []
    assert [case for case in right if rule in lint(ask(*case))] == []


def test_a_clean_pair_has_no_objection_and_findings_do_not_repeat_personal_data() -> None:
    assert lint(ask(ASKED, FINE)) == {}
    assert "13812345678" not in lint(ask("我的电话是13812345678。", FINE))["personal_data"]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not SEED.exists(), reason="../shared/data is not here")
def test_known_defects_of_the_released_instructions() -> None:
    counts: Counter[str] = Counter()
    labels = {int(place): unresolved for place, unresolved in json.loads(LABELS.read_text())["labels"].items()}
    questions, found, anywhere, leading = [], set(), 0, []
    for place, item in enumerate(read_pairs(ImportSource(name="seed", path=SEED, format="huatuo"))):
        assert item.pair is not None
        rules = lint(item.pair.messages)
        counts.update(rules.keys())
        questions.append(item.pair.messages[0].content)
        anywhere += bool(ANYWHERE.search(questions[-1]))
        if "leading_reference" in rules:
            leading.append(questions[-1][0])
        if {"leading_reference", "unresolved_reference"} & rules.keys():
            found.add(place)
    assert len(questions) == 8658
    assert counts["knowledge_leak"] == 87
    assert counts["knowledge_base_leak"] == 12
    assert counts["short_answer"] == 48
    assert counts["no_end_mark"] == 284
    assert counts["leading_reference"] == 52
    assert set(leading) == {"这", "该"}
    neighbours = earlier_neighbours(questions, 0.7)
    assert (sum(map(len, neighbours)), sum(map(bool, neighbours))) == (63, 46)
    hit, wrong = [p for p in labels if p in found and labels[p]], [p for p in labels if p in found and not labels[p]]
    missed = [p for p in labels if p not in found and labels[p]]
    print(f"demonstratives anywhere: {anywhere}; of 100 labelled {len(hit)} found, {len(missed)} missed, wrong {wrong}")
    print(f"unresolved beyond the beginning: {counts['unresolved_reference']}; all rules: {dict(counts)}")
    assert len(labels) == 100
    assert sum(labels.values()) == 12
    assert missed == []
    assert len(wrong) <= 2


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not SEED.exists(), reason="../shared/data is not here")
def test_references_on_questions_that_the_rules_were_not_made_on() -> None:
    """100 other hits of the pattern, and every hit of the rules outside the first 100, each labelled by reading."""
    labels = json.loads(LABELS.read_text())
    second, hits = ({int(place): right for place, right in labels[name].items()} for name in ("second", "hits"))
    found: set[int] = set()
    for place, item in enumerate(read_pairs(ImportSource(name="seed", path=SEED, format="huatuo"))):
        assert item.pair is not None
        if {"leading_reference", "unresolved_reference"} & lint(item.pair.messages).keys():
            found.add(place)
    assert not second.keys() & {int(place) for place in labels["labels"]}
    assert (len(second), sum(second.values())) == (100, 11)
    assert [place for place in second if (place in found) != second[place]] == [
        14
    ]  # 风团性斑块, 丘疹: no disease is named
    assert found - {int(place) for place in labels["labels"]} == set(hits)
    assert (sum(hits.values()), len(hits)) == (49, 51)
