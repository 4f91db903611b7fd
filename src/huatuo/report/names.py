"""Chinese labels of the names that huatuo itself makes: rules, kinds, shapes, metrics, models, numbers of the stages.

English shows the name as the code writes it. Names that come from data (sources, exams, relations) have no label.
"""

from __future__ import annotations

import re

from huatuo.report import names_probed, names_trained
from huatuo.report.names_methods import METHODS
from huatuo.report.names_rules import RULES
from huatuo.report.words import Label

GROUPS: dict[str, Label] = {
    "held-out phrasings": ("没训练过的问法", "held-out phrasings"),
    "held-out, no shared word": ("没训练过、疑问词也不同的问法", "held-out, no shared word"),
    "trained phrasings": ("训练过的问法", "trained phrasings"),
    "not taught after all": ("本应教、实际没教的", "not taught after all"),
    "withheld entities": ("特意不教的实体（对照）", "withheld entities (control)"),
    **names_probed.GROUPS,
}

MODELS: dict[str, Label] = {
    "base": ("基础", "base"),
    "ours": ("我们", "ours"),
    "ours - base": ("我们 − 基础", "ours − base"),
    "pairs": ("训练问答对", "pairs"),
    "baseline: random": ("参照：随机猜测", "baseline: random"),
    "baseline: most frequent": ("参照：最常见的答案", "baseline: most frequent"),
}

METRICS: dict[str, Label] = {
    "accuracy": ("正确率", "accuracy"),
    "letters": ("正确率（选项字母的概率）", "letters"),
    "letters-calibrated": ("正确率（字母概率，校准）", "letters, calibrated"),
    "subsets": ("正确率（字母组合的概率）", "subsets"),
    "subsets-calibrated": ("正确率（字母组合的概率，校准）", "subsets, calibrated"),
    "options": ("正确率（选项文字的概率）", "options"),
    "options-tokens": ("正确率（选项概率，按词元平均）", "options per token"),
    "options-characters": ("正确率（选项概率，按字平均）", "options per character"),
    "options-bytes": ("正确率（选项概率，按字节平均）", "options per byte"),
    "options-pmi": ("正确率（选项与题目的互信息）", "options, mutual information"),
    "options-calibrated": ("正确率（选项概率，校准）", "options, calibrated"),
    "exact": ("完全正确", "exact"),
    "f1": ("F1", "F1"),
    "bleu": ("BLEU", "BLEU"),
    "chrf": ("chrF", "chrF"),
    "rouge-l": ("ROUGE-L", "ROUGE-L"),
    "numbers": ("数值与参考一致", "numbers agree"),
    "facts": ("说出参考要点", "facts said"),
    "difference": ("差", "difference"),
    "p": ("p 值（McNemar 检验）", "p (McNemar)"),
    "p Holm": ("p 值（Holm 校正）", "p (Holm)"),
    "detectable": ("能测出的最小差", "smallest difference shown"),
    **names_probed.METRICS,
}

GRADES: dict[str, Label] = {
    "exact": ("几乎原样", "exact"),
    "likely": ("很可能", "likely"),
    "possible": ("可能", "possible"),
}

STAGES: dict[str, Label] = {
    "ingest": ("读入知识", "ingest"),
    "questions": ("出题", "questions"),
    "curate": ("整理文本", "curate"),
    "synth": ("造问答", "synth"),
    "unify": ("统一格式", "unify"),
    "order": ("排序", "order"),
    "tokenise": ("切词元", "tokenise"),
    "train": ("训练", "train"),
    "ask": ("提问", "ask"),
    "score": ("评分", "score"),
    "report": ("报告", "report"),
}

KINDS = {"disease": "疾病", "drug": "药物", "symptom": "症状", "herb": "中药"}

SHAPES = {
    "direct": "直接提问",
    "reverse": "反向提问",
    "comparison": "比较",
    "vignette": "病例",
    "multi_hop": "两步推理",
    "multi_turn": "多轮问诊",
    "refusal": "婉拒与就医",
    "true_false": "判断对错",
    "self_instruct": "自生问题",
    "consultation": "问诊",
    "passage": "段落问答",
    "passage_dialogue": "段落对话",
    "text": "段落原文",
    "imported": "导入",
}

SEVERITIES = {"error": "错误", "warning": "警告", "note": "提示"}

NUMBERS = {
    "parameters": "参数",
    "trainable_parameters": "可训练参数",
    "planned_steps": "计划步数",
    "steps": "步数",
    "resumed_at_step": "从第几步续训",
    "samples": "样本",
    "tokens": "词元",
    "learned_tokens": "所学词元",
    "cpu_seconds_of_the_loop": "训练循环的 CPU 秒",
    "tokens_per_cpu_second": "每 CPU 秒词元",
    "tokens_per_second": "每秒词元",
    "tokens_per_char": "每字词元",
    "padding_share": "填充份额",
    "kept_step": "保留第几步的权重",
    "first_loss": "首步损失",
    "last_loss": "末步损失",
    "validation_loss_before": "训练前的验证损失",
    "validation_loss_after": "训练后的验证损失",
    "validation share": "验证份额",
    "largest tied group": "最大的连带组",
    "questions near an earlier one": "与此前问题近似的问题",
    "packed": "是否拼接",
    "overlong_pairs": "超出窗口的问答对",
    "cut_pairs": "被截短的问答对",
    "split_pairs": "被拆开的问答对",
    "turns_lost_in_split": "拆开时丢失的轮次",
    "straddled_answers": "跨窗口的回答",
    "most_turns": "最多轮次",
    "truncation_share": "截短份额",
    "prompt_tokens": "提示词元",
    "completion_tokens": "回答词元",
    "sent back once": "退回一次",
    "repaired": "改好",
    "still refused": "改后仍不合",
    "replies": "回复",
    "replies with a pair": "读出问答的回复",
    "replies without a pair": "没有问答的回复",
}

_ENDS = {
    "stop": "正常结束",
    "length": "超长中断",
    "refused": "拒答",
    "error": "调用失败",
    "near ties": "最高两项几乎相等的题",
    "straddled options": "与题目末尾跨词元、单独编码的选项",
    "texts shortened": "材料有删节的题",
}


def label(table: dict[str, Label], name: str) -> Label:
    """The two words for a name; the name itself twice where the table has none."""
    return table.get(name, (name, name))


def chinese(table: dict[str, str], name: str) -> Label:
    """The Chinese word of a name, and the name; the name itself twice where the table has none."""
    return table.get(name, name), name


def rule(name: str) -> Label:
    """The words of a rule, of ``flagged: rule`` too."""
    first, _, flag = name.partition("flagged: ")
    return (f"有问题：{RULES.get(flag, flag)}", name) if flag and not first else chinese(RULES, name)


def noted(words: str) -> Label:
    """The words of what looks wrong with a training run, ``place: message``; the same twice where no rule says so."""
    place, _, message = words.partition(": ")
    for pattern, replacement in names_trained.NOTES:
        if match := re.fullmatch(pattern, message):
            places = (re.sub(old, new, place) for old, new in names_trained.PLACES if re.fullmatch(old, place))
            return f"{next(places, place)}：{match.expand(replacement)}", words
    return words, words


def why(name: str) -> Label:
    """The words of ``stage: rule``, as the ledger gives a reason."""
    stage, found, reason = name.partition(": ")
    return (f"{label(STAGES, stage)[0]}：{rule(reason)[0]}", name) if found and stage in STAGES else rule(name)


UNSCORED = {"refusal": "拒答", "failed call": "调用失败或超时", "cut off": "被截断", "unreadable": "读不出"}
"""Classes of answers without a value."""


def metric(name: str) -> Label:
    """The words of a metric, of ``f1 difference`` and ``contamination: exact`` too."""
    if name.startswith("contamination: "):
        grade = label(GRADES, name.removeprefix("contamination: "))
        return f"与训练问答重合：{grade[0]}", f"overlap with the pairs: {grade[1]}"
    if name.startswith("extractor: "):
        extractor = name.removeprefix("extractor: ")
        return f"正确率（按 {extractor} 读取）", f"accuracy as {extractor} reads"
    if name.startswith("outcome: "):
        return label(names_probed.OUTCOMES, name.removeprefix("outcome: "))
    if name.startswith("unscored: "):
        zh, en = chinese(UNSCORED, name.removeprefix("unscored: "))
        return f"无法评分：{zh}", f"unscored: {en}"
    own = label(METRICS, name.removesuffix(" difference"))
    return (f"{own[0]}之差", f"{own[1]} difference") if name.endswith(" difference") else own


def baseline(name: str) -> Label:
    """The words of a baseline, in a column that says that it is one."""
    zh, en = label(MODELS, name)
    return zh.removeprefix("参照："), en.removeprefix("baseline: ")


def number(name: str) -> Label:
    """The words of a number that a stage left: ``lint loop``, ``items of graph``, ``ours: stop`` too."""
    if name.startswith("lint "):
        return f"问答检查：{rule(name.removeprefix('lint '))[0]}", name
    if name.startswith("items of "):
        return f"{name.removeprefix('items of ')} 的条目", name
    if name.startswith("samples of "):
        return f"{name.removeprefix('samples of ')} 的样本", name
    if name.startswith("replies without a pair: "):
        return f"没有问答的回复：{rule(name.removeprefix('replies without a pair: '))[0]}", name
    model, found, end = name.partition(": ")
    if found and end in _ENDS:
        asked, _, way = model.partition(" ")
        shown = f"{label(MODELS, asked)[0]} {label(METRICS, way)[0]}" if way else label(MODELS, asked)[0]
        return f"{shown}：{_ENDS[end]}", name
    return chinese(NUMBERS, name)


def method(name: str) -> Label:
    """The words of how an interval was made."""
    words = name
    for pattern, replacement in METHODS:
        words = re.sub(pattern, replacement, words)
    return words, name
