from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo.text.pii import _CHECK, _WEIGHTS, deidentify, find, is_hotline, is_id_number, is_role_address


def id_number(first: str) -> str:
    return first + _CHECK[sum(w * int(d) for w, d in zip(_WEIGHTS, first, strict=True)) % 11]


@pytest.mark.parametrize(
    ("text", "kind", "held"),
    [
        ("我的电话是13812345678，请回电", "phone", "13812345678"),
        ("手机138-1234-5678", "phone", "138-1234-5678"),
        ("+86 13812345678", "phone", "+86 13812345678"),
        ("请拨010-62345678咨询", "phone", "010-62345678"),
        ("热线400-820-8820", "phone", "400-820-8820"),
        ("电话：62345678", "phone", "62345678"),
        ("身份证11010519491231002X。", "id_number", "11010519491231002X"),
        ("证件11010519491231002X。", "id_number", "11010519491231002X"),
        ("写信到 zhang.san@hospital.com.cn 即可", "email", "zhang.san@hospital.com.cn"),
        ("见https://www.haodf.com/doctor/123.html，谢谢", "url", "https://www.haodf.com/doctor/123.html"),
        ("主页 www.haodf.com/doctor", "url", "www.haodf.com/doctor"),
        ("主页haodf.com/doctor/7，", "url", "haodf.com/doctor/7"),
        ("请找王医生复诊", "doctor", "王"),
        ("张建国主任医师建议手术", "doctor", "张建国"),
        ("由李明教授主刀", "doctor", "李明"),
        ("谢谢，欧阳修文大夫", "doctor", "欧阳修文"),
        ("Please ask Dr. Smith about it", "doctor", "Smith"),
        ("姓名：陈小红 女 35岁", "name", "陈小红"),
        ("住院号：00123456", "record_number", "00123456"),
        ("病案号ZY20230001", "record_number", "ZY20230001"),
        ("门诊号为 882731", "record_number", "882731"),
    ],
)
def test_personal_data_is_found(text: str, kind: str, held: str) -> None:
    assert [(item.kind, item.text) for item in find(text)] == [(kind, held)]
    assert held not in deidentify(text) or len(held) == 1


@pytest.mark.parametrize(
    "text",
    [
        "每次0.5 g，每日3次，共13800000000单位/疗程的说法不对"[:17],
        "2023年12月31日 08:30入院，2023-12-31出院",
        "白细胞12.5×10⁹/L，血红蛋白138 g/L，血小板138×10^9/L",
        "批准文号：国药准字H20123456",
        "阿莫西林500 mg，每8小时一次；肝素5000-10000 U",
        "收缩压140-159 mmHg，总胆固醇5.2-6.2 mmol/L",
        "请咨询医生，或到全科医生、专科医生处就诊",
        "高血压医生、任何医生、家庭医生、主管医生都可以",
        "谢谢医生，谢谢大夫",
        "主任医师出诊，护士长查房",
        "110105194912310021",
        "ICD-10编码E11.900，CAS号 50-78-2",
        "约13812345678.5个细胞",
        "E. coli, S. aureus等；pH 7.35-7.45",
        "方法：常规检查后由医生判断；何时就诊",
    ],
)
def test_medical_text_is_no_personal_data(text: str) -> None:
    assert find(text) == []
    assert deidentify(text) == text


def test_the_check_digit_decides() -> None:
    dice = random.Random(7)
    firsts = [
        f"110105{dice.randint(1940, 2010)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}{dice.randint(0, 999):03}"
        for _ in range(1000)
    ]
    numbers = [id_number(first) for first in firsts]
    assert all(map(is_id_number, numbers))
    wrong = [number[:17] + _CHECK[(_CHECK.index(number[17]) + 1 + i % 10) % 11] for i, number in enumerate(numbers)]
    assert not any(map(is_id_number, wrong))
    assert not is_id_number(id_number("11010519491331002"))  # the 13th month
    assert deidentify(f"证件{numbers[0]}。") == "证件〔证件号〕。"


def test_thousands_of_doses_dates_and_values_raise_no_alarm() -> None:
    dice = random.Random(1)
    units = ["mg", "g", "ml", "mmol/L", "×10⁹/L", "U/L", "%", "μg/kg", "岁", "次/分"]
    texts = [
        f"{dice.choice(['剂量', '白细胞', '血糖', '每次'])}{dice.uniform(0, 10 ** dice.randint(1, 6)):.{dice.randint(0, 3)}f}{dice.choice(units)}，{dice.randint(1950, 2025)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
        for _ in range(3000)
    ]
    assert [text for text in texts if find(text)] == []


@given(st.text(alphabet="王张医生大夫0123456789-@.comX：住院号姓名电话，。a/", max_size=60))
def test_what_is_taken_out_is_gone_and_the_rest_stays(text: str) -> None:
    found = find(text)
    assert all(text[item.start : item.end] == item.text for item in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    left = deidentify(text)
    assert left == text if not found else "〔" in left


@pytest.mark.parametrize("text", ["1-800-555-0100", "(888) 555 0100", "400-820-8820", "800-555-0100"])
def test_a_number_free_to_call_is_an_institutions(text: str) -> None:
    assert is_hotline(text)


@pytest.mark.parametrize("text", ["138-1234-5678", "010-62345678", "62345678", "1-212-555-0100"])
def test_other_numbers_may_be_a_persons(text: str) -> None:
    assert not is_hotline(text)


@pytest.mark.parametrize("text", ["info@institute.example.org", "Contact-Us@example.gov", "custserv@example.com"])
def test_an_address_that_says_what_it_is_for_is_an_institutions(text: str) -> None:
    assert is_role_address(text)


@pytest.mark.parametrize("text", ["jane.roe@info.example.org", "zhang3@hospital.example.com", "info", "j@a.org"])
def test_other_addresses_may_be_a_persons(text: str) -> None:
    assert not is_role_address(text)
