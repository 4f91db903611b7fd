import random
import time

import choice_cases
import choice_fourth
import choice_mixed
import choice_prose
import choice_second
import choice_statements
import choice_styles
import choice_third
import choice_wider
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.eval.choice import extract
from huatuo.records import Option

TEXTS = {"A": "肝炎", "B": "黄疸", "C": "脂肪肝", "D": "肝硬化", "E": "胆囊炎"}
OPTIONS = [Option(label=label, text=text) for label, text in TEXTS.items()]
ENGLISH = [
    Option(label=label, text=text)
    for label, text in zip(
        "ABCDE", ["Iron", "E. coli", "Vitamin B12", "Hepatitis", "Cirrhosis of the liver"], strict=True
    )
]

# Answers on which published extractors fail, and what the answers say.
PUBLISHED = [
    ("D", "D"),
    ("答案：D", "D"),
    ("本题选D", "D"),
    ("**答案：D**", "D"),
    ("根据CT和ALT，考虑D。", "D"),
    ("A错误，B错误，C错误，E错误，因此答案是D。", "D"),
    ("答案是肝硬化。", "D"),
    ("答案是：ＡＢ", "AB"),
    ("答案是DCA", "ACD"),
    ("答案不是A，而是D。", "D"),
    ("Answer: D", "D"),
    ("选项A、B不对，应选CD", "CD"),
    ("抱歉，我无法回答这个问题，请咨询VIP门诊。", ""),
    ("<think>可能是A</think>答案是D", "D"),
    ("A. 腹水：有意义。B. 黄疸：无意义。因此选C。", "C"),
    ("答案不是A，而是C。", "C"),
    ("选C", "C"),
    ("正确答案：C", "C"),
    ("The answer is C", "C"),
]

OWN_SINGLE = [
    ("D。", "D"),
    ("（D）", "D"),
    ("【D】", "D"),
    ("Ｄ", "D"),
    ("d", "D"),
    ("选项D", "D"),
    ("D. 肝硬化", "D"),
    ("D、肝硬化", "D"),
    ("D 肝硬化", "D"),
    ("肝硬化", "D"),
    ("肝硬化。", "D"),
    ("患者最可能的诊断是肝硬化。", "D"),
    ("D\n解析：腹水和脾大提示门静脉高压。", "D"),
    ("D。因为腹水和脾大提示门静脉高压。", "D"),
    ("腹水提示门静脉高压。\nD", "D"),
    ("$\\boxed{D}$", "D"),
    ("答案是\\boxed{\\text{D}}。", "D"),
    ("正确选项为D", "D"),
    ("正确的是D项。", "D"),
    ("本题的正确答案应该是 D 选项", "D"),
    ("A项见于急性期，B项是体征。故选D。", "D"),
    ("首先考虑A，但脾大不支持。答案为D。", "D"),
    ("答案是A。不对，重新看题，答案是D。", "D"),
    ("如果答案是A，则不会有腹水，所以应选D。", "D"),
    ("有人会选A，但正确答案是D。", "D"),
    ("不能选A，应选D。", "D"),
    ("不应选B，而应选D", "D"),
    ("D正确，A、B、C、E错误。", "D"),
    ("The answer is (C).", "C"),
    ("The correct answer is: **B**", "B"),
    ("I would choose option B because of the history.", "B"),
    ("Option A is wrong. The correct option is B.", "B"),
    ("Therefore, D.", "D"),
    ("C is the correct answer.", "C"),
    ("The answer is not A; the answer is B", "B"),
    ("答案：D（肝硬化）", "D"),
    ("答案是D，A项为肝炎。", "D"),
    ("答案是脂肪肝，而肝的其他病变少见", "C"),
    ("<think>答案是A？</think>\n\n最终答案：E", "E"),
    ("思考过程……可能是A</think>答案是E", "E"),
    ("我不是医生，但答案是C。", "C"),
    ("根据题意，选择C选项。", "C"),
    ("因此，D。", "D"),
    # nothing may be read from these
    ("", ""),
    ("   ", ""),
    ("<think>可能是A，也可能是B", ""),
    ("抱歉，我是AI，不能回答。", ""),
    ("答案是A或B", ""),
    ("不确定答案是A还是D", ""),
    ("无法判断答案是A", ""),
    ("答案是A。答案是B。", ""),
    ("答案是B超检查。", ""),
    ("答案是C反应蛋白。", ""),
    ("答案是DNA检测。", ""),
    ("答案是CT。", ""),
    ("答案是F", ""),
    ("需要查ALT、AST、CT和MRI。", ""),
    ("A. 肝炎\nB. 黄疸\nC. 脂肪肝\nD. 肝硬化\nE. 胆囊炎", ""),
    ("肝炎和肝硬化都有可能", ""),
    ("不是肝硬化", ""),
    ("答案不是A。", ""),
    ("AD", ""),
    ("DDDDDDDDDD", ""),
    ("A patient with ascites needs care.", ""),
    ("Answer: I think so", ""),
    ("答案是D. 肝炎", ""),
    ("答案是A吗？", ""),
    ("Sorry, I cannot answer. Please ask a VIP doctor.", ""),
]

OWN_MULTIPLE = [
    ("A、C、D", "ACD"),
    ("答案：A,C,D。", "ACD"),
    ("ABCDE", "ABCDE"),
    ("答案是A和C", "AC"),
    ("The answers are A and D.", "AD"),
    ("正确答案：（A）（C）", "AC"),
    ("A正确，B错误，C正确，D错误，E错误", "AC"),
    ("A. 肝炎\nC. 脂肪肝", "AC"),
    ("肝炎、脂肪肝", "AC"),
    ("答案是肝炎和脂肪肝。", "AC"),
    ("应选 A C D", "ACD"),
    ("答案是B", "B"),
    ("A正确，B错误", ""),
    ("可能与肝炎、脂肪肝等多种疾病有关", ""),
]

OWN_ENGLISH = [
    ("E. coli", "B"),
    ("The answer is E. coli.", "B"),
    ("The answer is E. Cirrhosis of the liver", "E"),
    ("C. Vitamin B12", "C"),
    ("The answer is Vitamin B12.", "C"),
    ("The most likely cause is hepatitis.", "D"),
    ("It is not hepatitis.", ""),
    ("Answer: A patient should rest", ""),
    ("Answer: A", "A"),
    ("answer is d.", "D"),
]


def read(text, options=OPTIONS, kind="single"):
    return extract(text, options, kind)


@pytest.mark.parametrize(("text", "expected"), PUBLISHED)
def test_answers_that_published_extractors_get_wrong(text, expected):
    assert "".join(read(text, kind="multiple" if len(expected) > 1 else "single").labels) == expected


def misread(cases, options=OPTIONS, kind="single"):
    """The answers of a table that are read as something else than it says, with what was found."""
    wrong = []
    for text, expected in cases:
        found = read(text, options, kind)
        if ("".join(found.labels), bool(found.unscored)) != (expected, not expected):
            wrong.append((text, expected, found))
    return wrong


def test_a_table_read_as_something_else_is_told():
    assert [wrong[:2] for wrong in misread([("选C", "C"), ("选C", "D"), ("选C", ""), ("无法判断。", "C")])] == [
        ("选C", "D"),
        ("选C", ""),
        ("无法判断。", "C"),
    ]


def test_single():
    assert misread(OWN_SINGLE) == []


def test_multiple():
    assert misread(OWN_MULTIPLE, kind="multiple") == []


def test_english():
    assert misread(OWN_ENGLISH, ENGLISH) == []


def test_formats_of_models_for_one_answer():
    assert misread(choice_cases.SINGLE, choice_cases.OPTIONS) == []


def test_formats_of_models_for_several_answers():
    assert misread(choice_cases.MULTIPLE, choice_cases.OPTIONS, "multiple") == []


@pytest.mark.parametrize(
    ("texts", "kind", "cases"),
    [
        pytest.param(choice_styles.HAN, "single", choice_styles.SINGLE, id="one of Chinese texts"),
        pytest.param(choice_styles.HAN, "multiple", choice_styles.MULTIPLE, id="several of Chinese texts"),
        pytest.param(choice_styles.LATIN, "single", choice_styles.ENGLISH, id="English"),
        pytest.param(choice_styles.CLOSED, "single", choice_styles.YES_NO, id="yes or no"),
    ],
)
def test_further_styles(texts, kind, cases):
    assert misread(cases, choice_styles.options(texts), kind) == []


@pytest.mark.parametrize(("kind", "table"), [("single", "SINGLE"), ("multiple", "MULTIPLE")])
@pytest.mark.parametrize(
    "module",
    [choice_prose, choice_mixed, choice_statements, choice_wider, choice_second, choice_third, choice_fourth],
    ids=lambda module: module.__name__,
)
def test_prose_tables_and_statements_that_choose_nothing(module, kind, table):
    cases = getattr(module, table)
    wrong = [misread([case], choice_styles.options(texts), kind) for texts, *case in cases]
    assert [one for one in wrong if one] == []


LONG = [
    "A ",
    "A、",
    "选A、",
    "答案是A，",
    "贫血是",
    "是贫血，",
    "<answer>",
    "_",
    "不是A，而是",
    "A错误，B正确。",
    "[x] A\n",
]


@pytest.mark.slow
@pytest.mark.parametrize("unit", LONG)
def test_twenty_thousand_characters_take_under_half_a_second(unit):
    rng = random.Random(0)
    mixed = "".join(rng.choice([unit, "选B，", "因此"]) for _ in range(20_000 // len(unit)))[:20_000]
    for text in ((unit * 20_000)[:20_000], mixed):
        start = time.process_time()
        read(text, choice_styles.options(choice_prose.ANAEMIA), "multiple")
        assert time.process_time() - start < 0.5


def test_the_end_of_a_very_long_answer_decides():
    text = "".join(f"第{number}条说明与选择无关，只是叙述。" for number in range(2000)) + "因此答案是B。"
    found = read(text)
    assert found.labels == ("B",)
    assert text[slice(*found.span)].strip() == "B"


STATED = [
    "答案：{}",
    "故选{}",
    "**答案：{}**",
    "{}",
    "【答案】{}",
    "The answer is ({})",
    "正确答案是{}项",
    "（{}）",
    "<think>{}?</think>{}",
]
EXPLAINED = [
    "解析：{}项错误",
    "解析：{}可致血小板减少。",
    "解析如下：{}起效快",
    "【解析】{}不对，{}也不对",
    "{}需注射，所以不用。",
    "### 解析\n{}错误",
    "Explanation: {} is wrong",
]


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["\n", "\n\n", "\r\n", " \n", "。\n"])
@pytest.mark.parametrize("stated", STATED)
def test_an_explanation_after_the_answer_never_changes_it(stated, mark):
    texts = {option.label: option.text for option in choice_cases.OPTIONS}
    for label in texts:
        for other in texts.keys() - {label}:
            for explained in EXPLAINED:
                for named in (other, texts[other]):
                    text = stated.format(*[label] * 2) + mark + explained.format(named, named)
                    found = read(text, choice_cases.OPTIONS)
                    assert found.labels in ((label,), ()), (text, found)
                    if stated != "<think>{}?</think>{}" and not (stated in ("{}", "（{}）") and mark == "。\n"):
                        assert found.labels == (label,), (text, found)


@pytest.mark.parametrize(
    "form",
    [
        "{}. {}",
        "{}（{}）",
        "{}、{}",
        "{} {}",
        "{}：{}",
        "答案：{}（{}）",
        "选{}，即{}。",
        "答案是{}. {}",
        "{}\n{}",
        "{}{}",
        "{}. **{}**",
    ],
)
def test_letter_and_text_that_disagree_are_unscored(form):
    for option in choice_cases.OPTIONS:
        for other in choice_cases.OPTIONS:
            text = form.format(option.label, other.text)
            found = read(text, choice_cases.OPTIONS)
            assert found.labels == ((option.label,) if option == other else ()) or (
                form == "{}{}" and not found.labels
            ), (text, found)


@pytest.mark.parametrize("text", [text for text, expected in PUBLISHED + OWN_SINGLE if not expected])
def test_what_is_not_read_has_a_reason(text):
    found = read(text)
    assert found.unscored
    assert not found.labels
    assert not found.rule


def test_span_points_into_the_original_text():
    text = "<think>A？</think>**答案是：ＡＢ**。"
    found = read(text, kind="multiple")
    assert text[slice(*found.span)].strip("*") in ("ＡＢ", "：ＡＢ")


def test_reasons_tell_what_is_wrong():
    assert read("").unscored == "empty answer"
    assert read("<think>A").unscored == "the thoughts never end"
    assert read("AD").unscored == "2 options for a single-answer question"
    assert read("DDDD").unscored == "repeats a label"
    assert read("抱歉，我无法回答。").unscored == "refusal"
    assert read("答案是A或B").unscored == "undecided between options"
    assert read("答案是A。答案是B。").unscored == "contradicts itself"


def test_labels_stay_labels():
    options = [Option(label=label, text=text) for label, text in zip("甲乙丙", ["桂枝", "麻黄", "石膏"], strict=True)]
    assert read("答案是乙", options).labels == ("乙",)
    assert read("答案是B", options).labels == ()
    digits = [Option(label=label, text=text) for label, text in zip("123", ["桂枝", "麻黄", "石膏"], strict=True)]
    assert read("答案：②", digits).labels == ("2",)
    reordered = [Option(label=label, text=TEXTS[label]) for label in "DCBA"]
    assert read("答案是AD", reordered, "multiple").labels == ("D", "A")


@given(
    st.text(alphabet="答案是选ABCDE不或，。:（） \n<think/>F肝炎", max_size=40), st.sampled_from(["single", "multiple"])
)
def test_never_raises_and_only_gives_labels_of_the_question(text, kind):
    found = read(text, kind=kind)
    assert set(found.labels) <= set(TEXTS)
    assert bool(found.labels) != bool(found.unscored)
    assert kind == "multiple" or len(found.labels) <= 1


def test_a_thousand_plain_answers_in_many_forms():
    rng = random.Random(0)
    forms = [
        "{}",
        "答案是{}",
        "选{}。",
        "正确答案：{}",
        "The answer is ({}).",
        "分析：略。故选{}。",
        "<think>A</think>{}",
    ]
    for _ in range(1000):
        label = rng.choice("ABCDE")
        text = rng.choice(forms).format(label)
        assert read(text).labels == (label,), text
