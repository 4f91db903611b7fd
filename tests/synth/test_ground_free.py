"""The rules of free answers through the graph's own names."""

from __future__ import annotations

import pytest

from huatuo.checks.support import Said
from huatuo.synth.ground import Ground, name_dictionary

GROUND = Ground(name_dictionary(["二甲双胍", "格列本脲"], ["腹泻", "恶心"], ""), {"二甲双胍": ("格华止",)}, "")
FACTS = [Said("不良反应", "恶心"), Said("不良反应", "腹泻"), Said("用法用量", "一次0.5g，每日三次")]


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("格华止可能引起恶心。", ""),
        ("二甲双胍每次500毫克，一天3次。", ""),
        ("格列本脲可能引起恶心、腹泻。", "swapped"),
        ("二甲双胍每次5克，一天3次。", "number"),
        ("二甲双胍不会引起恶心。", "negation"),
    ],
)
def test_free_answers(answer: str, rule: str) -> None:
    refusal = GROUND.free("二甲双胍怎么用，有什么不良反应？", answer, "二甲双胍", FACTS)
    assert (refusal.rule if refusal else "") == rule
