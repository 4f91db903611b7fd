"""Each rule refuses what it is for, and leaves medical text alone; what many texts hold is counted as in one."""

from __future__ import annotations

import random
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.corpus import quality, repeats
from huatuo.corpus.characters import BLANK, HAN, LETTER, chunk, chunks
from huatuo.corpus.normalise import TABLE, normalise, normalise_chunk, normalise_many
from huatuo.corpus.phrases import ADVERTISEMENT, BOILERPLATE
from huatuo.corpus.quality import quality_batch, refused
from huatuo.corpus.unanswered import question_batch
from huatuo.report import names
from huatuo.text.zh import is_cjk

PROSE = (
    "二甲双胍是2型糖尿病的一线用药，起始剂量为每次0.5 g，每日2次，随餐服用，最大剂量每日2.0 g。肾功能不全者"
    "（eGFR＜30 ml/min）禁用；使用碘造影剂前后应停药48小时，并复查肾功能。常见不良反应为腹泻、恶心和腹部不适。"
)
ENGLISH = (
    "Metformin lowers hepatic glucose output and improves insulin sensitivity in muscle. The usual starting dose is "
    "500 mg twice daily with meals; it is contraindicated when the eGFR is below 30 mL/min/1.73 m2. Lactic acidosis is "
    "rare, but the drug should be withheld before iodinated contrast is given. See https://example.org/label for more."
)
CLEAN = [
    PROSE,
    ENGLISH,
    "白细胞计数（4～10）×10⁹/L，中性粒细胞占50%～70%，血红蛋白120～160 g/L，血小板（100～300）×10⁹/L。",
    "【用法用量】口服。成人一次2片，一日3次；儿童遵医嘱。\n【禁忌】对本品过敏者禁用。\n【贮藏】密封，置阴凉处。",
    "黄芪、党参、白术、茯苓、当归、龙眼肉、酸枣仁、木香、远志、炙甘草、生姜、大枣，水煎服，日一剂，分二次温服。",
    "瓜蒌、薤白、蟾酥、虻虫、鳖甲、诃子、莪术、蒺藜、瘰疬、癥瘕、痰饮、眩晕，皆常见于方书，各有主治，不可混用。",
    "Vitamin B12, IL-2, CD4, CO2, HbA1c, p53, H1N1, T4 and G6PD were measured in 24 patients on days 1, 3, 7 and 14.",
    "Les cellules épithéliales de l’œsophage sont étudiées; Ménière, Sjögren, Behçet and Guillain–Barré are eponyms.",
    "Copies of the form may be had from the trial office; contact us was printed on it, and nothing was for sale there.",
    "Grading of signs:\n1. none\n2. mild\n3. moderate\n4. severe\n5. very severe, needing admission to hospital at once",
    "肿瘤分期：tisn0m0、t1n0m0、t2n1m0、t3n1m0、t4n2m1；融合转录本有 b2a2、b3a2、e1a2 与 e19a2，各有预后意义，应予区分。",
    "Ask for the leaflet on home dialysis by calling 1-888-555-0142, or 18665550199 in the evening; calls are free.",
    "产品不良反应可拨打免费电话400-555-0123报告，请写明批号、用药时间与表现，并保留剩余药品备查。",
    "慢性鼻炎是鼻腔黏膜的慢性炎症，以鼻塞、流涕为主。\n慢性鼻炎是鼻腔黏膜的慢性炎症，以鼻塞、流涕为主。\n病程超过十二周。\n多由急性者转来。",
    "患者应在医生指导下用药，不可自行增减剂量。王医生认为，编号为A12的检查并不特异；2019年至2023年共随访1234例。",
]

FACTS = [
    f"第{i}味药性温味甘，归脾胃{i % 7}经，治{chr(0x4E00 + i * 37 % 3000)}{chr(0x4E00 + i * 91 % 3000)}之证。"
    for i in range(300)
]

REFUSED = {
    "too_short": ["", "无", "5 mg。", "—— — ——"],
    "mostly_symbols": ["—————————————第三章 常用药物目录（续）····················12 ————————————————————", "|---|---|---|---|---|---|\n| 名 | 量 | 次 | 法 | 忌 | 注 |\n|---|---|---|---|---|---|\n甲乙丙丁戊己庚", "*** *** *** abcdefghijklm *** *** *** *** *** ***"],
    "unreadable": ["患者服药后出现" + "\ufffd" * 9 + "症状明显好转，复查正常。", PROSE + "\x05" * 12, "the dose is \x00\x01\x02\x03\x04 given twice daily with meals"],
    "mojibake": [
        "ç³–å°¿ç—…çš„æ²»ç–—ï¼šäºŒç”²åŒèƒæ˜¯ä¸€çº¿ç”¨è¯ã€‚",
        PROSE.encode().decode("gb18030", "replace").replace("\ufffd", ""),
        "The patientâ€™s MÃ©niÃ¨re disease and SjÃ¶gren syndrome wereÂ treatedÂ withâ€¦",
        "患者锟斤拷锟斤拷用药后好转，继续观察三天无明显不适。",
        "½ø¸ßμ°°×£¬¸ßÈÈÁ¿£¬¸ßÎ¬ÉúËØÒ×Ïû»¯μÄ°ëÁ÷ÖÊÊ³Îï¡£Í¬Ê±",
    ],
    "ocr_residue": [
        "患 者 服 药 后 出 现 恶 心 呕 吐 腹 泻 头 晕 等 不 良 反 应 应 停 药",
        "T h e p a t i e n t w a s g i v e n t h e d r u g t w i c e d a i l y",
        "the c1inica1 tria1s of hepat1tis and rena1 fai1ure were bl1nded and control1ed by an ind1vidual",
        "此方治□□□虚损，用人参□两，白术□钱，水煎服，日□次，以愈为度也。",
    ],
    "list_of_links": [
        "相关：\nhttps://a.example.org/drug/metformin-0001\nhttps://a.example.org/drug/insulin-0002\nwww.example.com/drug/9",
        "[2]: http://openbooks.example/l/Epidermis\n[3]: http://openbooks.example/l/basal\n[4]: http://openbooks.example/l/x",
        "see http://x.example/aaaaaaaa http://x.example/bbbbbbbb http://x.example/cccccccc and http://x.example/dddddddd",
    ],
    "advertisement": [
        "祖传秘方，包治百病，无效退款！加微信领取优惠，货到付款，全国包邮。",
        "本院采用签约治疗，彻底根治牛皮癣。立即预约专家，点击咨询可享优惠价，来院路线见下图。",
        "Buy now and save! Cheap tablets without prescription, free shipping, money-back guarantee.",
        "Order now, limited time discount, no prescription needed, call now for a free consultation.",
    ],
    "boilerplate": [
        "首页 | 关于我们 | 联系我们 | 网站地图 | 隐私政策 版权所有 京ICP备05000000号 京公网安备",
        "上一篇：高血压的饮食 下一篇：低血压的饮食 返回首页 加入收藏 责任编辑：小编 转载请注明出处",
        "Home About us Contact us Privacy policy Terms of use All rights reserved. Sign in or subscribe to our newsletter",
        "We use cookies. Please enable JavaScript, log in or sign up to read more. Back to top. Site map.",
    ],
    "repetitive": [
        "请先咨询医生再用药。\n" * 12,
        "the same line of words\n" * 5 + "another line\n",
        "尚不明确，请遵医嘱。\n其他说明。\n尚不明确，请遵医嘱。\n尚不明确，请遵医嘱。\n尚不明确，请遵医嘱。",
    ],
    "repeated_runs": ["".join(FACTS[:9]) * 6, ENGLISH.split(" See")[0] * 3, ("服药期间忌食辛辣生冷油腻之物并注意休息保暖避免劳累" + "，") * 9],
    "personal_data": [
        "姓名：张伟明 性别：男 年龄：45岁 住院号：0098123，因反复咳嗽两周入院，诊断为肺炎。",
        "如有疑问请拨打 138-1234-5678 与科室联系，或发邮件到 someone.private@hospital.example.com 咨询。",
        "患者身份证 11010519491231002X，既往体健，因胸痛三小时入院，心电图示下壁心肌梗死。",
        "Contact the author at jane.roe@clinic.example.org for the dosing tables of this small cohort of adults.",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("rule", "texts"), REFUSED.items())
def test_a_rule_refuses_what_it_is_for(rule: str, texts: list[str]) -> None:
    assert [(t[:30], why.partition(":")[0]) for t, why in zip(texts, refused(texts, 12), strict=True)] == [
        (t[:30], rule) for t in texts
    ]
    assert all("expected" in why or rule in ("ocr_residue", "mojibake") for why in refused(texts, 12))


def test_no_rule_refuses_medical_text() -> None:
    assert dict(zip(CLEAN, refused(CLEAN, 12), strict=True)) == dict.fromkeys(CLEAN, "")
    assert refused(["".join(FACTS), PROSE * 1], 12) == ["", ""]


@pytest.mark.parametrize(
    "text",
    [
        PROSE + "电话咨询时应说明用药史。详见版权所有页。",
        PROSE * 1 + "\n联系电话 010-12345678" + "".join(FACTS[:90]),
        "白术（见□）" + PROSE,
        PROSE[:60] + "\ufffd" + PROSE[60:],
        "see www.example.org and https://example.org " + ENGLISH,
        "Follow us at the clinic; a discount is no treatment. " + ENGLISH * 1,
        "Write to the institute's desk at info@institute.example.org for leaflets about asthma in children.",
    ],
)
def test_a_single_sign_refuses_nothing(text: str) -> None:
    assert refused([text], 12) == [""]


def test_figures_are_named() -> None:
    assert refused(["甲乙丙"], 12) == ["too_short: 3 letters and digits, expected at least 12"]
    assert "12 times" in refused(["请先咨询医生再用药。\n" * 12], 12)[0]
    assert "1 id_number in" in refused([REFUSED["personal_data"][2]], 12)[0]


@pytest.mark.slow
def test_texts_do_not_judge_each_other() -> None:
    rng = random.Random(1)
    texts = [t for group in REFUSED.values() for t in group] + CLEAN + FACTS * 4
    rng.shuffle(texts)
    alone = [refused([text], 12)[0] for text in texts]
    assert len(texts) > 1200
    assert refused(texts, 12) == alone
    assert Counter(why.partition(":")[0] for why in alone).keys() >= set(REFUSED)


def test_a_reason_that_stands_is_kept_and_rows_stay() -> None:
    batch = pa.RecordBatch.from_pylist(
        [{"normal": t, "reason": r} for t, r in (("甲", "off: 1"), ("甲", None), (PROSE, ""))]
    )
    made = quality_batch(batch, 12).column("reason").to_pylist()
    assert made[0] == "off: 1"
    assert made[1].startswith("too_short: 1 ")
    assert made[2] == ""
    assert quality_batch(batch.slice(0, 0), 12).num_rows == 0


def test_every_rule_has_a_chinese_label() -> None:
    assert {name for name in quality.NAMES if not any(map(is_cjk, names.rule(name)[0]))} == set()


# ---------------------------------------------------------------- the fast way equals the slow one

ANY = st.text(st.characters(max_codepoint=0x2FFFF), max_size=60)
CHOSEN = st.text(
    st.sampled_from([*"aA1 \n\t|https://www.", "İ", "ſ", "扫", "码", "特", "价", *map(chr, list(TABLE)[::9])]),
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(ANY | CHOSEN, max_size=8))
def test_many_texts_are_normalised_as_one(texts: list[str]) -> None:
    assert normalise_many(texts) == [normalise(text) for text in texts]


def test_every_character_of_the_table_is_seen_alone() -> None:
    assert normalise_many([f"x{chr(code)}" for code in TABLE]) == [normalise(f"x{chr(code)}") for code in TABLE]


def test_no_character_that_carries_a_number_changes() -> None:
    kept = "×10⁹/L ½ ① Ⅱ H₂O ㎡ ℃ ‰ ≤ ≥ ± 5～10 ２"
    assert normalise_many([kept]) == [kept.replace("２", "2")]
    assert normalise_many(["禁⽤５㎎"]) == ["禁用5mg"]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("a甲２∶\xa0µ㎎\u200b", max_size=5), max_size=8))
def test_a_normalised_chunk_is_the_chunk_of_normalised_texts(texts: list[str]) -> None:
    made, expected = normalise_chunk(chunk(texts)), chunk([normalise(text) for text in texts])
    assert list(made.texts) == list(expected.texts)
    assert (made.codes.tolist(), made.starts.tolist()) == (expected.codes.tolist(), expected.starts.tolist())


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY | CHOSEN, max_size=8))
def test_characters_are_counted_text_by_text(texts: list[str]) -> None:
    made = chunk(texts)
    assert made.count_of(LETTER).tolist() == [sum(map(str.isalnum, t)) for t in texts]
    assert made.count_of(BLANK).tolist() == [sum(map(str.isspace, t)) + 1 for t in texts]
    assert made.count_of(HAN).tolist() == [sum(map(is_cjk, t)) for t in texts]


PHRASES = st.sampled_from([*ADVERTISEMENT, *BOILERPLATE, "Buy NOW", " ", "。", "x", "İ"])


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(PHRASES, max_size=6).map("".join), max_size=6))
def test_phrases_are_counted_text_by_text(texts: list[str]) -> None:
    for phrases in (ADVERTISEMENT, BOILERPLATE):
        lower = [t.replace("İ", "i").lower() for t in texts]
        assert chunk(texts).hits(phrases).tolist() == [sum(_count(t, p) for p in phrases) for t in lower]


def test_a_phrase_whose_rare_character_comes_late_is_found_at_both_ends_of_a_text() -> None:
    texts = ["ooj", "oooj", "x oooj", "oooJ oooj", "j", "ooo", "oj"]
    assert chunk(texts).hits(("oooj",)).tolist() == [0, 1, 1, 2, 0, 0, 0]
    assert chunk([]).hits(("oooj",)).tolist() == []


def _runs_by_hand(texts: list[str]) -> list[int]:
    counted = []
    for text in texts:
        runs = [text[i : i + repeats.RUN] for i in range(len(text) - repeats.RUN + 1)]
        counted.append(len(runs) - len(set(runs)))
    return counted


def _count(text: str, phrase: str) -> int:
    return sum(text.startswith(phrase, at) for at in range(len(text)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab甲", min_size=0, max_size=200), max_size=5))
def test_repeated_runs_are_counted_exactly(texts: list[str]) -> None:
    assert repeats.repeated(chunk(texts)).tolist() == _runs_by_hand(texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["\n" * 50, "\n" * 50, ""],
        ["abcdefghijklmnopqrst" + "acbdefghijklmnopqrst" + "bacdefghijklmnopqrst" + "abcdefghijklmnopqrst"],
        ["甲" * 19, "甲" * 20, "甲" * 21, "甲" * 2000],
    ],
)
def test_runs_end_with_their_text_and_hold_their_order(texts: list[str]) -> None:
    assert repeats.repeated(chunk(texts)).tolist() == _runs_by_hand(texts)


@pytest.mark.slow
def test_texts_that_repeat_themselves_are_looked_at_and_others_not() -> None:
    """A text of which 45 % stood before is never passed over; prose hardly ever is counted in vain."""
    dice = random.Random(5)
    letters = [chr(0x4E00 + i) for i in range(2500)]
    prose = ["".join(dice.choices(letters, k=dice.randint(125, 2000))) for _ in range(1000)]
    again = [text + text[: round(0.85 * len(text))] for text in prose]
    assert repeats.may_repeat(chunk(again)).all()
    assert repeats.may_repeat(chunk(prose)).sum() == 0
    mixed = [text for pair in zip(prose, again, strict=True) for text in pair]
    assert repeats.may_repeat(chunk(mixed)).tolist() == [False, True] * 1000
    assert all(reason.startswith("repeated_runs") for reason in refused(again, 12))
    partly = [text + text[: round(dice.uniform(0.25, 0.45) * len(text))] for text in prose]
    alone = [bool(repeats.may_repeat(chunk([text]))[0]) for text in partly]
    assert repeats.may_repeat(chunk(partly)).tolist() == alone
    assert 200 < sum(alone) < 800


def test_chunks_hold_all_texts_in_order() -> None:
    texts = [str(i) * (i % 50) for i in range(1234)]
    parts = list(chunks(texts))
    assert [t for _, part in parts for t in part] == texts
    assert all(texts[begin : begin + len(part)] == list(part) for begin, part in parts)
    assert list(chunks([])) == []


# ---------------------------------------------------------------- real text

DATA = Path(__file__).parents[3] / "shared" / "data"
MOST_REFUSED = {"corpus_drug_monographs": 0.002, "corpus_pubmed_abstracts": 0.002, "kg_xywy_medicalkgqa": 0.002}


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.exists(), reason="no shared data")
@pytest.mark.parametrize(("folder", "most"), MOST_REFUSED.items())
def test_hardly_any_real_medical_text_is_refused(folder: str, most: float) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    try:
        from corpora import prose
    finally:
        sys.path.pop(0)
    texts = normalise_many(list(islice(prose(DATA / folder), 3000)))
    why = Counter(reason.partition(":")[0] for reason in refused(texts, 12) if reason)
    print(f"{folder}: {why.total()} of {len(texts)} refused: {dict(why)}")
    assert why.total() <= most * len(texts)


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("How long does a course of iron tablets last ?", True),
        ("  服用铁剂期间能喝浓茶吗？\n", True),
        ("What is the usual dose? It is 5 mg.", False),
        ("能喝茶吗？不能，茶会影响吸收。", False),
        ("贫血怎么办\n要吃药吗？", False),
        ("The dose was changed. Why?", False),
        ("", False),
        ("？", True),
    ],
)
def test_a_question_alone_teaches_nothing(text: str, alone: bool) -> None:
    batch = pa.RecordBatch.from_pydict({"normal": [text], "reason": [""]})
    assert question_batch(batch)["reason"].to_pylist() == [
        "question_alone: one question, expected an answer beside it"
    ] * alone + [""] * (not alone)
    known = pa.RecordBatch.from_pydict({"normal": [text], "reason": ["too_short: 1"]})
    assert question_batch(known)["reason"].to_pylist() == ["too_short: 1"]
