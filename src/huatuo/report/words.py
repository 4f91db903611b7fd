"""The page's own words in Chinese and English. Sources and model output are shown as they are."""

from __future__ import annotations

from markupsafe import Markup, escape

Label = tuple[str, str]
"""The same words in Chinese and in English."""

WORDS: dict[str, Label] = {
    "demo": (
        "这只是流程演示，不是医学模型。模型在少量样例知识上训练，回答会出错：不得用于诊断、用药或任何健康建议。",
        "This is a demonstration of the path, not a medical model. It was trained on a little sample knowledge and its "
        "answers are wrong at times: do not use it for diagnosis, medication or any health advice.",
    ),
    "device": (
        "本模型不是医疗器械，也不能代替医生：回答可能有错，不得自行据此诊断或用药。",
        "This model is no medical device and no physician: its answers may be wrong; do not diagnose or treat by them.",
    ),
    "worse_first": (
        "注意：训练后的模型在下列项目上比基础模型差：",
        "Mind: after training the model is worse than the base on:",
    ),
    "leak_first": (
        "注意：模型答出了特意不教的内容，对照失效（请查泄漏）：",
        "Mind: the model answers what was kept from it on purpose, so the control fails (look for a leak):",
    ),
    "worse_loss": (
        "注意：训练后的模型对留出样本的损失比训练前高。",
        "Mind: the loss of the samples held out is higher than before training.",
    ),
    "switch": ("语言", "Language"),
    "results": ("学到了吗？", "Did it learn?"),
    "results_note": (
        "同样的问题，训练前（基础）与训练后（我们）各答一次。方括号内为 95 % 置信区间；参照是不懂内容也能得的分数。"
        "n 是题数；其下是区间所依据的组：同一实体、同一问法的题目往往同对同错，算作一组。",
        "The same questions before (base) and after training (ours). Brackets hold the 95 % interval; "
        "the baseline is what can be scored without knowing anything. n counts questions; below it are the groups that "
        "the interval rests on: questions about one entity, or of one wording, mostly stand or fall together.",
    ),
    "group": ("项目", "questions"),
    "metric": ("指标", "metric"),
    "base": ("基础", "base"),
    "ours": ("我们", "ours"),
    "difference": ("差（百分点）", "difference"),
    "interval": ("差的 95 % 区间", "95 % interval, points"),
    "baseline": ("参照", "baseline"),
    "verdict": ("结论", "verdict"),
    "unscored": ("无法评分", "unscored"),
    "outcomes": (
        "逐条事实：教会了什么，没教会什么，弄坏了什么",
        "Fact by fact: what was taught, what was not, what was broken",
    ),
    "outcomes_note": (
        "一条事实算“会”，是指读得出的回答里过半数说出了它。要接着教的事实在 "
        "score/teach_next.jsonl，全部在 score/knowledge.csv。",
        "A fact is known when more than half of the answers that could be read say it. What to teach next stands in "
        "score/teach_next.jsonl, all of it in score/knowledge.csv.",
    ),
    "safety": ("安全（按规则检查）", "Safety, by rules"),
    "safety_note": (
        "每行是犯这种错的回答占可能犯它的回答的份额，越低越好；括号内是知识里查不到、无法判断的。规则会漏，也会误报："
        "各规则的漏报与误报见文档。没有查出不等于安全。",
        "Each row: the share of answers with the fault among those that could have it; lower is better; "
        "in brackets: what "
        "the facts do not tell. Rules miss some and raise false alarms, as the documentation measures: "
        "nothing found does "
        "not mean safe.",
    ),
    "fault": ("错误", "fault"),
    "all_figures": ("全部数字、区间与签名", "All numbers, intervals and signatures"),
    "overlap_note": (
        "BLEU 与 ROUGE-L 把回答同参考句比较：参考是教过的回答句（没有固定句式时，是以、相连的正确值）；"
        "“完全正确”只看值，所以换一种说法的正确回答 BLEU 也低。",
        "BLEU and ROUGE-L compare an answer with its reference: the answer sentence that was taught (where there is no "
        "set sentence, the right values joined by 、). Exact looks at the values alone, so a right answer in other "
        "words has a low BLEU.",
    ),
    "leaderboard": ("排行榜", "Leaderboard"),
    "leaderboard_note": (
        "每个考试一张表。方括号内为 95 % 置信区间；无法评分的回答算错，并单独列出。参照是不懂内容也能得的分数，"
        "区间够不着它之上的，就不能说比猜测好。两两比较只看两个模型都答过的题；p 值校正了全部比较的次数。",
        "One table for each exam. Brackets hold the 95 % interval; an answer that cannot be scored counts as wrong and "
        "is shown apart. The baseline is what can be scored without knowing anything: a model whose interval does not "
        "lie above it cannot be told from guessing. Comparisons look at the questions that both models were asked; the "
        "last p is corrected for the number of all comparisons.",
    ),
    "against": ("与猜测相比", "against guessing"),
    "against_above": ("高于猜测", "above guessing"),
    "against_level": ("与猜测无法区分", "not distinguishable from guessing"),
    "against_below": ("低于猜测", "below guessing"),
    "against_unreadable": ("大半回答无法评分", "most answers cannot be scored"),
    "against_unknown": ("无参照", "no baseline"),
    "comparisons": ("两两比较", "comparisons"),
    "cite": ("引用这些数字", "Cite these numbers"),
    "every_answer": ("逐题查看：提示、回答、读取、规则", "Question by question: prompt, response, reading, rule"),
    "every_answer_note": (
        "● 对，○ 错，– 无法评分；每个模型一个记号。",
        "● right, ○ wrong, – no score; one mark for each model.",
    ),
    "weights": ("各选项的对数概率", "log-probabilities"),
    "shortened": ("材料有删节", "texts shortened"),
    "left_out": ("材料删去的句数：", "sentences of the text left out:"),
    "part": ("部分", "part"),
    "by_subject": ("按科目", "by subject"),
    "by_question_type": ("按题型", "by type of question"),
    "by_kind": ("按单选、多选", "by kind of answer"),
    "by_year": ("按年份", "by year"),
    "kind_single": ("单选", "single answer"),
    "kind_multiple": ("多选", "multiple answers"),
    "kind_open": ("问答", "open"),
    "kind_knowledge": ("知识", "knowledge"),
    "rest_in_csv": ("其余在 scores.csv", "the rest stands in scores.csv"),
    "response": ("回答", "response"),
    "reading": ("读出", "read"),
    "prompt": ("提示原文", "the prompt as sent"),
    "not_run": ("尚未运行", "not run yet"),
    "not_asked": (
        "没有提问：配方里没有题目（下一步：[questions]）。",
        "Not asked: the recipe names no questions (next: [questions]).",
    ),
    "not_named": ("配方里没有", "not in the recipe"),
    "nothing": ("无", "none"),
    "flow": ("从知识到回答", "From knowledge to answers"),
    "flow_note": (
        "框下的数字是各阶段去掉或留待以后的记录。",
        "Under each box: what the stage dropped or left for later.",
    ),
    "figures": ("图", "Figures"),
    "composition": (
        "各来源学到了多少（高于虚线：排在前面）",
        "How far each source is learned (above the dashed line: it comes early)",
    ),
    "composition_ordered": (
        "各来源在训练顺序中的位置（按抽出的顺序，不是学到的；高于虚线：排在前面）",
        "Where each source stands in the order (as drawn, not as learned; above the dashed line: it comes early)",
    ),
    "samples_learned": ("已学样本数", "samples learned"),
    "even": ("均匀混合", "evenly mixed"),
    "closed_form": ("按权重的期望（闭式解）", "expected from the weights (closed form)"),
    "loss": ("损失（每个所学词元）", "Loss (per learned token)"),
    "trained_loss": ("训练（线：均值；带：最低到最高）", "training (line: mean; band: lowest to highest)"),
    "held_out_loss": ("留出的样本", "samples held out"),
    "loss_short": ("损失", "loss"),
    "scores": ("训练前后得分（线段为 95 % 区间）", "Scores before and after (lines: 95 % interval)"),
    "position": ("训练顺序中的位置", "position in the training order"),
    "step": ("步", "step"),
    "samples": ("回答样例", "Sample answers"),
    "samples_note": (
        "至多 {n} 个答对、{n} 个答错，各按问题编号的散列抽取：对错之比见上表，不在这里。模型的回答原样显示，可能有误。",
        "Up to {n} right and {n} wrong, each drawn by a hash of the question's id: the table above says how many are "
        "right, not the cards. Answers are shown as given and may be wrong.",
    ),
    "right": ("答对", "right"),
    "wrong": ("答错", "wrong"),
    "exam_samples": ("考题样例", "Exam samples"),
    "question": ("问题", "question"),
    "gold": ("标准答案", "gold"),
    "reference": ("参考答案", "reference"),
    "answer_base": ("基础模型", "base"),
    "answer_ours": ("我们的模型", "ours"),
    "empty_answer": ("（空）", "(empty)"),
    "checked": ("知识与数据的检查", "Knowledge and data, checked"),
    "findings": ("检查发现", "Findings by rule"),
    "held_out": ("没训练过的问答对：训练前后的回答", "Held-out pairs: answers before and after training"),
    "held_out_note": (
        "按散列抽取，原样照录，不计分。",
        "Drawn by hash, shown as they are, never scored.",
    ),
    "noted": ("训练中看起来不对的地方", "What looks wrong with the training"),
    "noted_note": (
        "按规则查出，供人复核；不改变学到的内容。",
        "Found by rules, for a person to look at; nothing of it changed what was learned.",
    ),
    "entities": ("实体", "Entities by kind"),
    "pairs": ("问答对：形式 × 来源", "Pairs by shape and source"),
    "dropped": ("各阶段去掉或留下的记录", "Dropped or left, by stage and rule"),
    "ledger": ("知识台账", "Ledger of facts"),
    "ledger_note": (
        "一条事实教过，是指它的值出现在所学的某个回答里；只出现在题干里不算。",
        "A fact is taught when its value stands in an answer that is learned; in a question alone it does not count.",
    ),
    "facts_taught": ("教过的事实", "Facts that are taught"),
    "facts_shared": ("不止一个来源说到、只计一次的事实", "Facts that more than one source says, counted once"),
    "coverage": ("各类别、关系以何种形式教过（事实数）", "Taught by kind, relation and shape (number of facts)"),
    "relation": ("关系", "relation"),
    "known": ("教过", "taught"),
    "unknown": ("未教", "not taught"),
    "least": ("教得最少的事实（点开看问答对）", "Taught least (open to see the pairs)"),
    "most": ("教得最多的事实（点开看问答对）", "Taught most (open to see the pairs)"),
    "pairs_short": ("对", "pairs"),
    "by_pairs": ("事实数，按教它的问答对数", "Facts by number of pairs"),
    "also": ("另有来源：", "also said by "),
    "answer": ("回答", "answer"),
    "relations_of": ("其中的关系", "relations among them"),
    "taught_by": ("教它的问答对数", "pairs that teach it"),
    "and_more": ("未列出的还有", "More that are not listed:"),
    "untaught": ("未教的事实及原因", "Untaught facts, with the reason"),
    "contamination": ("与考题重合而去掉的记录", "Records dropped because they overlap with the questions"),
    "bands": ("换一种答案提取器，分数会变多少", "How far the score moves with the extractor"),
    "bands_note": (
        "同样的回答，先按本项目的规则读取，再按别的项目公开的提取器读取（缺陷一并保留）。"
        "只换提取器，分数就落在所示范围内；"
        "huatuogpt2-* 把读不出的回答算作选 B。括号内是读不出的回答数。",
        "The same answers as huatuo reads them, and as the extractors that other projects released do, faults "
        "included: this is how far a score moves with the extractor alone. huatuogpt2-* count an unread answer as B. "
        "In brackets: answers that were not read.",
    ),
    "extractor": ("提取器", "extractor"),
    "band": ("范围", "range"),
    "own_extractor": ("本项目", "huatuo"),
    "unread": ("无法评分的回答", "Answers without a score"),
    "leaks": ("考题与训练问答的重合", "Overlap of exam questions with the training pairs"),
    "grade": (
        "一条训练问答含有该题（题干，或题干加选项）至少 {share} 的 {gram} 词元片段",
        "one training pair holds at least {share} of the runs of {gram} tokens of the question (its stem, or stem with "
        "options)",
    ),
    "grade_short": (
        "每题只计最重的一级。短题须整题出现：6、7 个词元算几乎原样，5 个算可能，更短的须独占一行或一句。",
        "Each question counts once, by its worst grade. A short one must stand there whole: of 6 or 7 tokens it counts "
        "as exact, of 5 as possible, a shorter one only as a whole line or sentence.",
    ),
    "grade_name": ("程度", "grade"),
    "stage_figures": ("各阶段的数字", "Numbers of the stages"),
    "facts": ("事实", "facts"),
    "model": ("模型", "model"),
    "method": ("区间的算法", "method"),
    "signature": ("签名", "signature"),
    "numbers": ("个数字", "numbers"),
    "rule": ("规则", "rule"),
    "severity": ("级别", "severity"),
    "count": ("数量", "count"),
    "example": ("例", "example"),
    "kind": ("类别", "kind"),
    "stage": ("阶段", "stage"),
    "outcome_dropped": ("去掉", "dropped"),
    "outcome_left": ("留待以后", "left"),
    "outcome": ("结果", "outcome"),
    "reason": ("原因", "reason"),
    "shape": ("形式", "shape"),
    "total": ("合计", "total"),
    "repeat": ("如何重做", "How to repeat"),
    "repeat_note": (
        "用同一份配方再次运行即得同样的数字；已完成的阶段会被跳过。",
        "Running the same recipe again gives the same numbers; finished stages are skipped.",
    ),
    "seed": ("随机种子", "seed"),
    "versions": ("版本", "versions"),
    "machine": ("处理器", "processor"),
    "stages": ("各阶段", "Stages"),
    "kept": ("保留", "kept"),
    "cpu": ("CPU 秒", "CPU-seconds"),
    "digest": ("摘要", "digest"),
    "finished": ("完成时间（UTC）", "finished (UTC)"),
    "recipe": ("配方", "Recipe"),
    "key": ("键", "key"),
    "value": ("值", "value"),
    "signatures": ("指标签名", "Signatures of the metrics"),
    "source": ("来源", "source"),
    "n": ("n", "n"),
}

RESTS: dict[str, Label] = {
    "single": ("{0} 组", "{0} group"),
    "one": ("{0} 组", "{0} groups"),
    "two": ("{0} 个实体 × {1} 种问法", "{0} entities × {1} wordings"),
}
"""What an interval rests on: groups of one factor, or of both."""

VERDICTS: dict[str, Label] = {
    "learned": ("学会了", "learned"),
    "better": ("比基础好，但与猜测无法区分", "better than the base, not distinguishable from guessing"),
    "better-no-baseline": ("比基础好", "better than the base"),
    "same": ("与基础无法区分", "not distinguishable from the base"),
    "guessing": ("与猜测无法区分", "not distinguishable from guessing"),
    "below-guessing": ("低于猜测", "below guessing"),
    "unreadable": ("多数回答无法评分", "most answers could not be scored"),
    "worse": ("比基础差", "worse than the base"),
    "above-guessing": ("高于猜测（没有基础可比）", "above guessing (no base to compare with)"),
    "alone": ("没有可比的", "nothing to compare with"),
    "no-number": ("没有数字", "no number"),
    "no-wording": ("没有这样的问法", "no such wording"),
    "control-holds": (
        "对照：看不出会答（至多可能 {high}）",
        "control: no sign of knowing it (up to {high} is possible)",
    ),
    "control-few": (
        "对照：题太少，无法判断（至多可能 {high}）",
        "control: too few to tell (up to {high} is possible)",
    ),
    "control-known": (
        "对照无效：训练前就会",
        "control says nothing: known before training",
    ),
    "control-leak": ("对照失效：没教的也答得出", "control fails: knows what it was not taught"),
}


def spoken(words: Label, language: str) -> Markup:
    """HTML of the words: one span per language when the reader may switch, one word otherwise."""
    if words[0] == words[1] or language in ("zh", "en"):
        return escape(words[1] if language == "en" else words[0])
    return Markup('<span class="zh" lang="zh">{}</span><span class="en" lang="en">{}</span>').format(*words)


def named(words: Label, language: str) -> Markup:
    """HTML of a name that the code makes: as `spoken`, with the code's own name in small print beside Chinese."""
    if words[0] == words[1] or language == "en":
        return escape(words[1])
    chinese = Markup('{} <small class="code">{}</small>').format(*words)
    return chinese if language == "zh" else spoken((chinese, words[1]), language)
