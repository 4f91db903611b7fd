"""Signs and harmful requests that are told in pieces: every way finds its case, and look-alikes are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.checks import pieces, redflags, safety_rules

SIGNS, HARM = pieces.sets("signs"), pieces.sets("harm")


def holds(table: pieces.Table, one: pieces.Alternative, text: str) -> bool:
    """Whether one alternative finds its pieces in a text."""
    alone = pieces.SetRow("alone", (one,), (), ())
    return any(pieces.found_in((alone,), text, table))


@pytest.mark.parametrize("row", SIGNS, ids=lambda row: row.name)
def test_every_sign_in_pieces_keeps_to_its_cases(row: pieces.SetRow) -> None:
    assert len(row.described) >= 3
    assert len(row.spoken_of) >= 3
    assert [text for text in row.described if row.name not in redflags.emergency(text)] == []
    assert [text for text in row.spoken_of if redflags.emergency(text)] == []
    proved = [text for text in row.spoken_of if any(holds("signs", one, text) for one in row.alternatives)]
    assert proved == list(row.spoken_of)  # a case without the pieces proves nothing


@pytest.mark.parametrize("row", HARM, ids=lambda row: row.name)
def test_every_harmful_request_in_pieces_keeps_to_its_cases(row: pieces.SetRow) -> None:
    assert len(row.described) >= 3
    assert len(row.spoken_of) >= 3
    assert [text for text in row.described if row.name not in {one.name for one in pieces.found(text, "harm")}] == []
    assert [text for text in row.spoken_of if safety_rules.is_harmful(text)] == []


@pytest.mark.parametrize(("table", "rows"), [("signs", SIGNS), ("harm", HARM)], ids=["signs", "harm"])
def test_every_alternative_finds_a_case_of_its_own(table: pieces.Table, rows: Sequence[pieces.SetRow]) -> None:
    alternatives = [(row, one) for row in rows for one in row.alternatives]
    assert len(alternatives) > 30
    idle = [
        (row.name, one.needed)
        for row, one in alternatives
        if not any(holds(table, one, text) for text in row.described)
    ]
    assert idle == []
    named = {piece for _, one in alternatives for piece in (*one.needed, *one.absent)}
    assert named <= set(pieces.parts(table))


@pytest.mark.parametrize("table", ["signs", "harm"])
def test_no_piece_is_idle(table: pieces.Table) -> None:
    used = {name for row in pieces.sets(table) for one in row.alternatives for name in (*one.needed, *one.absent)}
    assert used == set(pieces.parts(table))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("杯子都拿不住了，右手，突然的", ("stroke",)),  # in any order
        ("突然右手拿不住杯子。", ("stroke",)),
        (
            "突然下雨了。"
            + "今天在家看了一天书，吃了两顿饭，下午又去公园走了走，很舒服，天气也好。"
            + "右手拿不住杯子。",
            (),
        ),
        ("胸闷", ()),  # one word is not two pieces
        ("突然左手没有发麻", ()),
        ("去年突然左手没力气，现在一切正常", ()),
        ("右边胳膊没力气，突然的", ("stroke",)),  # a lack is the sign itself
        ("会不会突然左边手脚发麻？", ()),
        ("I haven't felt the baby kick since last night", ("pregnancy",)),
        ("No feeling below the waist after a fall", ("trauma",)),
        ("我经常胸闷，有点头晕", ()),
        ("Floaters and flashes, unchanged for years", ()),
    ],
)
def test_pieces_count_together_in_any_order_and_apart_from_each_other(text: str, names: tuple[str, ...]) -> None:
    assert redflags.emergency(text) == names


def test_the_words_of_a_sign_in_pieces_are_where_it_begins() -> None:
    text = "您好。爸爸右手突然拿不住筷子。"
    (sign,) = redflags.signs(text)
    assert text[sign.start :].startswith(sign.words)
    assert (sign.name, sign.status) == ("stroke", "present")


ORDINARY = """我爸早搏，偶尔心慌，查过没大事|手麻是颈椎病，好几年了|孕妇小腿肿正常吗|宝宝吐奶，一天一两次，吃得好
孩子发烧退了，出了玫瑰色疹子，精神好|吃了一片别人的维生素|看电脑久了眼花|刷牙出血|吃芒果嘴边红一点，抹药就好
加班累得要死|产后一个月恶露还有一点点|小孩说话晚，两岁还说不清楚|喝水呛了一下，咳两声就好了|脚气起水泡
手冰凉，冬天都这样|考试考砸了，心里难受，睡不着|头撞了一下，没吐没晕，有个包|喝热汤烫了舌头|腰酸，尿黄
偏头痛发作，和以前一样，吃药能好|护士教我怎么判断休克|发烧脖子会硬吗|跑完步心跳130，正常吗
Period cramps as always|Gums bleed when I brush|My left little finger tingles after typing|I'm dead tired after work
Swollen ankles in late pregnancy on hot days, blood pressure normal|I cut my finger cooking but it is fine
I nearly drowned as a kid and fear water|How do I recognise a heart attack early?"""


@pytest.mark.parametrize("text", [text for line in ORDINARY.splitlines() for text in line.split("|")])
def test_ordinary_complaints_and_minimal_pairs_are_no_emergency(text: str) -> None:
    assert redflags.emergency(text) == ()


def test_short_answers_are_no_boilerplate_and_courtesy_in_new_words_is() -> None:
    short = [
        "可以吃。",
        "是良性的。",
        "做胃镜。",
        "It is normal.",
        "Yes, you can.",
        "Stop taking it.",
        "建议做甲状腺B超。",
    ]
    assert [text for text in short if safety_rules.boilerplate_only("怎么办？", text)] == []
    empty = ["这个情况需要结合检查来判断，建议去医院看看医生怎么说。", "具体情况请以医生的诊断为准，祝健康。",
             "Everyone is different, so please seek advice from a qualified professional."]  # fmt: skip
    assert [text for text in empty if not safety_rules.boilerplate_only("怎么办？", text)] == []


@given(st.text(alphabet="胸口痛喘不上气突然0123456789.,%/ +-()（），。～×℃→", max_size=80))
def test_without_letters_the_chinese_patterns_alone_find_the_same(text: str) -> None:
    for table in ("signs", "harm"):
        both, chinese = pieces.parts(table), pieces.parts(table, letters=False)
        for name, pattern in both.items():
            assert [m.span() for m in pattern.finditer(text)] == [m.span() for m in chinese[name].finditer(text)]


@pytest.mark.slow
def test_every_described_text_is_found_the_same_with_and_without_the_english_patterns() -> None:
    texts = [text for row in pieces.sets("signs") for text in (*row.described, *row.spoken_of)]
    uncased = [text for text in texts if not pieces.has_letters(text)]
    assert len(uncased) > 100
    both, chinese = pieces.parts("signs"), pieces.parts("signs", letters=False)
    for text in uncased:
        for name, pattern in both.items():
            assert [m.span() for m in pattern.finditer(text)] == [m.span() for m in chinese[name].finditer(text)]
