"""Reading the set of values out of an answer to a knowledge question.

The values of a relation that the graph knows are found first, longest first, so ``恶心和呕吐`` is not cut at 和. All
that is left must be a frame: the asked entity, function words, words of the relation, courtesy and advice. What is none
of these is an extra, so an answer that adds, denies or hedges anything in words that are not known is never exact.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

RULES = "knowledge.v2"
"""Name of this set of rules in signatures; raised when a reading changes."""

_VALUE, _ENTITY, _OTHER = 0xF0000, "\ue001", "\ue002"  # private characters that stand for a value, and for entities
_V = f"[{chr(_VALUE)}-{chr(0xFFFFD)}]"
_SENTENCE = re.compile(r"[。;!?]+|\.(?=\s|$)")
_CLAUSE = re.compile(r"[。;!?,:\n]+|\.(?=\s|$)")
_MARKUP = re.compile(r"[*`]+|^[ \t]*(?:#+|>)[ \t]*|[\u200b\ufeff]", re.MULTILINE)
_CIRCLED = re.compile(r"[\u2460-\u2473]")
_NUMBER = re.compile(
    r"(?m)^\s*(?:[(\[]?\d{1,2}[)\].、:]|[(\[]?[一二三四五六七八九十][)\]、]|[-•·])\s*"
    r"|(?<=[。;、,\n:])\s*[(\[]?\d{1,2}[)\].、]\s*"
)
_BLANK = re.compile(r"[\s\"'“”‘’「」『』《》()\[\]【】~]+")
_DENIED = re.compile(
    r"没有|不包括|不包含|不是|并非|不存在|不属于|除外|未见|[都均并]不|不会|不能|不宜|不对|不正确|错误|无关"
)
_BACK = re.compile(r"以上|上述|这些|它们|[都均皆]")
"""Words that take up what was listed: a clause without a value may follow the list only with one of them."""


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_JOINS = frozenset(_listed("和 与 及 或 以及 还有 及其 或者 并 伴 and"))
_TAIL_ONLY = frozenset(["等", "等等"])

_FRAME = _listed("""
    的 了 有 是 为 在 于 与 和 及 或 由 以 可 会 能 常 也 都 均 皆 等 等等 时 其 还 需 应 要 做 见 吃 患 得了
    患上 患有 以及 还有 或者 并 及其 and 具有 含有 包括 包含 可见 见于 多见于 位于 发生在 出现 可出现 伴有 伴随
    表现 表现为 引起 导致 造成 引发 并发 合并 使用 采用 选用 应用 服用 选择 进行 考虑 属于 归为 称为 通过 用于
    可用于 用来 作为 有关 相关 对应 可以 可能 应该 应当 需要 必须 通常 一般 往往 常常 经常 常见 常用 主要 典型
    较常见 最常见 多为 常为 分别 分别是 例如 比如 如下 以下 下列 如 几种 几类 几项 几个 几点 几方面 多种 方面
    内容 情况 项目 种类 以上 上述 这些 它们 就是 即 即为 此外 另外 同时 首先 其次 最后 对于 关于 根据 按照 按 从
    来说 来看 来讲 而言 记载 药典 说明书 教科书 指南 资料 文献 临床 临床上 医学上 医学 患者 病人 人 的人 患者的
    诊断 一种 一类 该病 此病 这种病 这种疾病 该疾病 本病 这个病 它 它的 他 她 该药 此药 本药 本品 这种药 该药物
    这种药物 该药材 该中药 该症状 此症状 这种症状 您好 你好 好的 当然 答 答案 答案是 回答 之后 以后 后可 后会
    服药后 用药后 后可能 后常 三者 两者 二者 四者 五者 我的回答是 出现时
""")
"""Function words and pronouns that say nothing by themselves, whatever is asked. No 不, 没, 无, 未, 非, 但, and no
single character that makes another word of a value it stands at (外, 多, 类, 性)."""

_TOPICS = {
    "临床症状": "症状 临床症状 临床表现 体征 征象 不适 症候",
    "并发症": "并发症 合并症 并发疾病 疾病 病症",
    "药物治疗": "药物 药物治疗 治疗 治疗药物 用药 药 药品 治",
    "辅助治疗": "辅助治疗 辅助疗法 治疗 疗法 方法 配合",
    "辅助检查": "检查 辅助检查 检查项目 检查方法 化验 检测 确诊 有助于",
    "高危因素": "高危因素 危险因素 因素 风险 风险因素 诱因 增加 患病风险 易感因素",
    "发病部位": "部位 发病部位 好发部位 好发于 多发于",
    "所属科室": "科室 所属科室 就诊科室 挂 挂号 看 就诊 诊治",
    "多发地区": "地区 多发地区 高发地区 区域 高发区域 好发于 多发于 等地",
    "多发人群": "人群 多发人群 高发人群 好发人群 好发于 多发于 容易患",
    "病史": "病史 既往史",
    "治疗": "治疗 治疗方法 方法 疗法 治疗措施 措施 治",
    "预后": "预后 转归 预后情况",
    "组织学检查": "组织学检查 组织学 组织病理 病理 特征 显微镜下",
    "传播途径": "传播途径 传播 途径 传染方式 传染 方式 传播方式",
    "预防": "预防 预防措施 预防方法 措施 方法 避免 有助于",
    "宜吃食物": "宜吃 食物 宜吃食物 适宜 适合 适合吃 多吃 宜食",
    "忌吃食物": "忌吃 食物 忌吃食物 不宜吃 不能吃 忌口 忌食 避免 不宜 少吃",
    "适应证": "适应证 适应症 适用于 适用 治疗 疾病 主治 治",
    "不良反应": "不良反应 副作用 反应 毒副作用 副反应",
    "禁忌": "禁忌 禁忌证 禁忌症 禁用 禁用于 禁忌人群 不能使用 不宜使用 不能用 不可使用 者 者禁用",
    "药物相互作用": "药物相互作用 相互作用 联合用药 药物 合用 联用 与其他药物 发生 注意",
    "注意事项": "注意事项 注意 留意 事项",
    "分类": "分类 类别 药物 药物类别 类型",
    "成分": "成分 含 含有 组成 成份 主要成分",
    "性状": "性状 外观",
    "规格": "规格 包装规格",
    "用法用量": "用法用量 用法 用量 服用方法 剂量",
    "贮藏": "贮藏 保存 存放 贮藏条件 储存",
    "有效期": "有效期 保质期 有效期限",
    "OTC类型": "otc类型 类型",
    "英文名称": "英文名称 英文名 英文 英语",
    "通用名": "通用名 通用名称 名称 药名",
    "相关疾病": "相关疾病 疾病 病 病症 提示",
    "检查": "检查 检查项目 检查方法 化验 检测",
    "相关症状": "相关症状 伴随症状 伴发症状 症状 表现 一起出现 同时出现",
    "病因": "病因 原因 因素 诱因 所致 由于 成因",
    "功效": "功效 作用 功能 功用 药效",
    "主治": "主治 主治病证 病证 治疗 病症 证候 医治 治 疾病",
    "功能主治": "功能主治 功能 主治 功效 功能与主治",
    "性味": "性味 药性 药味",
    "归经": "归经 归 入 经络 经脉",
    "入药部位": "入药部位 药用部位 部位 药用部分 部分 入药",
}
"""What one may call the relation in an answer. 不能使用 says what is asked of 禁忌 and denies an 适应证."""

_ADVICE = _listed("""
    请 建议 应 应该 需 需要 要 可 可以 如 如有 若 若有 如果有 有 不适 任何不适 疑问 任何疑问 出现 症状 及时 尽快
    尽早 立即 务必 最好 到 去 向 在 前往 正规 医院 门诊 就医 就诊 咨询 专业 医生 医师 药师 大夫 的 或 和 下 指导
    指导下 遵 遵医嘱 医嘱 遵循 听从 按照 根据 以 为准 具体 情况 具体情况 个体情况 诊断 意见 建议为准 治疗
    治疗方案 检查 使用 用药 服用 进行 诊治 您 你 我 希望 对 能 帮到您 帮助 有所帮助 有帮助 祝 早日康复 身体健康
    健康 仅供参考 以上 内容 信息 回答 上述 不能代替 不能替代 谢谢 感谢 提问 您的 但 因此 所以 一定 并 最终
    因人而异
""")
_ADVICE_ANCHOR = re.compile(
    r"就医|就诊|医院|医生|医师|药师|大夫|医嘱|参考|帮助|帮到|康复|健康|疑问|不适|谢谢|感谢|因人而异"
)


@dataclass(frozen=True)
class Reading:
    """What an answer lists."""

    values: tuple[str, ...]
    """Known values of the relation, as the graph writes them, in the order of first mention."""
    extra: tuple[str, ...]
    """What is neither a known value nor a frame around values."""
    rule: str
    """``list``, or what is wrong: ``empty``, ``no known value``, ``denied``, ``other entity``, ``repeats itself``."""

    def is_exact(self, gold: Collection[str]) -> bool:
        """Whether the answer lists every right value and nothing else."""
        return self.rule == "list" and not self.extra and set(self.values) == set(gold)

    def overlap(self, gold: Collection[str]) -> tuple[float, float, float]:
        """Precision, recall and F1 of the values; an extra counts as a wrong value."""
        usable = self.rule in ("list", "repeats itself")
        right = len(set(self.values) & set(gold)) if usable else 0
        said = len(set(self.values)) + len(self.extra)
        precision, recall = (right / said if said else 0.0), (right / len(set(gold)) if gold else 0.0)
        return precision, recall, 2 * right / (said + len(set(gold))) if right else 0.0


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


# ---------------------------------------------------------------- words of frames


def _by_first(words: Iterable[str]) -> dict[str, list[str]]:
    """Words by first character, longest first: an alternation of thousands of names takes milliseconds per answer."""
    found: dict[str, list[str]] = {}
    for word in sorted(set(words) - {""}, key=lambda word: (-len(word), word)):
        found.setdefault(word[0], []).append(word)
    return found


@lru_cache
def _shipped_frames() -> Mapping[str, frozenset[str]]:
    """The literal pieces of the answer forms that ship for each relation: what a model is trained to say."""
    path = resources.files("huatuo") / "prompts" / "phrasings.zh.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        relation: frozenset(
            _plain(piece) for form in table["answers"] for piece in re.split(r"\{\w+\}|[，。：、\s]+", form) if piece
        )
        for relation, table in tables.items()
    }


@lru_cache
def _frame_words(relation: str) -> Mapping[str, list[str]]:
    """All frame words for a relation; for none, those of every relation."""
    frames = _shipped_frames()
    known = [relation, "*"] if relation else [*frames]
    topics = {_plain(relation)} | {
        word for name in ([relation] if relation else _TOPICS) for word in _TOPICS.get(name, "").split()
    }
    numbers = [*"一二三四五六七八九十两几", *map(str, range(1, 31))]
    counted = {f"{number}{unit}" for number in numbers for unit in ("种", "个", "项", "类", "条", "点", "方面")}
    said = {piece for name in known for piece in frames.get(name, ())}
    besides = {f"除主要{topic}外" for topic in topics | {"表现"}}
    return _by_first({*_FRAME, *topics, *counted, *said, *besides})


_ADVICE_WORDS = _by_first(_ADVICE)


def _cover(text: str, words: Mapping[str, Sequence[str]]) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is a word: the split with the fewest characters that are in no word.

    Private characters are pieces of their own; blanks, quotes and brackets are left out, and no word goes across them.
    """
    best: list[tuple[int, int, int]] = [(0, 0, 0)] * (len(text) + 1)  # unknown characters, pieces, length of the word
    for place in range(len(text) - 1, -1, -1):
        unknown, pieces, _ = best[place + 1]
        mark = text[place] >= "\U000f0000" or text[place] == _ENTITY or bool(_BLANK.match(text[place]))
        best[place] = (unknown if mark else unknown + 1, pieces + 1, 0)
        for word in () if mark else words.get(text[place], ()):
            if text.startswith(word, place):
                unknown, pieces, _ = best[place + len(word)]
                best[place] = min(best[place], (unknown, pieces + 1, len(word)), key=lambda one: one[:2])
    found: list[tuple[str, bool]] = []
    place, joined = 0, False
    while place < len(text):
        size = best[place][2]
        piece = text[place : place + (size or 1)]
        place += len(piece)
        if _BLANK.match(piece):
            joined = False
        elif size or piece == _ENTITY or piece >= "\U000f0000":
            found.append((piece, True))
            joined = False
        elif joined:
            found[-1] = (found[-1][0] + piece, False)
        else:
            found.append((piece, False))
            joined = True
    return found


def _is_advice(clause: str) -> bool:
    """Whether a clause is courtesy or general advice and nothing else."""
    return bool(_ADVICE_ANCHOR.search(clause)) and all(known for _, known in _cover(clause, _ADVICE_WORDS))


# ---------------------------------------------------------------- reading


class Reader:
    """Reads the answers about one relation."""

    def __init__(
        self,
        values: Iterable[str],
        entities: Iterable[str] = (),
        relation: str = "",
        aliases: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """``values``: all values that the graph has for the relation; ``entities``: names that may be asked about.

        ``relation``: its name. Without it the words of every relation are frames, and ``不能使用`` passes as an answer
        about indications. ``aliases``: other names by entity.
        """
        self._values = {key: value for value in sorted(values) if (key := _plain(value).strip().rstrip("。"))}
        self._aliases = {_plain(name): {_plain(one) for one in other} for name, other in (aliases or {}).items()}
        entities = {_plain(name) for name in entities if name.strip()}.union(*self._aliases.values())
        self._names = _by_first(set(self._values) | entities)
        self._words = _frame_words(relation)

    def read(self, text: str, entity: str) -> Reading:
        """What the answer to a question about ``entity`` lists."""
        if not text.strip():
            return Reading((), (), "empty")
        found: list[str] = []
        plain = _plain(_MARKUP.sub("", _CIRCLED.sub("\n", text)))
        marked = self._mark(_NUMBER.sub("\n", plain), _plain(entity), found)
        foreign, extra = _unexplained(marked, self._words)
        values = tuple(dict.fromkeys(found))
        shown = tuple(dict.fromkeys(filter(None, (_shown(item, found, entity) for item in extra))))
        return Reading(values, shown, _rule(marked, foreign, found, self._words))

    def _mark(self, text: str, entity: str, found: list[str]) -> str:
        """The text with one private character for each known value and each entity outside of values."""
        asked = {entity} | self._aliases.get(entity, set()) if entity else set()
        pieces, end = [], 0
        for place, name in self._found(text, asked):
            pieces.append(text[end:place])
            end = place + len(name)
            if name in asked:
                pieces.append(_ENTITY)
            elif name in self._values:
                found.append(self._values[name])
                pieces.append(chr(_VALUE + len(found) - 1))
            else:
                pieces.append(_OTHER)
        return "".join(pieces) + text[end:]

    def _found(self, text: str, asked: Collection[str]) -> Iterator[tuple[int, str]]:
        """Place and name of every name in the text, from left to right, the longest that begins there: the asked 糖尿病
        is not seen inside 妊娠期糖尿病. The value 根 is not seen in the frame word 根据."""
        place = 0
        while place < len(text):
            name = self._longest(text, place, asked)
            word = self._frame(text, place, asked) if name else ""
            if name and len(name) >= len(word):
                yield place, name
                place += len(name)
            else:
                place += len(word) or 1

    def _longest(self, text: str, place: int, asked: Collection[str]) -> str:
        known = next((name for name in self._names.get(text[place], ()) if text.startswith(name, place)), "")
        return max([known, *(name for name in asked if text.startswith(name, place))], key=len)

    def _frame(self, text: str, place: int, asked: Collection[str]) -> str:
        """The longest frame word that begins here, unless a name begins inside it and goes beyond."""
        word = next((word for word in self._words.get(text[place], ()) if text.startswith(word, place)), "")
        end = place + len(word)
        inside = any(inner + len(self._longest(text, inner, asked)) > end for inner in range(place + 1, end))
        return "" if inside else word


def _shown(item: str, found: Sequence[str], entity: str) -> str:
    named = re.sub(_V, lambda match: found[ord(match[0]) - _VALUE], item)
    return named.replace(_ENTITY, entity).replace(_OTHER, "…").strip()


def _rule(marked: str, foreign: bool, found: Sequence[str], words: Mapping[str, Sequence[str]]) -> str:
    if not found:
        return "no known value"
    if any(_is_denied(clause, words) for clause in _CLAUSE.split(marked)):
        return "denied"
    if foreign or (_OTHER in marked and _ENTITY not in marked):
        return "other entity"
    sentences = [s for s in _SENTENCE.split(marked) if s.strip()]
    first = next(s for s in sentences if re.search(_V, s))
    named = Counter(found[ord(mark) - _VALUE] for mark in re.findall(_V, first))
    said = Counter(re.sub(_V, lambda m: found[ord(m[0]) - _VALUE], s) for s in sentences)
    if max(named.values()) > 1 or max(Counter(found).values()) > 3 or max(said.values()) > 1:
        return "repeats itself"
    return "list"


def _is_denied(clause: str, words: Mapping[str, Sequence[str]]) -> bool:
    """Whether a clause denies, in words that are not the relation's own."""
    if _is_advice(clause) or not _DENIED.search(clause):
        return False
    own = "".join("." * len(piece) if known and len(piece) > 1 else piece for piece, known in _cover(clause, words))
    return bool(_DENIED.search(own)) or any(
        not known and re.search(r"[不没未]|并非|除外|错误|无关", piece) for piece, known in _cover(clause, words)
    )


def _unexplained(marked: str, words: Mapping[str, Sequence[str]]) -> tuple[bool, list[str]]:
    """Whether the answer is about something else, and all that is neither a value nor a frame."""
    clauses = [clause for clause in _CLAUSE.split(marked) if _BLANK.sub("", clause)]
    holders = [place for place, clause in enumerate(clauses) if re.search(_V, clause)]
    if not holders:
        return False, [marked]
    foreign, extra = False, []
    for place, clause in enumerate(clauses):
        if _is_advice(clause):
            continue
        before = place <= holders[0]
        if before and _names_another(clause, marked, words):
            foreign = True
        if place in holders:
            extra += _items(clause, words)
        else:
            names = _ENTITY in clause and not any(_ENTITY in other for other in clauses[:place])
            extra += _without_values(clause, place < holders[-1] or names, words)
    return foreign, extra


def _names_another(clause: str, marked: str, words: Mapping[str, Sequence[str]]) -> bool:
    """Whether unknown words in a clause stand where the subject stands: at the entity (缺铁性…, …足, …与冠心病),
    or, where the entity is not named, anywhere but at a value or as an item of the list."""
    if re.search(r"[、/]", re.split(_V, clause, maxsplit=1)[0]):
        return False
    pieces = [(piece, known) for piece, known in _cover(clause, words) if piece not in _JOINS]
    for place, (piece, known) in enumerate(pieces):
        if known or piece[0] in "、/" or piece[-1] in "、/":
            continue
        beside = "".join(other for other, _ in pieces[max(place - 1, 0) : place + 2])
        if _ENTITY in beside or (_ENTITY not in marked and not re.search(_V, beside)):
            return True
    return False


def _without_values(clause: str, free: bool, words: Mapping[str, Sequence[str]]) -> list[str]:
    """What a clause without a value adds: nothing where it takes up the listed values or, where ``free``, where it is
    a frame that introduces values or first names the entity."""
    if not all(known for _, known in _cover(clause, words)):
        return [_from_unknown(piece, words) for piece in re.split(r"[、/]", clause)]
    return [] if _BACK.search(clause) or free else [clause]


def _items(clause: str, words: Mapping[str, Sequence[str]]) -> list[str]:
    """What the list in a clause holds besides known values: each item must be a value; only the first may stand after
    a frame, and only the last before one."""
    parts = re.split(r"[、/]", clause)
    extra = []
    for place, part in enumerate(parts):
        if not _BLANK.sub("", part):
            continue
        pieces = _cover(part, words)
        marks = [at for at, (piece, _) in enumerate(pieces) if re.fullmatch(_V, piece)]
        if not marks:
            extra.append(_from_unknown(part, words))
            continue
        head, inner, tail = pieces[: marks[0]], pieces[marks[0] : marks[-1] + 1], pieces[marks[-1] + 1 :]
        joins = [(piece, known) for piece, known in inner if not re.fullmatch(_V, piece)]
        fits = (
            all(known and (place == 0 or piece in _JOINS) for piece, known in head)
            and all(known and piece in _JOINS for piece, known in joins)
            and all(known and (place == len(parts) - 1 or piece in _TAIL_ONLY) for piece, known in tail)
        )
        if not fits:
            extra.append(_from_unknown(part, words))
    return extra


def _from_unknown(part: str, words: Mapping[str, Sequence[str]]) -> str:
    """A part from the first piece that is unknown or a value, or the whole part."""
    pieces = _cover(part, words)
    start = next((at for at, (piece, known) in enumerate(pieces) if not known or re.fullmatch(_V, piece)), 0)
    return "".join(piece for piece, _ in pieces[start:])
