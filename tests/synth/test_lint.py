from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from huatuo.recipe import ImportSource
from huatuo.synth.imports import read_pairs
from huatuo.synth.lint import RULES, lint
from huatuo.synth.pair import ask

SEED = Path(__file__).parents[3] / "shared" / "data" / "sft_huatuo_seed" / "data_llama_data.json"
FINE = "感冒的症状有流涕、咳嗽。"


@pytest.mark.parametrize(
    ("question", "answer", "rules"),
    [
        ("感冒有哪些症状？", FINE, set()),
        ("感冒有哪些症状？", "根据知识，感冒会流涕。", {"knowledge_leak"}),
        ("感冒有哪些症状？", "知识库里没有这个内容。", {"knowledge_base_leak"}),
        ("这两个疾病有何不同？", FINE, {"leading_reference"}),
        ("这种疾病的病因是什么？", FINE, {"leading_reference"}),
        ("该病如何治疗？", FINE, {"leading_reference"}),
        ("请问上述药物能同用吗？", FINE, {"leading_reference"}),
        ("这位患者出现了血尿，应做什么检查？", FINE, set()),
        ("其他治疗感冒的办法有哪些？", FINE, set()),
        ("感冒时这种情况常见吗？", FINE, set()),
        ("哪个部位？", "足", {"short_answer", "no_end_mark"}),
        ("谁易感？", "男性。", {"short_answer"}),
        ("感冒有哪些症状？", "感冒的症状有流涕、咳", {"no_end_mark"}),
        ("感冒有哪些症状？", "", {"empty"}),
        ("感冒有哪些症状？", "多喝水注意休息。" * 4, {"loop"}),
        ("感冒有哪些症状？", "流涕" + "咳嗽发热" * 6, {"loop", "no_end_mark"}),
        ("白细胞多少？", "正常为4×109/L以上。", {"lost_exponent"}),
        ("白细胞多少？", "正常为4×10⁹/L以上。", set()),
        ("白细胞多少？", "正常为4×10^9/L以上。", set()),
    ],
)
def test_rules(question: str, answer: str, rules: set[str]) -> None:
    found = lint(ask(question, answer))
    assert set(found) == rules
    assert set(found) <= set(RULES)
    assert all(found.values())


@pytest.mark.real_data
@pytest.mark.skipif(not SEED.exists(), reason="../shared/data is not here")
def test_known_defects_of_the_released_instructions() -> None:
    counts: Counter[str] = Counter()
    pairs = references = leading = 0
    for item in read_pairs(ImportSource(name="seed", path=SEED, format="huatuo")):
        assert item.pair is not None
        found = lint(item.pair.messages)
        counts.update(found.keys())
        pairs += 1
        if "leading_reference" in found:
            leading += 1
            references += item.pair.messages[0].content.startswith(("这", "该"))
    print(f"leading references: {leading}, of which {references} begin with 这 or 该")
    assert pairs == 8658
    assert counts["knowledge_leak"] == 87
    assert counts["knowledge_base_leak"] == 12
    assert counts["short_answer"] == 48
    assert (leading, references) == (53, 52)
