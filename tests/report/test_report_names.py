"""Names that huatuo makes have a Chinese label; names of data keep their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import huatuo
from huatuo.eval import baselines, probes, score
from huatuo.knowledge import check, relations
from huatuo.records import Finding
from huatuo.report import names
from huatuo.report.words import named
from huatuo.stages import NAMES
from huatuo.synth import lint
from huatuo.train import notes
from huatuo.train.notes import Evidence, looks_wrong

SOURCE = Path(huatuo.__file__).parent


def chinese(text: str) -> bool:
    return re.search("[\u4e00-\u9fff]", text) is not None


def rules_in_code() -> set[str]:
    """The literal rule names of calls that drop, leave or refuse a record."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for pattern in (
            r"\._?(?:drop|leave)\(\s*[\w.]+(?:\(\))?,\s*\"([^\"]+)\"",
            r"\b(?:_Refused|Refusal|Unfit|unread)\((?:\w[\w.]*,\s*)?\s*\"([^\"]+)\"",
        ):
            found.update(re.findall(pattern, text))
    return found


def test_every_rule_has_a_chinese_label():
    known = rules_in_code()
    assert {"contaminated", "not_drawn", "foreign", "no_answer", "overlong", "answer is no option"} <= known
    known |= {*check.RULES, *lint.RULES, *notes.RULES, "too_short", "mostly_symbols", "repetitive", "unreadable"}
    assert {rule for rule in known if not chinese(names.rule(rule)[0])} == set()


def test_groups_baselines_metrics_stages_and_kinds_have_labels():
    assert set(probes.GROUPS) <= set(names.GROUPS)
    assert {baselines.RANDOM, baselines.MOST_FREQUENT} <= set(names.MODELS)
    assert set(score.METRICS) <= set(names.METRICS)
    assert set(score.GRADES) == set(names.GRADES)
    assert set(NAMES) == set(names.STAGES)
    assert set(relations.KNOWN) <= set(names.KINDS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (names.rule("flagged: cut_off"), "有问题：被截断"),
        (names.rule("own rule"), "own rule"),
        (names.why("synth: withheld"), "造问答：特意不教"),
        (names.why("≥ 20"), "≥ 20"),
        (names.metric("f1 difference"), "F1之差"),
        (names.metric("contamination: likely"), "与训练问答重合：很可能"),
        (names.baseline("baseline: random"), "随机猜测"),
        (names.number("items of cmekg"), "cmekg 的条目"),
        (names.number("lint loop"), "问答检查：复读"),
        (names.number("ours: stop"), "我们：正常结束"),
        (
            names.method("bootstrap over 122 x 48 clusters, 2000 resamples, t(47)"),
            "对 122 x 48 组自助抽样 2000 次, t(47)",
        ),
        (names.method("paired, all alike, Wilson over 14 clusters"), "配对，全部相同，14 组的 Wilson 区间"),
    ],
)
def test_names_with_parts(words, expected):
    assert words[0] == expected


def numbers(words: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[,.]\d+)*%?", words))


def findings_of_training() -> list[Finding]:
    """A finding of every rule, with numbers of every size."""

    def steps(**more: Any) -> list[dict[str, Any]]:
        row = {"tokens": 12_000, "learned_tokens": 4_000, "sources": {"百科 v2": 99, "sft": 1}, "gradient_norm": 0.5}
        return [row | {"step": i + 1, "loss": 2.345} | more for i in range(1_200)]

    measured = steps(learned_tokens=11_999)
    measured[499]["validation_loss"], measured[1_100]["gradient_norm"] = 1.25, 77.7
    usual: dict[str, Any] = {"clip": 1.5, "before": 2.0, "after": 2.625, "samples": 23_456, "twins": 1_234}
    usual |= {"asked": 1_000, "trained": 17, "sources": 2, "kept_step": 1_200}
    few = looks_wrong(Evidence(steps(learned_tokens=1_000, gradient_norm=3.21), **usual))
    return [*few, *looks_wrong(Evidence(measured, **usual)), *looks_wrong(Evidence(measured, best=True, **usual))]


def test_what_looks_wrong_with_a_training_run_is_said_in_chinese_with_its_numbers() -> None:
    found = findings_of_training()
    assert {finding.rule for finding in found} == set(notes.RULES)
    for finding in found:
        words = f"{finding.place}: {finding.message}"
        zh, en = names.noted(words)
        assert en == words
        assert numbers(zh) == numbers(en)
        assert "下一步：" in zh
        plain = re.sub(
            r"\((huatuo show RUN --tokens)\)|（huatuo show RUN --tokens）|(train|unify)\.\w+|百科 v2|tokenise", "", zh
        )
        assert re.findall(r"[A-Za-z]{2,}", plain.replace('"best"', "")) == [], zh
    assert names.noted("kg: a message of no rule") == ("kg: a message of no rule",) * 2
    dominant = next(finding for finding in found if finding.rule == "one_source")
    assert names.noted(f"{dominant.place}: {dominant.message}")[0].startswith(
        "百科 v2：所学的 120,000 个样本中有 118,800 个"
    )


def test_the_name_in_the_code_stands_beside_the_chinese_one_only():
    words = names.rule("too_short")
    assert named(words, "zh") == '过短 <small class="code">too_short</small>'
    assert named(words, "en") == "too_short"
    assert '<span class="zh" lang="zh">过短 <small class="code">too_short</small></span>' in named(words, "both")
    assert "<b>" not in named(names.rule("<b>"), "both")
