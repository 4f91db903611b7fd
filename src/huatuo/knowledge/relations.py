"""Names of relations: one canonical name for the spellings that Chinese medical graphs use, and what is known per kind.

Sources: the 23 predicates of CMeKG_tools' ``predicate.json``, the attribute lists of CMeKG's disease, drug, symptom
and treatment pages, the record keys printed in HuaTuo (arXiv 2304.06975, Table 1 and README), and the relationship
types of the public Neo4j graph made from the xywy crawl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ALIASES: dict[str, str] = {
    # drugs
    "适应症": "适应证",  # predicate.json; the pharmacopoeia writes 适应证
    "成份": "成分",  # predicate.json
    "主要成份": "成分",
    "主要成分": "成分",
    "药物成分": "成分",
    "药物成份": "成分",
    "禁忌证": "禁忌",  # CMeKG drug page
    "禁忌症": "禁忌",
    "用药禁忌": "禁忌",
    "慎用人群": "慎用",
    "用法与用量": "用法用量",
    "用法和用量": "用法用量",
    "相互作用": "药物相互作用",
    "贮存": "贮藏",
    "储藏": "贮藏",
    "储存": "贮藏",
    "贮存条件": "贮藏",
    "英文名": "英文名称",
    "通用名称": "通用名",
    "药品通用名": "通用名",
    "OTC分类": "OTC类型",
    "OTC": "OTC类型",
    "药品分类": "分类",
    "药物分类": "分类",
    "注意": "注意事项",
    "药品规格": "规格",
    # diseases and symptoms
    "临床表现": "临床症状",  # predicate.json; records write 临床症状
    "临床症状及体征": "临床症状",  # CMeKG disease page
    "症状及体征": "临床症状",
    "症状": "临床症状",
    "药物疗法": "药物治疗",
    "所属科目": "所属科室",  # CMeKG drug page
    "相关科室": "所属科室",  # symptom records
    "就诊科室": "所属科室",
    "科室": "所属科室",
    "检查科目": "所属科室",  # CMeKG treatment page
    "发病原因": "病因",
    "致病因素": "病因",
    "易感人群": "多发群体",
    "好发人群": "多发群体",
    "多发人群": "多发群体",
    "预后状况": "预后",  # CMeKG disease page
    "发病机理": "发病机制",
    "传染途径": "传播途径",
    "影像学": "影像学检查",
    # herbs
    "药用部位": "入药部位",
    "性味归经": "性味与归经",
    "功能与主治": "功能主治",
}
"""Spelling in a source → canonical name. Only spellings of one relation: 副作用 is not 不良反应, 检查 not 辅助检查."""

ENGLISH: dict[str, str] = {
    "symptom": "临床症状",
    "symptomandsign": "临床症状",
    "manifestation": "临床症状",
    "complication": "并发症",
    "acompanywith": "并发症",  # as the public xywy graph spells it
    "accompanywith": "并发症",
    "needcheck": "检查",
    "check": "检查",
    "examination": "检查",
    "laboratoryexamination": "实验室检查",
    "auxiliaryexamination": "辅助检查",
    "commondrug": "药物治疗",
    "recommanddrug": "药物治疗",  # as the public xywy graph spells it
    "recommenddrug": "药物治疗",
    "drugtherapy": "药物治疗",
    "adjuvanttherapy": "辅助治疗",
    "operation": "手术治疗",
    "treatment": "治疗",
    "cureway": "治疗",
    "cause": "病因",
    "etiology": "病因",
    "prevention": "预防",
    "department": "所属科室",
    "belongsto": "所属科室",
    "highriskfactor": "高危因素",
    "riskfactor": "高危因素",
    "diseasesite": "发病部位",
    "relateddisease": "相关疾病",
    "relatedsymptom": "相关症状",
    "doeat": "宜吃食物",
    "noeat": "忌吃食物",
    "recommandeat": "推荐食谱",  # as the public xywy graph spells it
    "recommendeat": "推荐食谱",
    "indication": "适应证",
    "contraindication": "禁忌",
    "adversereaction": "不良反应",
    "ingredient": "成分",
    "precaution": "注意事项",
    "druginteraction": "药物相互作用",
    "dosage": "用法用量",
    "synonym": "别名",
    "alias": "别名",
    "altlabel": "别名",
}
"""English name, folded by `_folded` → canonical name: ``HAS_SYMPTOM``, ``hasSymptom`` and ``symptoms`` are one."""

NAME_RELATIONS = frozenset({"别名", "别称", "又名", "俗称", "同义词", "曾用名", "其他名称"})
"""Relations whose values are other names of the entity."""

SELF_NAMING = frozenset({"通用名", "英文名称", "商品名", "成分", "化学名", "化学成分"})
"""Relations whose value may be the entity's own name: the generic name and the ingredient of a drug are the drug."""

DISEASE = (
    "临床症状 并发症 药物治疗 辅助治疗 手术治疗 治疗 治疗方案 辅助检查 检查 实验室检查 影像学检查 "
    "组织学检查 内窥镜检查 高危因素 病因 病史 发病部位 发病机制 发病率 多发地区 多发群体 "
    "多发季节 传播途径 相关疾病 相关症状 鉴别诊断 诊断依据 预防 预后 预后生存率 预后生存时间 所属科室 "
    "侵及周围组织转移的症状 转移部位 分期分型 病理分型 病理生理 遗传因素 发病年龄 发病性别倾向 死亡率 "
    "阶段 传染性 遗传性 相关导致 ICD-10"
)
DRUG = (
    "适应证 不良反应 禁忌 慎用 药物相互作用 注意事项 分类 性状 英文名称 规格 OTC类型 通用名 "
    "成分 用法用量 贮藏 有效期 药理作用 功能主治 主治 所属科室 是否纳入医保 化学成分"
)
HERB = (
    "功效 主治 功能主治 性味 性味与归经 归经 入药部位 用法用量 贮藏 注意事项 禁忌 不良反应 性状 化学成分 产地 "
    "采集加工 药理作用 规格 成分 慎用"
)
SYMPTOM = (
    "检查 相关疾病 相关症状 病因 所属科室 发病部位 治疗 治疗方案 药物治疗 辅助治疗 辅助检查 实验室检查 鉴别诊断 "
    "高危因素 多发群体 病理分型 并发症 传染性 传播途径 预防 相关导致 阶段 临床症状 ICD-10"
)

KNOWN: dict[str, frozenset[str]] = {
    "disease": frozenset(DISEASE.split()),
    "drug": frozenset(DRUG.split()),
    "herb": frozenset(HERB.split()),
    "symptom": frozenset(SYMPTOM.split()),
}
"""Canonical relations per kind; a relation that is not here is taken all the same, with a note."""

KINDS: dict[str, str] = {
    "百种常见病": "disease",
    "疾病": "disease",
    "病": "disease",
    "disease": "disease",
    "症状": "symptom",
    "symptom": "symptom",
    "西药": "drug",
    "中成药": "drug",
    "药物": "drug",
    "药品": "drug",
    "药": "drug",
    "drug": "drug",
    "medicine": "drug",
    "中药": "herb",
    "中药材": "herb",
    "中草药": "herb",
    "草药": "herb",
    "herb": "herb",
    "检查": "examination",
    "check": "examination",
    "examination": "examination",
    "诊疗": "procedure",
    "检查诊疗技术": "procedure",
    "手术治疗": "procedure",
    "科室": "department",
    "department": "department",
}
"""Class, label or type in a source, in lower case → kind; any other is the kind itself."""

UNSTATED = "entity"
"""Kind of an entity whose source states none, where its relations do not tell either."""


def _folded(name: str) -> str:
    """An English name in lower case without blanks, marks, a leading ``has`` and a plural s."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return bare.removeprefix("has").removesuffix("s")


_ENGLISH = {_folded(name): relation for name, relation in ENGLISH.items()}


def canonical(relation: str) -> str:
    """The canonical name of a relation; the name itself, without outer blanks, where it is no known spelling."""
    name = relation.strip()
    if name in ALIASES:
        return ALIASES[name]
    return _ENGLISH.get(_folded(name), name) if name.isascii() else name


def is_known(kind: str, relation: str) -> bool:
    """Whether the canonical relation is known for the kind; of a kind that has no list, for any kind."""
    return relation in KNOWN[kind] if kind in KNOWN else any(relation in known for known in KNOWN.values())


def kind_of(label: str) -> str:
    """The kind that a class, label or type of a source means; the label itself where it is not known."""
    return KINDS.get(label.strip().lower(), label.strip())


def kind_by_relations(relations: Iterable[str]) -> str:
    """The kind whose list alone holds some of the canonical relations; `UNSTATED` where none or several do.

    性味 stands in the list of herbs alone; 检查 in two lists, so it tells nothing.
    """
    told = set()
    for relation in relations:
        kinds = [kind for kind, known in KNOWN.items() if relation in known]
        if len(kinds) == 1:
            told.add(kinds[0])
    return told.pop() if len(told) == 1 else UNSTATED
