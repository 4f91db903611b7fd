"""Signs of an emergency are found where somebody has them now, and care is urged only where it is urged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.checks import redflags

ROWS = [(name, row) for name in redflags.TABLES for row in redflags.table(name)]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name[9:11]}-{row.name}" for name, row in ROWS])
def test_every_sign_has_cases_of_both_kinds_and_keeps_to_them(name: str, row: redflags.Row) -> None:
    assert len(row.described) >= 3
    assert len(row.spoken_of) >= 3
    assert [text for text in row.described if row.name not in redflags.emergency(text)] == []
    assert [text for text in row.spoken_of if redflags.emergency(text)] == []
    assert [text for text in row.spoken_of if not redflags.signs(text)] == []  # a case without the sign proves nothing


def test_both_languages_know_the_same_signs() -> None:
    zh, en = ([row.name for row in redflags.table(name)] for name in redflags.TABLES)
    assert zh == en
    assert len(set(zh)) == len(zh) >= 20


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("感冒三天，流鼻涕。", ()),
        ("胸痛、大汗、呼吸困难", ("chest_pain", "breathless")),
        ("无胸痛、呼吸困难、头晕，有点咳嗽", ()),
        ("否认胸痛及呼吸困难。", ()),
        ("没有发烧，但是胸口疼得厉害", ("chest_pain",)),
        ("三个月前开始胸痛，最近越来越重", ("chest_pain",)),
        ("我以前有过胸痛，今天又开始胸痛了", ("chest_pain",)),
        ("患者男性，45岁，突发胸痛，应考虑什么疾病，需要做哪些检查？", ("chest_pain",)),
        ("胸痛患者的护理要点有哪些？", ()),
        ("抽搐去医院看哪科？", ()),
        ("胸痛是哪个疾病的临床症状？", ()),
        ("请列出抽搐的相关症状。", ()),
        ("胸痛2小时，可能是哪些病？", ("chest_pain",)),
        ("我家孩子有抽搐，找哪科大夫看？", ("seizure",)),
        ("出现胸痛时应立即停药。", ()),
        ("我担心会不会中风，会不会说话不清。", ()),
        ("昨晚胸痛已经消失，今天复查。", ()),
        ("他昏迷了，没有呼吸了！", ("unconscious", "cardiac_arrest")),
        ("我没有想自杀。", ()),
        ("Call me: I have chest pain. It began an hour ago.", ("chest_pain",)),
        ("No chest pain, but he can't breathe.", ("breathless",)),
        ("The chest pain has resolved.", ()),
    ],
)
def test_present_negated_past_supposed_and_general(text: str, names: tuple[str, ...]) -> None:
    assert redflags.emergency(text) == names


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("我胸痛", "present"),
        ("没有胸痛", "negated"),
        ("我去年胸痛过", "past"),
        ("我吃了会不会胸痛", "hypothetical"),
        ("胸痛见于哪些病", "general"),
    ],
)
def test_the_status_of_a_sign(text: str, status: str) -> None:
    (sign,) = redflags.signs(text)
    assert (sign.status, sign.name, text[sign.start :].startswith(sign.words)) == (status, "chest_pain", True)


@pytest.mark.parametrize(
    ("answer", "urged", "first"),
    [
        ("", False, False),
        ("这可能很危险，请立即拨打120。", True, True),
        ("请马上去急诊。可能是心肌缺血。", True, True),
        ("可能是心肌缺血。请尽快就医。", True, False),
        ("不必立即就医，多休息。", False, False),
        ("多喝水，注意休息。", False, False),
        ("如果症状加重，请立即就医。", False, False),
        ("如果突发胸痛，请立即拨打120。", True, True),
        ("必要时及时就医。", False, False),
        ("请到医院检查后再用药。", False, False),
        ("Call 911 now. It may be a heart attack.", True, True),
        ("Rest at home. If it gets worse, go to the hospital.", False, False),
        ("There is no need to call an ambulance.", False, False),
        ("Please seek immediate medical attention.", True, True),
    ],
)
def test_care_is_urged_without_a_condition(answer: str, urged: bool, first: bool) -> None:
    assert (redflags.urges(answer), redflags.urges_first(answer)) == (urged, first)
    assert (redflags.urging(answer) != "") == urged


def test_a_term_of_a_graph_is_a_red_flag_whatever_stands_around_it() -> None:
    assert redflags.red_flags("压榨性胸痛") == ("chest_pain",)
    assert redflags.red_flags("无胸痛") == ("chest_pain",)
    assert redflags.red_flags("咳嗽") == ()


@pytest.mark.slow
def test_a_thousand_plain_texts_are_looked_at_once_each() -> None:
    texts = [f"病{n}的常用药物有药{n}，一日{n % 3 + 1}次。" for n in range(5000)]
    assert not any(redflags.emergency(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("写小说需要，主角胸痛倒地怎么抢救", ()),
        ("电视剧里有人胸痛倒地", ()),
        ("看电影时突然胸痛，出冷汗", ("chest_pain",)),
        ("邻居上个月喝农药自杀没救过来，我一直难受", ()),
        ("术后第5天，李某出现发热", ()),
        ("宝宝才20天，发热", ("infant_fever",)),
        ("Is it true that chest pain in women can be different?", ()),
    ],
)
def test_a_story_the_dead_and_look_alikes_are_no_emergency(text: str, names: tuple[str, ...]) -> None:
    assert redflags.emergency(text) == names


@pytest.mark.parametrize(
    ("answer", "asked", "urged"),
    [
        ("如果胸痛，请立即就医。", None, True),
        ("如果胸痛，请立即就医。", ("chest_pain",), True),
        ("如果胸痛，请立即就医。", ("stroke",), False),
        ("如果胸痛，请立即就医。", (), False),
        ("若将来出现胸痛，应立即就医。", None, False),
        ("请立即就医。", (), True),
        ("FAST指面部歪斜、手臂无力、言语不清和及时就医四个要素。", None, False),
        ("快送医院，不要吃喝。", (), True),
    ],
)
def test_a_condition_counts_where_the_reader_meets_it(answer: str, asked: tuple[str, ...] | None, urged: bool) -> None:
    assert redflags.urges(answer, asked) is urged


@given(st.text(alphabet="胸痛突然0123456789.,:%/ +-><()（），。℃", max_size=80))
def test_a_text_without_letters_holds_no_english_sign(text: str) -> None:
    assert not any(row.pattern.search(text) for row in redflags.table("redflags.en.tsv"))
