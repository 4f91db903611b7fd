from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import RecipeError
from huatuo.eval.probes import HELD_OUT, TRAINED, WITHHELD
from huatuo.recipe import ImportSource, UnifySettings
from huatuo.records import Dropped, Finding, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth.pair import pair_id
from huatuo.synth.split import keys_of
from huatuo.synth.unify import ASKED_AS_TAUGHT, unify


def run(
    maker: Any,
    pairs: list[Pair],
    questions: list[Any] | None = None,
    seed: int = 1,
    knowledge: Path | None = None,
    **settings: Any,
) -> Path:
    made = maker.write("synth", {"pairs": pairs})
    asked = maker.write("questions", {"questions": questions or []})
    folder: Path = maker.folder / "unify"
    with writing(folder, stage="unify", key="k") as out:
        unify(UnifySettings(**settings), made, asked, seed, out, knowledge)
    return folder


def rows(folder: Path) -> list[Pair]:
    return list(read(folder, "pairs", Pair))


def test_generated_and_imported_pairs_come_together_with_flags(maker: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    records = [
        {"instruction": "哪里疼？", "output": "足"},
        {"instruction": "坏", "output": 3},
        {"instruction": "哪里疼？", "output": "足"},
    ]
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records), encoding="utf-8")
    source = ImportSource(name="old", path=path, format="huatuo")
    folder = run(maker, [maker.pair("甲病有什么症状？", "甲病的症状有乙症。")], imports=(source,))
    assert [(p.source, p.flags, p.provenance.by) for p in rows(folder)] == [
        ("graph", (), "model"),
        ("old", ("no_end_mark", "short_answer"), "import"),
    ]
    manifest = read_manifest(folder)
    assert manifest.dropped == {"duplicate": 1, "not_text": 1}
    assert manifest.kept == 2
    assert any("line 2" in d.reason for d in read(folder, "dropped", Dropped))


@pytest.mark.slow
def test_drop_flagged_and_limit(maker: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    lines = [
        json.dumps({"instruction": f"问题{n}？", "output": f"这是第{n}个回答。"}, ensure_ascii=False)
        for n in range(1000)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    source = ImportSource(name="old", path=path, format="huatuo", limit=600)
    folder = run(maker, [maker.pair("甲病？", "足")], imports=(source,), drop_flagged=("short_answer",))
    manifest = read_manifest(folder)
    assert (manifest.tables["pairs"].rows, manifest.dropped, manifest.left) == (
        600,
        {"short_answer": 1},
        {"limit": 400},
    )


def test_an_unknown_lint_rule_is_refused_with_the_known_ones(maker: Any) -> None:
    with pytest.raises(RecipeError, match=r"no lint rule 'shrt'.*short_answer"):
        run(maker, [maker.pair("甲病？", "乙。")], drop_flagged=("shrt",))


STEM = "患者男性五十岁突发胸骨后压榨样疼痛两小时伴大汗首先应考虑的诊断是什么"


def test_exam_questions_are_dropped_and_knowledge_questions_are_not(maker: Any) -> None:
    stem = "下述哪一种维生素缺乏会导致夜间视物不清并伴有皮肤干燥脱屑的表现"
    taught = maker.question(stem, "knowledge").model_copy(update={"group": TRAINED})
    questions = [maker.question(STEM), taught]
    pairs = [
        maker.pair(STEM + "？", "应考虑急性心肌梗死。"),
        maker.pair(stem + "？", "缺乏维生素甲会这样。"),
        maker.pair("感冒要注意什么？", "感冒时要多休息多喝水。"),
    ]
    folder = run(maker, pairs, questions)
    assert [p.messages[0].content for p in rows(folder)] == [stem + "？", "感冒要注意什么？"]
    (dropped,) = read(folder, "dropped", Dropped)
    assert (dropped.rule, dropped.witness) == ("contaminated", questions[0].id)
    assert len(rows(run(maker, pairs, questions, decontaminate=False))) == 3


@pytest.mark.parametrize("group", [HELD_OUT, WITHHELD, ""])
def test_a_held_out_question_of_the_probe_is_never_trained_on(maker: Any, group: str) -> None:
    assert ASKED_AS_TAUGHT == TRAINED
    asked = maker.question("讲讲甲病病人的症状特点。", "knowledge").model_copy(update={"group": group})
    pairs = [
        maker.pair("讲讲 甲病病人的症状特点", "甲病的症状有乙症。"),
        maker.pair("讲讲甲病病人的饮食", "甲病病人要少吃盐。"),
    ]
    folder = run(maker, pairs, [asked])
    (dropped,) = read(folder, "dropped", Dropped)
    assert (dropped.rule, dropped.witness, dropped.record_id) == ("contaminated", asked.id, pairs[0].id)
    assert "(exact)" in dropped.reason
    assert [p.id for p in rows(folder)] == [pairs[1].id]


@pytest.mark.slow
def test_an_imported_pair_that_names_a_withheld_entity_is_left_and_a_generated_one_is_not(
    maker: Any, tmp_path: Path
) -> None:
    knowledge = maker.knowledge(
        [
            maker.fact("川崎病", "临床症状", "发热", flags=("withheld",)),
            maker.fact("猩红热", "临床症状", "咽痛"),
            maker.fact("坏病", "临床症状", "无", flags=("mixed",)),
        ],
        {"川崎病": ("皮肤黏膜淋巴结综合征",)},
    )
    names = ("川崎病", "皮肤黏膜淋巴结综合征", "猩红热", "坏病")
    records = [{"instruction": f"{names[n % 4]}第{n}问？", "output": f"第{n}个回答在这里。"} for n in range(1000)] + [
        {"instruction": "发热要想到什么？", "output": "可能是川崎病。"}
    ]
    path = tmp_path / "old.json"
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records), encoding="utf-8")
    source = ImportSource(name="old", path=path, format="huatuo")
    made = [maker.pair("阿司匹林有什么不良反应？", "阿司匹林的不良反应有川崎病。")]
    folder = run(maker, made, imports=(source,), knowledge=knowledge)
    manifest = read_manifest(folder)
    assert (manifest.left, manifest.kept) == ({"withheld": 501}, 501)
    reasons = {d.reason for d in read(folder, "dropped", Dropped)}
    assert reasons == {f"old names the withheld entity {name}" for name in names[:2]}
    assert read_manifest(run(maker, made, imports=(source,))).left == {}


def test_a_possible_overlap_is_only_flagged(maker: Any) -> None:
    folder = run(maker, [maker.pair(f"为什么{STEM[:16]}？", "原因很多，请及时就医。")], [maker.question(STEM)])
    assert [p.flags for p in rows(folder)] == [("possible_exam_overlap",)]


@pytest.mark.slow
def test_no_entity_document_or_question_on_both_sides_and_the_share_is_met(maker: Any) -> None:
    pairs = [
        maker.pair(f"第{n % 1500}个问题是什么？", f"这是第{n}个回答。", entities=(f"病{n % 700}",), parents=(f"f{n}",))
        for n in range(700)
    ]
    pairs += [
        maker.pair(f"文章{n}讲什么？", f"讲第{n}件事情。", source="guide", parents=(f"p{n}", f"doc{n % 60}"))
        for n in range(600)
    ]
    pairs += [maker.pair(f"第{n}个问题是什么", f"另一个第{n}号回答。", source="other") for n in range(300)]
    folder = run(maker, pairs, validation_share=0.1)
    sides: dict[str, set[bytes]] = {"train": set(), "validation": set()}
    for pair in rows(folder):
        sides[pair.split].update(keys_of(pair))
    assert not sides["train"] & sides["validation"]
    share = sum(p.split == "validation" for p in rows(folder)) / 1600
    assert 0.09 < share <= 0.1
    assert read_manifest(folder).figures["validation share"] == share
    first = {p.id for p in rows(folder) if p.split == "validation"}
    assert first != {p.id for p in rows(run(maker, pairs, validation_share=0.1, seed=2)) if p.split == "validation"}
    assert list(read(folder, "findings", Finding)) == []


@pytest.mark.slow
def test_the_split_does_not_depend_on_the_order(maker: Any) -> None:
    pairs = [maker.pair(f"第{n}问？", f"第{n}个回答。", entities=(f"病{n // 3}",)) for n in range(1200)]
    held = [
        {p.id for p in rows(run(maker, order, validation_share=0.2)) if p.split == "validation"}
        for order in (pairs, pairs[::-1])
    ]
    assert held[0] == held[1]
    assert len(held[0]) == 240


@pytest.mark.slow
def test_a_group_too_big_for_the_share_is_reported(maker: Any) -> None:
    pairs = [maker.pair(f"第{n}问？", f"第{n}个回答。", entities=("同一个病",)) for n in range(1000)]
    folder = run(maker, pairs, validation_share=0.1)
    (finding,) = read(folder, "findings", Finding)
    assert finding.rule == "validation_share"
    assert "100.0%" in finding.message
    assert {p.split for p in rows(folder)} == {"train"}


# ---------------------------------------------------------------- personal data, near-duplicates


def imported(maker: Any, tmp_path: Path, records: list[tuple[str, str]], near: float = 0.0, **settings: Any) -> Any:
    path = tmp_path / "i.jsonl"
    rows = (json.dumps({"instruction": q, "input": "", "output": a}, ensure_ascii=False) + "\n" for q, a in records)
    path.write_text("".join(rows), encoding="utf-8")
    source = ImportSource(name="ward", path=path, format="huatuo", near_duplicates=near)
    folder = tmp_path / "unified"
    with writing(folder, stage="unify", key="k") as out:
        empty = maker.write("synth", {}), maker.write("questions", {})
        unify(UnifySettings(imports=(source,), **settings), *empty, 0, out)
    return list(read(folder, "pairs", Pair)), list(read(folder, "dropped", Dropped)), out


@pytest.mark.slow
def test_personal_data_is_flagged_and_taken_out_on_request(maker: Any, tmp_path: Path) -> None:
    records = [
        (f"我是第{i}号，电话138{i:08}，住院号A{i:06}，要紧吗？", f"请找王医生复诊，血压约{i}。") for i in range(1000)
    ]
    records.append(("感冒要紧吗？", "感冒多能自愈，请休息。"))
    pairs, _, out = imported(maker, tmp_path, records)
    assert out.figures["lint personal_data"] == 1000
    assert "13800000007" in pairs[7].messages[0].content
    pairs, _, out = imported(maker, tmp_path, records, deidentify=True)
    assert pairs[7].messages[0].content == "我是第7号，电话〔电话〕，住院号〔编号〕，要紧吗？"
    assert pairs[7].messages[1].content == "请找〔姓名〕医生复诊，血压约7。"
    assert "lint personal_data" not in out.figures
    assert sum("deidentified" in pair.flags for pair in pairs) == 1000
    assert pairs[-1].flags == ()
    assert len({pair.id for pair in pairs}) == 1001
    assert all(pair.id == pair_id(pair.source, pair.messages) for pair in pairs)
    originals = [pair.id for pair in imported(maker, tmp_path, records)[0]]
    assert [pair.parents for pair in pairs] == [*((original,) for original in originals[:-1]), ()]
    _, dropped, _ = imported(maker, tmp_path, records, drop_flagged=("personal_data",))
    assert len(dropped) == 1000
    assert not any("138" in item.reason for item in dropped)


@pytest.mark.slow
def test_near_duplicates_of_an_import_go_and_name_the_earlier_one(maker: Any, tmp_path: Path) -> None:
    records = [(f"第{i * 7919}号病房的{i * i}床患者应当怎样护理？", "按常规护理。") for i in range(500)]
    twins = [(question.replace("？", "呢？"), answer) for question, answer in records]
    pairs, dropped, out = imported(maker, tmp_path, records + twins)
    assert (len(pairs), dropped) == (1000, [])
    pairs, dropped, out = imported(maker, tmp_path, records + twins, near=0.8)
    assert out.dropped["near_duplicate"] >= 500
    assert len(pairs) + len(dropped) == 1000
    kept = {pair.id for pair in pairs}
    assert dropped[-1].rule == "near_duplicate"
    assert dropped[-1].witness in kept
    assert "line 500" in dropped[-1].reason


@pytest.mark.slow
def test_passages_as_they_are_are_neither_tied_by_their_empty_question_nor_flagged_for_it(maker: Any) -> None:
    def text(number: int, document: str) -> Pair:
        pair: Pair = maker.pair("", f"第{number}号文字说明休息。")
        parents = (f"passage{number}", document)
        return pair.model_copy(update={"shape": "text", "parents": parents, "entities": ()})

    pairs = [text(n, f"document{n // 10}") for n in range(1_000)]
    found = rows(run(maker, pairs, validation_share=0.2, decontaminate=False))
    held = {p.parents[1] for p in found if p.split == "validation"}
    assert len(found) == 1_000
    assert 0.15 < sum(p.split == "validation" for p in found) / 1_000 <= 0.2
    assert not held & {p.parents[1] for p in found if p.split == "train"}
    assert not any(p.flags for p in found)
    asked = maker.pair("", "这是一个回答。")
    assert rows(run(maker, [asked], decontaminate=False))[0].flags == ("empty",)


# ---------------------------------------------------------------- so many pairs, twins on one side


@pytest.mark.slow
def test_exactly_so_many_pairs_are_held_out_with_twins_on_one_side(maker: Any, tmp_path: Path) -> None:
    records = [(f"第{i * 7919}号病房的{i * i}床患者应当怎样护理？", f"按第{i}号常规护理。") for i in range(900)]
    twins = [(question.replace("？", "呢？"), f"另一种说法{i}。") for i, (question, _) in enumerate(records[:300])]
    apart, _, out = imported(maker, tmp_path, records + twins, validation_pairs=100)
    pairs, _, tied = imported(maker, tmp_path, records + twins, validation_pairs=100, validation_twins=0.8)
    for found in (apart, pairs):
        assert sum(pair.split == "validation" for pair in found) == 100
    sides: dict[str, set[str]] = {}
    for pair in pairs:
        sides.setdefault(pair.messages[0].content.replace("呢", ""), set()).add(pair.split)
    assert all(len(side) == 1 for side in sides.values())
    assert tied.figures["questions near an earlier one"] >= 300
    assert "questions near an earlier one" not in out.figures
    torn = {pair.messages[0].content.replace("呢", "") for pair in apart if pair.split == "validation"}
    assert torn & {pair.messages[0].content.replace("呢", "") for pair in apart if pair.split == "train"}


@pytest.mark.slow
def test_twins_pass_over_passages_and_tie_chains(maker: Any) -> None:
    chain = [maker.pair("很长的同一个问题说了一遍又一遍" + "啊" * n, f"第{n}个回答。") for n in range(1, 6)]
    others = [maker.pair(f"第{n * 7919}问，{n * n}？", f"第{n}个别的回答。") for n in range(1000)]
    texts = [
        maker.pair("", f"第{n}号文字说明休息。").model_copy(
            update={"shape": "text", "parents": (f"p{n}",), "entities": ()}
        )
        for n in range(50)
    ]
    folder = run(maker, chain + others + texts, validation_pairs=200, validation_twins=0.9, decontaminate=False)
    found = {pair.id: pair.split for pair in rows(folder)}
    assert len({found[pair.id] for pair in chain}) == 1
    assert list(found.values()).count("validation") == 200


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"validation_share": 0.1, "validation_pairs": 5}, "both set"),
        ({"validation_twins": 0.7}, "none is held out"),
    ],
)
def test_a_validation_set_that_cannot_be_meant_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        UnifySettings(**settings)
