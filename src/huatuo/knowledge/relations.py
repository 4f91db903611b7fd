"""Names of relations: one canonical name for the spellings that Chinese medical graphs use, and what is known per kind.

Sources: the 23 predicates of CMeKG_tools' ``predicate.json``, the attribute lists of CMeKG's disease, drug and symptom
pages, and the record keys printed in HuaTuo (arXiv 2304.06975, Table 1 and README).
"""

from __future__ import annotations

ALIASES: dict[str, str] = {
    "适应症": "适应证",  # predicate.json; the pharmacopoeia writes 适应证
    "成份": "成分",  # predicate.json
    "主要成份": "成分",
    "主要成分": "成分",
    "禁忌证": "禁忌",  # CMeKG drug page
    "禁忌症": "禁忌",
    "临床表现": "临床症状",  # predicate.json; records write 临床症状
    "所属科目": "所属科室",  # CMeKG drug page
    "相关科室": "所属科室",  # symptom records
    "就诊科室": "所属科室",
    "用法与用量": "用法用量",
    "相互作用": "药物相互作用",
    "贮存": "贮藏",
    "储藏": "贮藏",
    "英文名": "英文名称",
    "通用名称": "通用名",
    "OTC分类": "OTC类型",
    "药物疗法": "药物治疗",
}
"""Spelling in a source → canonical name. Only spellings of one relation: 副作用 is not 不良反应, 检查 not 辅助检查."""

DISEASE = (
    "临床症状 并发症 药物治疗 辅助治疗 手术治疗 治疗 辅助检查 检查 实验室检查 影像学检查 "
    "组织学检查 内窥镜检查 高危因素 病因 病史 发病部位 发病机制 发病率 多发地区 多发群体 "
    "多发季节 传播途径 相关疾病 相关症状 鉴别诊断 诊断依据 预防 预后 所属科室 "
    "侵及周围组织转移的症状 转移部位 分期分型 遗传因素 发病年龄 死亡率"
)
DRUG = (
    "适应证 不良反应 禁忌 药物相互作用 注意事项 分类 性状 英文名称 规格 OTC类型 通用名 "
    "成分 用法用量 贮藏 有效期 药理作用 功能主治 主治 所属科室 是否纳入医保 化学成分"
)
HERB = "功效 主治 功能主治 性味 归经 入药部位 用法用量 贮藏 注意事项 禁忌 不良反应 性状 化学成分 产地 采集加工 药理作用"
SYMPTOM = "检查 相关疾病 相关症状 病因 所属科室 发病部位 治疗 药物治疗 辅助检查 鉴别诊断 高危因素 多发群体"

KNOWN: dict[str, frozenset[str]] = {
    "disease": frozenset(DISEASE.split()),
    "drug": frozenset(DRUG.split()),
    "herb": frozenset(HERB.split()),
    "symptom": frozenset(SYMPTOM.split()),
}
"""Canonical relations per kind; a relation that is not here is taken all the same, with a note."""


def canonical(relation: str) -> str:
    """The canonical name of a relation; the name itself, without outer blanks, where it is no known spelling."""
    name = relation.strip()
    return ALIASES.get(name, name)


def is_known(kind: str, relation: str) -> bool:
    """Whether the canonical relation is known for the kind; always true for a kind that has no list."""
    return kind not in KNOWN or relation in KNOWN[kind]
