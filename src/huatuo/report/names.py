"""Chinese labels of the names that huatuo itself makes: rules, kinds, shapes, metrics, models, numbers of the stages.

English shows the name as the code writes it. Names that come from data (sources, exams, relations) have no label.
"""

from __future__ import annotations

import re

from huatuo.report import names_probed, names_trained
from huatuo.report.names_methods import METHODS
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

RULES = {
    **names_trained.RULES,
    "few_held_out": "留出的问答对不够",
    # reading
    "bad_json": "JSON 有误",
    "duplicate_key": "键重复",
    "line_too_long": "行过长",
    "lone_surrogate": "编码残缺",
    "not_an_object": "不是对象",
    "not_text": "不是文字",
    "nul_bytes": "含空字节",
    "too_deep": "嵌套过深",
    "undecodable_bytes": "无法解码",
    "held_back": "待复核而暂留",
    "changed_in_place": "直接改动原列",
    "edit_without_decision": "有修改而未决定",
    "note_without_decision": "有备注而未决定",
    "reviewer_note": "审阅者备注",
    "mixed_encodings": "编码混杂",
    "empty_file": "空文件",
    "not_finite": "非有限数",
    "no_reader": "读不了的格式",
    "no_records": "没有记录",
    "empty_value": "空值",
    "no_name": "没有名称",
    "duplicate": "重复",
    "same_value_twice": "同一值两次",
    "nothing_extracted": "文中未抽取到知识",
    "not_literal": "文中没有原话",
    "foreign_relation": "表外的关系",
    "foreign_subject": "文中没有的主体",
    "cut_word": "截断词或数字",
    "order_in_text": "文中的指令",
    "denied": "文中否认",
    "caution_as_ban": "慎用误作禁用",
    # checks of the knowledge
    "self_loop": "值是自己的名称",
    "cut_off": "被截断",
    "unit_loss": "指数丢失",
    "html_residue": "残留 HTML",
    "broken_character": "坏字符",
    "denial": "否认了所知",
    "near_copy": "与已有问题雷同",
    "no_advice": "没有劝就医",
    "no_urging": "有急症征象而未先劝就医",
    "revealed": "患者说了病例外的事",
    "repaired": "退回改过一次",
    "swapped": "张冠李戴",
    "qualifier": "漏了条件",
    "language": "语言不受支持",
    "turns": "轮次不合",
    "verdict": "判断相反",
    "twin_entities": "两个实体内容全同",
    "differing_numbers": "数字不一",
    "web_source": "整体来自网页",
    "contradiction": "互相矛盾",
    "sources_differ": "来源说法不同",
    "ambiguous_alias": "别名指不明",
    "flipped": "是非相反",
    "near_duplicate": "近似重复",
    "number_loss": "丢了数字",
    "bare_number": "只有数字",
    "says_nothing": "没有内容",
    "foreign_family": "混入他类",
    "unfit_name": "不成名称",
    "no_relation": "没有关系名",
    "no_such_relation": "没有这个关系",
    "mixed_entity": "混入别的药",
    "claim": "来源自称的疗效",
    "conflicting_class": "分类矛盾",
    "two_kinds": "一名两类",
    "alias_is_name": "别名是他物之名",
    "too_long": "过长",
    "many_values": "值过多",
    "unknown_relation": "未知关系",
    "no_facts": "没有事实",
    "text_cut_off": "文档被截断",
    "text_mojibake": "文档乱码",
    "text_unit_loss": "文档指数丢失",
    # texts
    "no_text": "没有文字",
    "no_passage_left": "没有剩下的段落",
    "too_short": "过短",
    "mostly_symbols": "多为符号",
    "repetitive": "内容重复",
    "question_alone": "只有问题",
    "unreadable": "不可读",
    "contaminated": "与考题重合",
    "mojibake": "乱码",
    "low_quality": "质量过低",
    "off_domain": "非医学领域",
    "other_language": "其他语言",
    "semantic_duplicate": "语义重复",
    "ocr_residue": "OCR 残留",
    "list_of_links": "链接列表",
    "advertisement": "广告",
    "boilerplate": "网页套话",
    "repeated_runs": "重复片段",
    "too_large": "文件过大",
    "empty_text": "空文本",
    "truncated": "压缩包不完整",
    "damaged": "压缩包损坏",
    "http_status": "网页不存在",
    "needs_ocr": "需要 OCR",
    "encrypted": "已加密",
    "reply too large": "回复过大",
    "served model differs": "实际应答的模型不同",
    # making pairs
    "withheld": "特意不教",
    "no_entity": "没提到所问之物",
    "foreign": "出现无关名称",
    "number": "数字无依据",
    "negation": "否定不符",
    "invented": "内容无依据",
    "incomplete": "不完整",
    "mixed": "张冠李戴",
    "long_question": "问题过长",
    "leak": "提到出处",
    "unparsed": "回复读不出",
    "not_drawn": "未抽中",
    "length": "超长中断",
    "refused": "拒答",
    "error": "调用失败",
    # imports and lint
    "limit": "超出上限",
    "missing_field": "缺字段",
    "wrong_shape": "结构不符",
    "odd_turns": "有问无答",
    "unknown_role": "未知角色",
    "late_system": "系统消息不在开头",
    "empty": "空",
    "wrong_order": "轮次颠倒",
    "no_answer": "没有回答",
    "empty_answer": "空回答",
    "control_character": "控制字符",
    "knowledge_leak": "提到“根据知识”",
    "knowledge_base_leak": "提到“知识库”",
    "leading_reference": "指代不明",
    "short_answer": "回答过短",
    "no_end_mark": "句末无标点",
    "loop": "复读",
    "lost_exponent": "指数丢失",
    "source_leak": "泄露所据文本",
    "unresolved_reference": "指代不明",
    "refusal": "拒答",
    "wrong_language": "语言不符",
    "dose_without_unit": "剂量无单位",
    "personal_data": "含个人信息",
    "emergency_not_urged": "有急症征象而未劝就医",
    "deidentified": "已去标识",
    "rejected": "审阅退回",
    "not_reviewed": "尚未审阅",
    "bad_decision": "审阅决定无法辨认",
    "bad_edit": "修改内容不是文本",
    "unreadable_text": "文字无法读出",
    "unknown_id": "编号不存在",
    "reviewed_twice": "重复审阅",
    "judged": "评分低于门槛",
    "judge_unscored": "评分无法读出",
    "possible_exam_overlap": "可能与考题重合",
    "validation_share": "验证份额未达到",
    # order, tokens, training
    "validation": "留作验证",
    "no copies": "份数为 0",
    "no position": "不在训练顺序中",
    "format": "格式不合",
    "nothing to learn": "没有可学的词元",
    "overlong": "超出窗口",
    "not tokenised": "没有切词元",
    "after the last step": "训练结束前没轮到",
    "only in a question": "只在题干里",
    "corroborates": "他源亦有此条",
    # questions and answers
    "relation not probed": "不考的关系",
    "not drawn": "未抽中",
    "answer is no option": "答案不在选项中",
    "answers disagree": "两处答案不一致",
    "label twice": "选项标号重复",
    "formula": "单元格是公式",
    "wrong_number_of_cells": "单元格数不符",
    "no kind": "题型未说明",
    "no reference": "没有参考答案",
    "subject not asked": "不考的科目",
    "left to a judge": "留给评判者",
    "freshness": "考试是否新于数据",
    "empty option": "空选项",
    "options alike": "选项相同",
    "contradictory answers": "答案互相矛盾",
    "broken character": "坏字符",
    "no options": "没有选项",
    "no answer": "没有答案",
    "no question": "没有题干",
    "two answers to a single": "单选题有两个答案",
    "unknown kind": "题型不明",
    "unknown question": "题目不明",
    "model error": "模型出错",
    "near tie": "最高两项几乎相等",
    "text shortened": "材料有删节",
}

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
    "tokens_per_char": "每字词元",
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
