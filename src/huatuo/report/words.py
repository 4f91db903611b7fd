"""The page's own words in Chinese and English. Rule names, sources and model output are shown as they are."""

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
    "worse_first": (
        "注意：训练后的模型在下列项目上比基础模型差：",
        "Mind: after training the model is worse than the base on:",
    ),
    "leak_first": (
        "注意：模型答出了特意不教的内容，对照失效（请查泄漏）：",
        "Mind: the model answers what was kept from it on purpose, so the control fails (look for a leak):",
    ),
    "switch": ("语言", "Language"),
    "results": ("学到了吗？", "Did it learn?"),
    "results_note": (
        "同样的问题，训练前（基础）与训练后（我们）各答一次。方括号内为 95 % 置信区间；参照是不懂内容也能得的分数。",
        "The same questions before (base) and after training (ours). Brackets hold the 95 % interval; "
        "the baseline is what can be scored without knowing anything.",
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
    "all_figures": ("全部数字、区间与签名", "All numbers, intervals and signatures"),
    "not_run": ("尚未运行", "not run yet"),
    "nothing": ("无", "none"),
    "flow": ("从知识到回答", "From knowledge to answers"),
    "flow_note": (
        "框下的数字是各阶段去掉或留待以后的记录。",
        "Under each box: what the stage dropped or left for later.",
    ),
    "figures": ("图", "Figures"),
    "composition": ("训练过程中各来源的占比", "Share of each source along training"),
    "loss": ("训练损失（每个所学词元）", "Training loss (per learned token)"),
    "loss_short": ("损失", "loss"),
    "scores": ("训练前后得分（线段为 95 % 区间）", "Scores before and after (lines: 95 % interval)"),
    "position": ("训练顺序中的位置", "position in the training order"),
    "step": ("步", "step"),
    "samples": ("回答样例", "Sample answers"),
    "samples_note": (
        "按问题编号的散列抽取，不是挑选的。模型的回答原样显示，可能有误。",
        "Drawn by a hash of the question's id, not chosen. Answers are shown as given and may be wrong.",
    ),
    "right": ("答对", "right"),
    "wrong": ("答错", "wrong"),
    "exam_samples": ("考题样例", "Exam samples"),
    "question": ("问题", "question"),
    "gold": ("标准答案", "gold"),
    "answer_base": ("基础模型", "base"),
    "answer_ours": ("我们的模型", "ours"),
    "empty_answer": ("（空）", "(empty)"),
    "checked": ("知识与数据的检查", "Knowledge and data, checked"),
    "findings": ("检查发现", "Findings by rule"),
    "entities": ("实体", "Entities by kind"),
    "pairs": ("问答对：形式 × 来源", "Pairs by shape and source"),
    "dropped": ("各阶段去掉或留下的记录", "Dropped or left, by stage and rule"),
    "ledger": ("知识台账", "Ledger of facts"),
    "ledger_note": ("每条事实由多少问答对教过。", "By how many training pairs each fact is taught."),
    "taught_by": ("教它的问答对数", "pairs that teach it"),
    "untaught": ("未教的事实及原因", "Untaught facts, with the reason"),
    "contamination": ("与考题重合而去掉的记录", "Records dropped because they overlap with the questions"),
    "leaks": ("训练数据中出现的考题", "Exam questions that stand in the training pairs"),
    "stage_figures": ("各阶段的数字", "Numbers of the stages"),
    "facts": ("事实", "facts"),
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
    "control-holds": ("对照成立：没教的答不出", "control holds: not taught, not known"),
    "control-leak": ("对照失效：没教的也答得出", "control fails: knows what it was not taught"),
}

GROUPS: dict[str, Label] = {
    "held-out phrasings": ("没训练过的问法", "held-out phrasings"),
    "held-out, no shared word": ("没训练过、疑问词也不同的问法", "held-out, no shared word"),
    "trained phrasings": ("训练过的问法", "trained phrasings"),
    "not taught after all": ("本应教、实际没教的", "not taught after all"),
    "withheld entities": ("特意不教的实体（对照）", "withheld entities (control)"),
}

BASELINES: dict[str, Label] = {
    "random": ("随机猜测", "random"),
    "most frequent": ("最常见的答案", "most frequent"),
}

METRICS: dict[str, Label] = {
    "accuracy": ("正确率", "accuracy"),
    "exact": ("完全正确", "exact"),
    "f1": ("F1", "F1"),
    "bleu": ("BLEU", "BLEU"),
    "rouge-l": ("ROUGE-L", "ROUGE-L"),
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
}


def label(table: dict[str, Label], name: str) -> Label:
    """The two words for a name; the name itself twice where the table has none."""
    return table.get(name, (name, name))


def spoken(words: Label, language: str) -> Markup:
    """HTML of the words: one span per language when the reader may switch, one word otherwise."""
    if words[0] == words[1] or language in ("zh", "en"):
        return escape(words[1] if language == "en" else words[0])
    return Markup('<span class="zh" lang="zh">{}</span><span class="en" lang="en">{}</span>').format(*words)
