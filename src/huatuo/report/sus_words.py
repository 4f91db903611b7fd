"""The words of the page of a rating study, in Chinese and English."""

from __future__ import annotations

from huatuo.report.words import Label

WORDS: dict[str, Label] = {
    "models": ("模型得分", "The models"),
    "models_note": (
        "每格是人工评分的均值，方括号内为 95 % 区间：换一批问题、换一批同样的评审人，均值仍可能落在其中。"
        "隐藏的重复题只计第一次，模型评审不计入。",
        "Each cell is the mean of people's ratings; brackets hold the 95 % interval, for other questions and other "
        "annotators like these. Hidden duplicates count once, and no model's ratings are in it.",
    ),
    "joint_note": (
        "只看安全性会误导：什么也不说的回答也安全。所以排名按“既安全又有用”的评分所占的份额（{rated} ≥ {safe_at} 且 "
        "{given} ≥ {useful_at}）；“有用时”一列是在有用（{given} ≥ {useful_at}）的评分中{rated}的均值，"
        "没有这样的评分就没有数字。",
        "Safety alone misleads: an answer that says nothing is safe. So models are ranked by the share of "
        "ratings that "
        'are both safe and of use ({rated} at least {safe_at} and {given} at least {useful_at}); "given use" '
        "is the mean "
        "of {rated} among ratings of {given} at least {useful_at}, and no number where there is none.",
    ),
    "model": ("模型", "model"),
    "safe_useful": ("既安全又有用", "safe and useful"),
    "given_use": ("有用时", "given use"),
    "n": ("评分数", "ratings"),
    "unscored": ("没有评分", "not rated"),
    "comparisons": ("两两比较", "Comparisons"),
    "comparisons_note": (
        "差是同一问题、同一评审人之差的均值，区间含问题与评审人两方面的不确定；p 由置换检验（按问题翻转符号）得出，"
        "只对这几位评审人成立；Holm 校正了全部 {tests} 个检验。“可检出”是这样的研究有 80 % 把握发现的最小差："
        "比它小的差没有发现，不等于没有。",
        "The difference is a mean over the same question and the same annotator; its interval holds for "
        "other questions "
        "and annotators. p comes from flipping signs by question and holds for these annotators; Holm "
        "corrects for all "
        "{tests} tests. Detectable is the smallest difference that such a study finds in 80 of 100 cases: "
        "not to have "
        "found a smaller one does not mean that there is none.",
    ),
    "dimension": ("维度", "dimension"),
    "difference": ("差", "difference"),
    "p": ("p", "p"),
    "holm": ("p（Holm）", "p (Holm)"),
    "detectable": ("可检出", "detectable"),
    "verdict": ("结论", "verdict"),
    "differs": ("有差别", "differ"),
    "these_only": ("仅对这几位评审人有差别", "differ for these annotators alone"),
    "same": ("分不出差别", "not distinguishable"),
    "no_number": ("没有数字", "no number"),
    "agreement": ("评审人是否一致", "Do the annotators agree?"),
    "agreement_note": (
        "原始一致率是两位评审人给同一分的份额，相邻一致率允许差一分；α（Krippendorff，有序）与 AC2（Gwet，"
        "有序权重，按声明的分值）"
        "扣除了偶然一致。括号内为对问题自助抽样的 95 % 区间。",
        "Raw agreement is how often two annotators give the same score, adjacent within one point. Alpha "
        "(Krippendorff, "
        "ordinal) and AC2 (Gwet, ordinal weights, on the declared scale) take out chance. Brackets: 95 % "
        "bootstrap over "
        "questions.",
    ),
    "paradox": (
        "{name}：绝大多数评分是同一个分（{share}），所以原始一致率高而 α 低。α 估计的“偶然一致”此时接近 1，"
        "分母所剩无几：它说的是"
        "“评审人分不出好坏”，不是“评审人互相矛盾”。这时请看 AC2 与原始一致率；三者并列，不能只取一个。",
        "{name}: nearly all ratings are the same score ({share}), so raw agreement is high and alpha low. "
        "The agreement "
        "that alpha expects by chance is then close to 1 and little is left to divide by: it says that "
        "annotators did not "
        "tell answers apart, not that they contradict each other. Read AC2 and raw agreement beside it; none "
        "stands alone.",
    ),
    "raw": ("原始一致", "raw"),
    "adjacent": ("相邻一致", "adjacent"),
    "alpha": ("α 有序", "alpha, ordinal"),
    "ac2": ("AC2 有序", "AC2, ordinal"),
    "frequent": ("最多的分", "most frequent"),
    "others": ("α 名义 / α 等距 / Fleiss κ", "alpha nominal / interval / Fleiss kappa"),
    "mixed": ("扣除评审人宽严之后", "With severity taken out"),
    "mixed_note": (
        "累积链接混合模型：模型为固定效应，问题与评审人为随机效应；单位是 logit，大于 0 是评得更高。",
        "A cumulative-link mixed model: models fixed, questions and annotators random. In logits; above 0 is "
        "rated higher.",
    ),
    "effect": ("效应（logit）", "effect, logits"),
    "spread": ("标准差：问题 / 评审人", "SD of questions / annotators"),
    "annotators": ("评审人", "The annotators"),
    "annotators_note": (
        "宽严是本人评分减去他人对同一回答的均值（分）：正为宽，负为严。自我一致是同一回答第二次出现时给同样分的份额。",
        "Leniency is one's rating minus the others' mean of the same answer, in points: above 0 lenient, "
        "below severe. "
        "The same twice: how often an answer that came again got the same score.",
    ),
    "annotator": ("评审人", "annotator"),
    "leniency": ("宽严", "leniency"),
    "twice": ("自我一致（差一分以内）", "the same twice (within one)"),
    "attention": ("注意力题", "attention"),
    "training": ("练习题", "training"),
    "seconds": ("每条秒数", "seconds an item"),
    "lost": ("无法判断 / 空 / 未交回", "cannot judge / empty / not returned"),
    "inattentive": (
        "注意力题没有全对：请先看这份表再采用。",
        "Not all attention items are right: look at this sheet before use.",
    ),
    "excluded": ("未采用的评审人：", "Annotators that were left out: "),
    "llm": ("模型评审", "Models that rate"),
    "llm_note": (
        "模型作为另一位评审人，与人分开列出，从不计入人的均值。偏差是模型给分减去人的均值；"
        "参照是“一个人与其他人”的一致。",
        "A model as one more annotator, apart from people and in no mean of theirs. Bias is its score minus people's "
        "mean; what its agreement is held to is that of one person with the others.",
    ),
    "bias": ("偏差", "bias"),
    "with_people": ("与人的一致：α", "with people: alpha"),
    "same_people": ("与人给分相同", "same score as people"),
    "person": ("一个人与其他人：α", "one person with the others: alpha"),
    "unparsed": ("读不出的回复", "replies that could not be read"),
    "scale": ("分值的意思", "What the scores mean"),
    "items": ("每个回答", "Every answer"),
    "answer": ("回答", "answer"),
    "empty": ("（没有回答任何内容）", "(the answer is empty)"),
    "cite": ("引用时请注明", "To cite"),
    "files": (
        "旁边的文件：table.csv、table.tex（本页第一张表）、figures.csv（全部数字）。",
        "Beside this page: table.csv and table.tex (the first table), figures.csv (every number).",
    ),
    "none": ("无", "none"),
}

REASONS: dict[str, Label] = {
    "no finite estimate: the scores of the two models do not overlap": (
        "没有有限的估计：两个模型的得分不重叠",
        "no finite estimate: the scores of the two models do not overlap",
    ),
}
"""Why an effect has no number; what is not here is shown as it is."""
