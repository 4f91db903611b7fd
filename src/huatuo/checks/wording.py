"""Everyday Chinese brought to the words of drug leaflets and graphs, and the words that claim nothing medical.

Written from general knowledge of how patients and physicians say the same thing. A word that is missing here makes a
check stricter, never laxer, except where two words that differ in meaning would be made one: none such may stand here.
"""

from __future__ import annotations

import re
from pathlib import Path

TABLE = "wording.zh.tsv"
"""Word of the leaflet, a tab, everyday spellings of the same with | between."""

_ROWS = (Path(__file__).parent / TABLE).read_text(encoding="utf-8").splitlines()
_SAME = dict(row.split("\t") for row in _ROWS)

_TO = {spoken: term for term, many in _SAME.items() for spoken in many.split("|") if spoken != term}
_SPOKEN = re.compile("|".join(sorted(map(re.escape, _TO), key=len, reverse=True)))

_EMPTY_WORDS = (
    "特点|特征|特性|联合|来说|而言|来讲|说|讲|一直|觉得|感到|感觉|有些人|少数人|个别人|可以|可能|能够|应该|"
    "应当|需要|必须|通常|一般|往往|常常|常见|主要|主|首先|其次|再者|然后|接着|最后|此外|另外|同时|同样|以及|"
    "还有|或者|并且|而且|如果|若是|若|"
    "要是|因为|所以|因此|由于|关于|对于|对|按照|按|根据|经过|经|通过|借助|作为|属于|叫做|称为|就是|都是|是|"
    "的话|时候|时|期间|情况|状况|方面|部分|表现|症状|"
    "临床|出现|发生|发作|发现|引起|导致|造成|产生|起|存在|具有|有|含有|含|包括|包含|分为|分成|分|例如|比如|像|"
    "如下|如|等等|等|之类|这些|那些|这个|那个|这种|那种|"
    "这|那|它|他们|他|她|其|该病|该药|本品|本药|此药|此病|药物|药品|药片|药|疾病|病|患者|病|患上|患有|患|得了|"
    "得|人|者|大家|家长|家里|自己|自行|医生|医师|医院|"
    "就医|就诊|请|遵医嘱|遵|医嘱|听从|安排|具体|建议|希望|注意|留意|了解|知道|咨询|专科|帮助|参考|进行|做|作|"
    "用|使用|服用|服|吃|喝|拿来|拿|给予|给|给药|让|使|令|"
    "把|将|被|由|在|从|到|至|向|往|朝|与|跟|和|及|同|或|并|且|而|但|但是|却|则|就|才|又|也|还|再|更|最|很|太|"
    "较|比较|非常|十分|都|全|全部|均|各|每|某|另|其他|其它|"
    "任何|所有|一些|一个|一种|几种|哪些|什么|怎么|怎样|如何|多少|多久|几|谁|吗|呢|吧|啊|哦|了|着|过|的|地|得|"
    "之|所|于|以|为|为了|乃|即|即可|便|来|去|上|下|里|中|内|"
    "外|间|前|后|之前|之后|以前|以后|左右|大约|约|大概|差不多|不到|超过|达到|达|满|以上|以下|以内|至少|最多|"
    "上限|总量|总共|共|一共|合计|数值|水平|范围|标准|诊断|"
    "检查|检验|化验|测定|测|查|看|量|抽血|验血|影像|病史|史|原因|病因|因素|因|危险|高危|人群|多见|多发|好发|"
    "容易|易|最|风险|高发|途径|方式|方法|办法|措施|预防|治疗|"
    "治|疗|疗程|用法|用量|剂量|每次|一次|口服|外用|规格|适应证|适应症|适用|禁忌证|禁忌症|禁忌|不良反应|副作用|"
    "反应|注意事项|并发症|并发|合并症|合并|相关|有关|功效|作用|主治|"
    "归经|归|入|具备|拥有|善于|既|既能|效果|效力|效用|合用|起来|下去|出来|开|住|掉|完|成|好|会|能|可|要|应|须|"
    "需|得|宜|想|必要|必|只|只要|只有|只能|仅|仅仅|即使|虽然|"
    "不过|然而|总之|如此|那么|这样|那样|身体|身上|身|部位|全身|疾|类|类药|类药物|种|项|件|事|个|次|些|点|样|"
    "程度|性质|性|期|型|级|度|大|小|多|少|高|低|好|坏|"
    "一|二|三|四|五|六|七|八|九|十|两|双|半|不|没有|没|无|未|非|别|勿|莫|禁用|禁止|慎用|谨慎|小心|避免|忌|禁|"
    "慎|不宜|适合|允许|放心|安全|推荐|配伍|味"
)
_EMPTY = re.compile("|".join(sorted(set(map(re.escape, _EMPTY_WORDS.split("|"))), key=len, reverse=True)))

_FULLWIDTH = str.maketrans("０１２３４５６７８９％～（），：；？！ⅠⅡⅢⅣ", "0123456789%~(),:;?!1234")


def plain(text: str) -> str:
    """The text in half-width signs, with everyday words for the terms of `_SAME`."""
    text = text.translate(_FULLWIDTH).replace("μ", "μ").lower()
    return _SPOKEN.sub(lambda match: _TO[match[0]], text)


def without_empty(text: str) -> str:
    """The text with a blank for each character of a word that claims nothing medical; positions unchanged."""
    return _EMPTY.sub(lambda match: " " * len(match[0]), text)
