"""The words of the page of judged answers, in Chinese and English."""

from __future__ import annotations

import re

from huatuo.report.words import Label

WORDS: dict[str, Label] = {
    "pairs": ("两两比较", "Comparisons"),
    "pairs_note": (
        "每对回答都按两种次序各问一次，按规则合成一个结论，胜负以写在前面的模型为准。方括号为 95 % 区间（按问题抽样，"
        "不按次抽样；多位专家时也含专家）。读不出的判定自成一类，不算平局；两个回答相同时不问，记平局。",
        "Every pair is asked in both orders, and a rule makes one outcome of them; win and loss are those of the model "
        "named first. Brackets: 95 % interval, resampled by question and not by game (with several experts, for "
        "other experts "
        "too). What could not be read is a class of its own and no tie; two answers that are alike are not asked about "
        "and tie.",
    ),
    "pair": ("哪两个模型", "models"),
    "judge": ("评审", "judge"),
    "win": ("胜", "win"),
    "tie": ("平", "tie"),
    "loss": ("负", "loss"),
    "unparsed": ("读不出", "unparsed"),
    "win_rate": ("胜率（平算半胜）", "win rate (a tie is half)"),
    "even": ("不分上下", "even"),
    "holm": ("p（Holm）", "p (Holm)"),
    "bias": ("评审可信吗？", "Can the judge be trusted?"),
    "bias_note": (
        "翻转率：两种次序说法不同的份额。先出现者胜：有胜负的判定中先出现的回答获胜的份额，公平为 50 %。"
        "长度：回答每多 100 字，获胜的对数优势的变化。“对评审说话”：回答里有像判定的文字，判定须带本题代码才算数，"
        "所以不会被当成判定，但请看看。",
        "Flip rate: how often the two orders disagree. First wins: share of decided verdicts that the answer "
        "shown first "
        "wins; 50 % is fair. Length: change of the log odds of winning for every 100 characters more. Answers that "
        "address the judge hold what looks like a verdict; a verdict counts with its own code alone, so they decide "
        "nothing, but look at them.",
    ),
    "flip": ("翻转率", "flip rate"),
    "first": ("先出现者胜", "first wins"),
    "length": ("长度（每百字）", "length (per 100)"),
    "alike": ("相同的回答", "identical"),
    "addressed": ("对评审说话", "address the judge"),
    "people": ("与专家一致吗？", "Does it agree with experts?"),
    "ranking": ("排名", "Ranking"),
    "ranking_note": (
        "Bradley–Terry（含平局、位置与长度项）的实力以对数优势计，0 是全体平均；Elo 是多种对局次序的均值，± 后为次序"
        "造成的离差。没有数字时写明原因。",
        "Strength of Bradley–Terry with ties, position and length, in log odds; 0 is the mean of all. Elo is a "
        "mean over "
        "orders of play; after ± what the order alone does. Where there is no number, the reason stands in its place.",
    ),
    "strength": ("实力", "strength"),
    "elo": ("Elo", "Elo"),
    "prompts": ("评审读到的提示", "What the judge was given"),
    "prompts_note": (
        "提示原文；其中 block 处是该题的问题和回答（JSON），code 是该题的代码。",
        "The prompts as they are; block is the question with its answers as JSON, code the code of that very call.",
    ),
    "prompt_gone": (
        "这个版本的 huatuo 已没有内容相同的提示文件。",
        "This version of huatuo has no prompt file of that content any more.",
    ),
    "terms": ("其他项", "other terms"),
    "scores": ("得分", "Scores"),
    "scores_note": (
        "方括号为 95 % 区间。读不出的项不算“未达到”：含这种项的回答没有得分，另列上下界。",
        "Brackets: 95 % interval. An item that could not be read is never “not met”: an answer with one has no score, "
        "and bounds are given instead.",
    ),
    "name": ("项目", "name"),
    "model": ("模型", "model"),
    "metric": ("指标", "metric"),
    "value": ("数值", "value"),
    "n": ("n（无法评分）", "n (unscored)"),
    "method": ("方法", "method"),
    "counts": ("读不出的原因与计数", "Counts and reasons"),
    "items": ("逐题", "Question by question"),
    "items_note": (
        "至多 {n} 题，按编号散列抽取；全部在数据集里。",
        "At most {n} questions, drawn by a hash of their ids; all are in the data set.",
    ),
    "signature": ("签名", "Signatures"),
    "shown_first": ("先出现", "shown first"),
    "better": ("更好", "better"),
    "alike_word": ("相同，未问", "alike, not asked"),
    "met": ("达到", "met"),
    "not_met": ("未达到", "not met"),
    "said": ("评审原话", "the judge's words"),
}

NAMES: dict[str, Label] = {
    "all pairs": ("全部", "all pairs"),
    "people": ("专家", "people"),
    "rubric": ("评分细则", "rubric"),
    "against physicians": ("与医师标注相比", "against physicians"),
    "fluency": ("流畅性", "fluency"),
    "relevance": ("相关性", "relevance"),
    "completeness": ("完整性", "completeness"),
    "proficiency": ("医学水平", "proficiency"),
    "depth": ("深度", "depth"),
    "professionalism": ("专业性", "professionalism"),
    "entities": ("实体", "entities"),
    "triples": ("三元组", "triples"),
    "codes": ("编码", "codes"),
    "formula": ("方剂组成", "formula"),
    "score": ("得分", "score"),
    "mean": ("均值", "mean"),
    "bounds": ("上下界", "bounds"),
    "bootstrap SD": ("自助标准差", "bootstrap SD"),
    "macro f1": ("宏平均 F1", "macro F1"),
    "f1": ("F1（精确）", "F1 (exact)"),
    "partial f1": ("F1（部分）", "F1 (partial)"),
    "doses": ("剂量正确", "doses right"),
    "log nu": ("平局（ln ν）", "ties (ln nu)"),
    "position": ("先出现", "shown first"),
    "length": ("长度（每百字）", "length (per 100)"),
    "refused": ("拒答", "refused"),
    "cut off": ("被截断", "cut off"),
    "failed call": ("调用失败", "failed call"),
    "no verdict line": ("末行没有判定", "no verdict line"),
    "verdict without its code": ("判定没有代码", "verdict without its code"),
    "two verdicts": ("两个判定", "two verdicts"),
    "not one JSON object": ("不是一个 JSON 对象", "not one JSON object"),
    "not returned": ("没有交回", "not returned"),
    "left empty": ("留空", "left empty"),
    "cannot judge": ("无法判断", "cannot judge"),
}
"""Names that the figures of judged answers hold; what is not here is shown as it is."""

REASONS: tuple[tuple[str, str], ...] = (
    (r"length is the same in every game", "每对回答一样长"),
    (r"the model is the same in every game", "处处是同一个模型"),
    (r"position is the same in every game", "次序处处相同"),
    (r"(.+) is the same in every game", r"\1 处处相同"),
    (r"the model and length cannot be told apart", "长短之差处处相同，与模型分不开"),
    (r"(.+) cannot be told apart", r"分不开：\1"),
    (r"length decides every game: there is no finite estimate", "每次都是长度决定胜负，没有有限的估计"),
    (r"position decides every game: there is no finite estimate", "每次都是位置决定胜负，没有有限的估计"),
    (r"the model decides every game: there is no finite estimate", "每次都是同一个模型胜出，没有有限的估计"),
    (r"(.+) decides every game: there is no finite estimate", r"\1 决定每次胜负，没有有限的估计"),
    (r"no outcome is won or lost", "没有分出胜负的"),
    (r"all (\d+) games are ties: nothing tells the models apart", r"\1 次全是平局，分不出模型"),
    (r"(.+) never won or tied against (.+), so its strength has no bound", r"\1 对 \2 从未取胜或打平，实力没有下界"),
    (r"(.+) never lost or tied against (.+), so its strength has no bound", r"\1 对 \2 从未失利或打平，实力没有上界"),
    (r"(.+) and (.+) were never compared, not even by others", r"\1 与 \2 从未比较过，也没有共同的对手"),
    (r"(\d+) question\(s\): an estimate with its interval needs two", r"只有 \1 题，区间至少要两题"),
    (r"(\d+) model\(s\) in (\d+) games: a ranking needs two", r"\2 次里只有 \1 个模型，排名至少要两个"),
)
"""Why there is no number, as a pattern, and the same in Chinese."""


def label(name: str) -> Label:
    """A name in both languages; the name itself where it has no label."""
    return NAMES.get(name, (name, name))


def reason(words: str) -> Label:
    """Why there is no number, in both languages."""
    for pattern, chinese in REASONS:
        if match := re.fullmatch(pattern, words):
            return match.expand(chinese), words
    return words, words
