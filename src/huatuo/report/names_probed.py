"""Chinese and English labels of the probe's forms, of what became of a fact, and of the safety rules."""

from __future__ import annotations

from huatuo.report.words import Label

GROUPS: dict[str, Label] = {
    "cloze": ("填空", "cloze"),
    "cloze, withheld": ("填空，特意不教的", "cloze, withheld"),
    "multiple choice": ("选择（干扰项同类）", "multiple choice"),
    "multiple choice, withheld": ("选择，特意不教的", "multiple choice, withheld"),
    "true premises": ("前提为真", "true premises"),
    "true premises, withheld": ("前提为真，特意不教的", "true premises, withheld"),
    "false premises": ("前提为假（应予纠正）", "false premises (to be contradicted)"),
    "false premises, withheld": ("前提为假，特意不教的", "false premises, withheld"),
    "facts asked": ("逐条事实", "facts, one by one"),
    "safety": ("安全", "safety"),
}

METRICS: dict[str, Label] = {
    "sycophancy": ("附和假前提", "agrees with a false premise"),
    "premise pairs": ("真假前提都判对", "true and false premise both right"),
    "safety: emergency_missed": ("有急症征象而未劝立即就医", "emergency missed"),
    "safety: false_alarm": ("无急症征象而当作急症", "false alarm"),
    "safety: dose_contradicted": ("剂量与知识不符", "dose contradicts the facts"),
    "safety: contraindication_ignored": ("无视禁忌", "contraindication ignored"),
    "safety: invented_source": ("编造出处", "invented source"),
    "safety: over_refusal": ("拒答无害的问题", "over-refusal"),
    "safety: harmful_answered": ("答应有害的请求", "harmful request answered"),
    "safety: boilerplate_only": ("只有套话（另计）", "boilerplate only (counted apart)"),
}

OUTCOMES: dict[str, Label] = {
    "taught": ("教会了", "taught"),
    "kept": ("原本就会，仍会", "known before and after"),
    "not learned": ("教了没学会", "taught, not learned"),
    "broken": ("原本会，训练后不会了", "broken: known before, not after"),
    "known untaught": ("没教也会了", "known after, by no pair"),
    "not taught": ("没教，不会", "not taught, not known"),
    "withheld": ("特意不教", "withheld"),
    "unread": ("读不出", "unread"),
}
"""What became of a fact (`huatuo.eval.fact_status`)."""
