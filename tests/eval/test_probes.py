import tomllib
from importlib import resources
from pathlib import Path

import pytest

from huatuo.errors import InputError, RecipeError
from huatuo.eval.probes import (
    GROUPS,
    HELD_OUT,
    NO_SHARED_WORD,
    TRAINED,
    WITHHELD,
    Taught,
    question_words,
    read_phrasings,
    shares_a_word,
)
from huatuo.eval.questions import make
from huatuo.recipe import ProbeSettings, QuestionsSettings
from huatuo.records import Dropped, Fact, Origin, Question
from huatuo.store import content_id, read, read_manifest, writing

ORIGIN = Origin(source="s", file="f", place="line 1")
TRAINED_TOML = """
["适应证"]
questions = ["{entity}治什么病？", "请问{entity}的适应证有哪些？", "{entity}用于治疗什么疾病？"]
["*"]
questions = ["{entity}的{relation}是什么？"]
"""
HELD_TOML = """
"适应证" = ["哪些疾病可以用{entity}", "{entity}是给谁备的"]
"归经" = ["{entity}走哪几条道"]
"""


def fact(entity, value, relation="适应证", flags=()):
    return Fact(
        id=content_id(entity, relation, value), entity_id=entity, entity=entity, kind="drug",
        relation=relation, value=value, flags=flags, origin=ORIGIN,
    )  # fmt: skip


def run(tmp_path, facts, held=HELD_TOML, trained=TRAINED_TOML, seed=1, first=64, **probe):
    paths = [tmp_path / "trained.toml", tmp_path / "held.toml"]
    for path, text in zip(paths, (trained, held), strict=True):
        path.write_text(text, encoding="utf-8")
    with writing(tmp_path / "ingest", stage="ingest", key="k") as out:
        for one in facts:
            out.write("facts", one)
    settings = QuestionsSettings(probe=ProbeSettings(**{"relations": ("适应证",), "held_out": paths[1]} | probe))
    with writing(tmp_path / "questions", stage="questions", key="k") as out:
        make(settings, tmp_path / "ingest", Taught(paths[0], first), seed, out)
    return list(read(tmp_path / "questions", "questions", Question))


def test_every_group_asks_for_all_values(tmp_path):
    facts = [fact("阿司匹林", "头痛"), fact("阿司匹林", "发热"), fact("新药", "咳嗽", flags=("withheld",))]
    questions = run(tmp_path, facts)
    taught = [q for q in questions if q.entity == "阿司匹林"]
    assert sorted(q.group for q in taught) == sorted([HELD_OUT, NO_SHARED_WORD, TRAINED, TRAINED])
    assert all(set(q.gold) == {"头痛", "发热"} and len(q.parents) == 2 for q in taught)
    withheld = [q for q in questions if q.entity == "新药"]
    assert {(q.group, q.gold) for q in withheld} == {(WITHHELD, ("咳嗽",))}
    assert {q.stem for q in withheld} == {"哪些疾病可以用新药", "新药是给谁备的"}
    assert all("{" not in q.stem and q.kind == "knowledge" and q.subject == "适应证" for q in questions)


def test_every_fact_is_used_or_left_with_its_reason(tmp_path):
    facts = [
        fact("甲药", "头痛"),
        fact("甲药", "错误的值", flags=("relation_kind",)),
        fact("甲药", "解表", relation="功效"),
        fact("乙药", "错", flags=("withheld", "placeholder")),
    ]
    questions = run(tmp_path, facts)
    assert {q.gold for q in questions} == {("头痛",)}
    left = {d.record_id: (d.outcome, d.rule) for d in read(tmp_path / "questions", "dropped", Dropped)}
    assert left == {
        facts[1].id: ("left", "flagged: relation_kind"),
        facts[2].id: ("left", "relation not probed"),
        facts[3].id: ("left", "flagged: placeholder"),
    }
    assert read_manifest(tmp_path / "questions").kept == 1


def test_a_set_with_one_withheld_fact_is_withheld_as_a_whole(tmp_path):
    questions = run(tmp_path, [fact("甲药", "头痛"), fact("甲药", "发热", flags=("withheld",))])
    assert {q.group for q in questions} == {WITHHELD}


@pytest.mark.slow
def test_a_thousand_entities_same_questions_in_any_order(tmp_path):
    facts = [fact(f"药{i:04}", f"病{i % 97}", flags=("withheld",) if i % 10 == 0 else ()) for i in range(1000)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = run(tmp_path / "a", facts, max_entities=50)
    two = run(tmp_path / "b", facts[::-1], max_entities=50)
    assert one == two
    assert len({q.id for q in one}) == len(one)
    assert len({q.entity for q in one if q.group == WITHHELD}) == 50
    assert len({q.entity for q in one if q.group != WITHHELD}) == 50
    assert read_manifest(tmp_path / "a" / "questions").left["not drawn"] == 900


@pytest.mark.slow
def test_trained_wordings_are_drawn_by_seed(tmp_path):
    facts = [fact("甲药", "头痛")]
    stems = []
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        stems.append({q.stem for q in run(folder, facts, seed=seed, trained_per_relation=1) if q.group == TRAINED})
    assert all(len(one) == 1 for one in stems)
    assert len(set(map(frozenset, stems))) > 1


def test_a_relation_without_wordings_of_its_own_uses_the_generic_ones(tmp_path):
    questions = run(tmp_path, [fact("甲药", "肺经", relation="归经")], relations=("归经",))
    assert {q.stem for q in questions} == {"甲药的归经是什么？", "甲药走哪几条道"}


@pytest.mark.parametrize("same", ["{entity}治什么病", "请问 {entity} 治什么病？？", "{entity}的治一下什么病"])
def test_a_held_out_wording_that_is_trained_is_refused_and_both_are_named(tmp_path, same):
    with pytest.raises(InputError) as error:
        run(tmp_path, [fact("甲药", "头痛")], held=f'"适应证" = ["{same}"]')
    assert same in str(error.value)
    assert "{entity}治什么病？" in str(error.value)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ('"别的" = ["{entity}？"]', "no wordings for relation '适应证'"),
        ('"适应证" = ["它治什么？"]', "must name {entity} exactly once"),
        ('"适应证" = ["{entity}和{entity}"]', "must name {entity} exactly once"),
        ("not toml", "no valid TOML"),
    ],
)
def test_unusable_wordings_are_refused(tmp_path, held, said):
    with pytest.raises(InputError, match=said):
        run(tmp_path, [fact("甲药", "头痛")], held=held)


def test_a_probe_without_held_out_wordings_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="held_out"):
        run(tmp_path, [fact("甲药", "头痛")], held_out=None)
    with pytest.raises(InputError, match="cannot be read"):
        run(tmp_path, [fact("甲药", "头痛")], held_out=Path("/nowhere.toml"))


@pytest.mark.parametrize(
    ("wording", "trained", "shared"),
    [
        ("哪些疾病可以用{entity}", ["{entity}用于治疗什么疾病？"], True),
        ("请问{entity}有哪些？", ["请问{entity}是什么？"], False),
        ("治{entity}一般都用哪些药", ["{entity}吃什么药好？"], True),
        ("{entity}要做CT吗", ["{entity}的ct表现"], True),
        ("好端端地冒出{entity}，都可能是哪些来由", ["{entity}的病因有哪些？"], False),
    ],
)
def test_shared_words(wording, trained, shared):
    assert shares_a_word(wording, trained) is shared


def test_only_wordings_that_are_taught_are_asked_as_taught(tmp_path):
    questions = run(tmp_path, [fact("阿司匹林", "头痛")], first=1, trained_per_relation=9)
    assert [q.stem for q in questions if q.group == TRAINED] == ["阿司匹林治什么病？"]


def test_a_teacher_that_words_its_own_questions_has_no_taught_wording(tmp_path):
    questions = run(tmp_path, [fact("阿司匹林", "头痛")], first=0)
    assert {q.group for q in questions} == {HELD_OUT}


def test_question_words_leave_out_entity_and_function_words():
    assert question_words("请问{entity}的适应证有哪些？") == {"适应", "应证"}


def test_the_shipped_wordings_are_usable_and_held_out():
    package = Path(str(resources.files("huatuo")))
    held = package / "sample" / "phrasings.heldout.zh.toml"
    relations = tuple(tomllib.loads(held.read_text(encoding="utf-8")))
    found = read_phrasings(
        ProbeSettings(relations=relations, held_out=held), Taught(package / "prompts" / "phrasings.zh.toml", 64)
    )
    assert len(found) == len(relations) == 16
    assert all(len(one.held_out) >= 4 and len(one.trained) >= 8 for one in found.values())
    assert len(set(GROUPS)) == 9
