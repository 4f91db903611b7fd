"""Made exams: wrong options are wrong and of the same kind, and nothing is worded or split as training is."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

import huatuo
from huatuo.checks.exam_copies import indexes
from huatuo.corpus.decontaminate import contaminated_batch
from huatuo.errors import InputError
from huatuo.eval import exam_made
from huatuo.eval.exam_items import question_of
from huatuo.eval.exam_made import GAP, WORDINGS, from_facts, from_passages, write_file
from huatuo.eval.exams import read as read_exam
from huatuo.recipe import ExamSource, MadeExam
from huatuo.records import Document, Fact, Origin, Question
from huatuo.store import content_id
from huatuo.text.ngram import ExamIndex
from huatuo.text.zh import normalise_for_comparison, tokens

ORIGIN = Origin(source="g", file="f", place="p")
PROMPTS = Path(huatuo.__file__).parent / "prompts"


def fact(
    entity: str, value: str, relation: str = "临床症状", kind: str = "disease", flags: tuple[str, ...] = (), **more: str
) -> Fact:
    about = {"id": content_id(entity, relation, value), "entity_id": entity, "origin": ORIGIN, "flags": flags, **more}
    return Fact(entity=entity, value=value, relation=relation, kind=kind, **about)


def graph(n: int = 500) -> list[Fact]:
    made = []
    for i in range(n):
        flags = ("withheld",) if i % 10 == 0 else ()
        made += [fact(f"第{i}病", f"症状{(i * 3 + j) % 97}号", flags=flags) for j in range(1 + i % 4)]
        made += [fact(f"第{i}药", f"症状{(i * 5) % 61}药用", "适应证", "drug", flags=flags)]
    return made


@pytest.fixture(scope="module")
def made() -> list[Question]:
    return list(from_facts(MadeExam(name="made", most=0), graph(), 1))


def test_every_option_is_of_the_same_relation_and_kind_and_only_the_gold_is_right(made: list[Question]) -> None:
    facts = graph()
    values: dict[tuple[str, str], set[str]] = {}
    right: dict[str, set[str]] = {}
    for one in facts:
        values.setdefault((one.kind, one.relation), set()).add(one.value)
        right.setdefault(one.entity, set()).add(one.value)
    assert len(made) > 1000
    kinds = {one.entity: one.kind for one in facts}
    for question in made:
        if question.question_type == "true_false":
            continue
        assert {o.text for o in question.options} <= values[kinds[question.entity], question.subject]
        assert {o.text for o in question.options if o.text in right[question.entity]} == {
            o.text for o in question.options if o.label in question.gold
        }
        assert len(question.options) == 5
        assert (len(question.gold) > 1) == (question.kind == "multiple")


def test_true_and_false_are_as_many_and_the_false_ones_are_false(made: list[Question]) -> None:
    right = {(one.entity, one.value) for one in graph()}
    asked = [q for q in made if q.question_type == "true_false"]
    truths = Counter(q.gold for q in asked)
    assert 0.4 < truths["A",] / len(asked) < 0.6
    for question in asked:
        said = re.findall("“(.*?)”", question.stem)[0]
        assert ((question.entity, said) in right) == (question.gold == ("A",)), question.stem


def test_a_value_that_contains_or_is_contained_in_a_right_one_is_no_wrong_option() -> None:
    facts = [fact("甲病", "发热"), fact("甲病", "咳嗽", "并发症"), fact("乙病", "低热发热"), fact("乙病", "热")]
    facts += [
        fact("乙病", "发热！"),
        fact("乙病", "咳嗽"),
        fact("乙病", "皮疹"),
        fact("丙病", "瘙痒"),
        fact("丙病", "黄疸"),
    ]
    facts += [fact("丙病", "呕吐"), fact("丁药", "头晕", kind="drug"), fact("丙病", "盗汗", flags=("cut_off",))]
    chosen = exam_made.distractors(exam_made.graph_of(facts), facts[0], 9, 1)
    assert set(chosen) == {"皮疹", "瘙痒", "黄疸", "呕吐"}  # not 盗汗 (a check objects), not 头晕 (another kind)
    beside = exam_made.distractors(exam_made.graph_of(facts), facts[0], 9, 1, beside=["皮疹伴瘙痒"])
    assert set(beside) == {"黄疸", "呕吐"}


def test_the_hardest_wrong_options_come_first() -> None:
    facts = [
        fact("甲病", "发热"),
        fact("乙病", "发热"),
        fact("乙病", "皮疹"),
        *(fact(f"病{i}", f"症状{i}号") for i in range(50)),
    ]
    assert exam_made.distractors(exam_made.graph_of(facts), facts[0], 3, 1)[0] == "皮疹"


def test_the_split_is_kept_and_mixed_sets_are_not_asked(made: list[Question]) -> None:
    withheld = {one.id for one in graph() if one.flags}
    for question in made:
        assert {parent in withheld for parent in question.parents} == {question.group == "made: withheld"}
    mixed = [fact("甲病", "发热"), fact("甲病", "皮疹", flags=("withheld",)), *graph(50)]
    assert "甲病" not in {q.entity for q in from_facts(MadeExam(name="m", most=0), mixed, 1)}
    twin = fact("乙病", "发热", same_as="other")
    assert "乙病" not in {q.entity for q in from_facts(MadeExam(name="m", most=0), [twin, *graph(50)], 1)}


def fixed_runs(wording: str, size: int = 5) -> set[tuple[str, ...]]:
    """Runs of tokens of the fixed words of a wording."""
    found = set()
    for part in re.split(r"\{\w+\}", wording):
        own = tokens(part)
        found |= {tuple(own[i : i + size]) for i in range(len(own) - size + 1)}
    return found


def test_no_wording_shares_a_run_of_words_with_what_training_is_worded_in() -> None:
    with (PROMPTS / "phrasings.zh.toml").open("rb") as file:
        tables = tomllib.load(file)
    trained = [text for table in tables.values() for part in table.values() if isinstance(part, list) for text in part]
    trained += [path.read_text(encoding="utf-8") for path in PROMPTS.glob("graph_*.txt")]
    assert len(trained) > 1000
    runs = set().union(*(fixed_runs(text) for text in trained))
    keys = {normalise_for_comparison(text) for text in trained}
    for wordings in WORDINGS.values():
        for wording in wordings:
            assert not fixed_runs(wording) & runs, wording
            assert normalise_for_comparison(wording) not in keys


def test_facts_that_are_taught_are_not_called_contamination(made: list[Question]) -> None:
    assert ExamIndex(made).ids == frozenset()  # the pair that teaches a fact must stay


# ---------------------------------------------------------------- passages


def documents(n: int = 300) -> list[Document]:
    return [
        Document(
            id=f"d{i}",
            title="t",
            text=f"{chr(0x5200 + i)}片剂。口服，成人每次服用{chr(0x5200 + i)}片剂{(i % 40 + 1) * 5}mg，饭后服。儿童酌减。",
            genre="monograph",
            language="zh",
            origin=ORIGIN,
        )
        for i in range(n)
    ]


def test_a_passage_is_asked_for_its_number_with_slips_of_it_as_wrong_options() -> None:
    found = list(from_passages(MadeExam(name="p", source="passages", most=0), documents(), 1))
    assert Counter(q.question_type for q in found) == {"single": 300, "true_false": 300}
    for question in found:
        if question.question_type == "single":
            assert GAP in question.stem
            (right,) = [o.text for o in question.options if o.label in question.gold]
            place = int(question.parents[0][1:])
            assert right == f"{(place % 40 + 1) * 5}mg"
            assert len({o.text for o in question.options}) == 5


def test_what_is_asked_of_a_passage_is_not_read_in_training() -> None:
    own = documents()
    asked = list(from_passages(MadeExam(name="p", source="passages", most=40), own, 1))
    held = {parent for question in asked for parent in question.parents}
    rows = [{"normal": one.text, "reason": None, "witness": None} for one in own]
    schema = pa.schema([("normal", pa.string()), ("reason", pa.string()), ("witness", pa.string())])
    judged = contaminated_batch(pa.RecordBatch.from_pylist(rows, schema=schema), indexes(asked)).to_pylist()
    dropped = {one.id for one, row in zip(own, judged, strict=True) if row["reason"]}
    assert held <= dropped
    assert len(held) >= 40


def test_a_made_exam_is_the_same_whatever_the_order_and_is_read_back(tmp_path: Path, made: list[Question]) -> None:
    settings = MadeExam(name="made", most=30)
    first = list(from_facts(settings, graph(800), 1))
    assert {q.id for q in first} != {q.id for q in from_facts(settings, graph(800), 2)}
    assert Counter((q.group, q.question_type) for q in first) == {
        (f"made: {group}", shape): 30
        for group in ("taught", "withheld")
        for shape in ("single", "multiple", "true_false")
    }
    path = tmp_path / "made.jsonl"
    assert write_file(settings, first, path) == len(first)
    exam = ExamSource(name="again", path=path)
    back = [question_of(exam, raw.item).question for raw in read_exam(exam)]
    assert [(q.stem, q.gold, q.kind, q.options, q.entity) for q in back] == [
        (q.stem, q.gold, q.kind, q.options, q.entity) for q in first
    ]
    with pytest.raises(InputError, match="no question"):
        write_file(settings, [], path)


def test_nothing_is_asked_where_wrong_options_lack() -> None:
    assert list(from_facts(MadeExam(name="m"), [fact("甲病", "发热"), fact("乙病", "皮疹")], 1)) == [] or all(
        q.question_type == "true_false"
        for q in from_facts(MadeExam(name="m"), [fact("甲病", "发热"), fact("乙病", "皮疹")], 1)
    )
    assert list(from_passages(MadeExam(name="p", source="passages"), [], 1)) == []
