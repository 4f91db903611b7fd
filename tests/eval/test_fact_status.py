"""Forms of the probe, what each answer says of a fact, and what is to be taught next."""

from __future__ import annotations

import csv
import io
import json

import pytest
from eval_sets import FakeModel, pair

from huatuo import store
from huatuo.eval.ask import ask
from huatuo.eval.exam_made import GAP, graph_of
from huatuo.eval.fact_status import FACTS, OUTCOMES, TEACH_NEXT, FactStatus, as_csv, teach_next
from huatuo.eval.probe_forms import APART, CHOICE, CLOZE, FALSE, FORM_GROUPS, TRUE, form_questions
from huatuo.eval.probes import EXAM
from huatuo.eval.score import score
from huatuo.ledger import Entry
from huatuo.recipe import AskSettings, ScoreSettings, SynthSettings
from huatuo.records import Fact, Figure, Origin, Question, Score
from huatuo.records_probed import FactKnowledge
from huatuo.report import names
from huatuo.synth.coverage import read_ids, wanted

ORIGIN = Origin(source="kg", file="f.json", place="line 1")
FORMS = ("cloze", "choice", "true_false")


def fact(entity, value, flags=()):
    return Fact(
        id=f"{entity} {value}", entity_id=entity, entity=entity, kind="disease", relation="临床症状", value=value,
        flags=flags, origin=ORIGIN,
    )  # fmt: skip


VALUES = [f"{first}{second}" for first in "目耳鼻喉舌齿颈肩肘膝" for second in "痛痒胀麻干"]


def facts(count=40, flags=()):
    return [fact(f"第{i}病", VALUES[(3 * i + j) % len(VALUES)], flags) for i in range(count) for j in range(2)]


def questions(of=None, forms=FORMS, seed=1):
    every = of or facts()
    by_entity = {}
    for one in every:
        by_entity.setdefault(one.entity, []).append(one)
    graph = graph_of(every)
    return [q for group in by_entity.values() for q in form_questions(forms, group, graph, EXAM, seed)]


def test_the_forms_and_their_golds():
    made = questions()
    known = {(one.entity, one.value) for one in facts()}
    assert {q.group for q in made} == set(FORM_GROUPS)
    assert len({q.id for q in made}) == len(made) == 4 * 40
    for q in made:
        values = {option.label: option.text for option in q.options}
        if q.group == CLOZE:
            assert (q.kind, len(q.gold), len(q.parents)) == ("knowledge", 1, 1)
            assert GAP in q.stem
            assert q.gold[0] not in q.stem
        elif q.group == CHOICE:
            right = {label for label, text in values.items() if (q.entity, text) in known}
            assert (right, len(values)) == (set(q.gold), 4)
        else:
            said = q.stem.split("“")[1].split("”")[0]
            assert ((q.entity, said) in known) is (q.group == TRUE) is (q.gold == ("A",))


def test_the_premise_of_a_pair_differs_in_the_value_alone():
    pairs = {}
    for q in questions(forms=("true_false",)):
        pairs.setdefault(q.parents, []).append(q)
    assert all([q.group for q in both] == [TRUE, FALSE] for both in pairs.values())
    assert all(len({q.wording for q in both}) == 1 for both in pairs.values())


def test_withheld_facts_stand_apart_and_single_values_have_no_cloze():
    made = questions([*facts(), fact("隐病", "齿痛", ("withheld",))])
    hidden = [q for q in made if q.entity == "隐病"]
    assert hidden
    assert all(q.group.endswith(APART) and q.group.removesuffix(APART) != CLOZE for q in hidden)
    assert questions(forms=()) == []
    assert questions() == questions() != questions(seed=2)
    assert all(names.label(names.GROUPS, group + end)[0] != group + end for group in FORM_GROUPS for end in ("", APART))


def score_of(question, model, value, extracted=(), rule="list", metric=None):
    metric = metric or ("exact" if question.kind == "knowledge" else "accuracy")
    return Score(
        id=f"{question.id}{model}{metric}", response_id="r", question_id=question.id, model=model, metric=metric,
        value=value, unscored="" if value is not None else "refused", extracted=extracted, rule=rule, signature="s",
    )  # fmt: skip


def entry(pairs=1, flags=()):
    return Entry(
        "病",
        "disease",
        "临床症状",
        "v",
        flags,
        shapes={"direct": pairs} if pairs else {},
        why="" if pairs else "synth: x",
    )


@pytest.mark.parametrize(
    ("before", "after", "ledger", "outcome"),
    [
        (0.0, 1.0, entry(), "taught"),
        (1.0, 1.0, entry(), "kept"),
        (0.0, 0.0, entry(), "not learned"),
        (1.0, 0.0, entry(), "broken"),
        (0.0, 1.0, entry(0), "known untaught"),
        (0.0, 0.0, entry(0), "not taught"),
        (0.0, 1.0, entry(0, ("withheld",)), "withheld"),
        (0.0, None, entry(), "unread"),
        (None, 0.0, entry(), "not learned"),
    ],
)
def test_what_became_of_a_fact(before, after, ledger, outcome):
    question = next(q for q in questions() if q.group == TRUE)
    status = FactStatus()
    status.add(question, score_of(question, "base", before))
    status.add(question, score_of(question, "ours", after))
    status.counts[question.parents[0], "ours"]
    (row,) = status.records({question.parents[0]: ledger})
    assert row.outcome == outcome
    assert bool(teach_next([row])) is (outcome in TEACH_NEXT) is (outcome in ("not learned", "broken", "not taught"))


def test_said_denied_and_neither():
    made = {q.group: q for q in questions() if q.entity == "第0病"}
    by_fact = {made[CLOZE].parents[0]: entry()}
    status = FactStatus()
    status.add(made[CLOZE], score_of(made[CLOZE], "ours", 0.0, made[CLOZE].gold, "denied"))
    status.add(made[CHOICE], score_of(made[CHOICE], "ours", 0.0))
    status.add(made[FALSE], score_of(made[FALSE], "ours", 0.0))
    (row,) = status.records(by_fact)
    assert (row.after, row.said_after, row.denied_after, row.read_after) == ("contradicted", 0, 2, 2)
    status.add(made[TRUE], score_of(made[TRUE], "ours", 1.0))
    status.add(made[CLOZE], score_of(made[CLOZE], "ours", 1.0, made[CLOZE].gold))
    status.add(made[CLOZE], score_of(made[CLOZE], "ours", 1.0, made[CLOZE].gold, metric="f1"))  # one answer, once
    (row,) = status.records(by_fact)
    assert (row.after, row.said_after, row.read_after) == ("unknown", 2, 4)


def test_a_model_that_agrees_with_everything():
    made = [q for q in questions() if q.group in (TRUE, FALSE)]
    status = FactStatus()
    for q in made:
        status.add(q, score_of(q, "ours", float(q.group == TRUE)))
    found = {figure.metric: figure for figure in status.figures([])}
    assert (found["sycophancy"].value, found["sycophancy"].n) == (1.0, 40)
    assert (found["premise pairs"].value, found["premise pairs"].n) == (0.0, 40)


def test_the_score_stage_writes_what_to_teach_next(dataset, training, tmp_path):
    every = facts(20)
    made = questions(every, ("true_false",))
    taught = {q.parents[0] for q in made}
    folders = training([pair(f"教{q.id}", q.parents[0].partition(" ")[2], q.parents) for q in made if q.group == TRUE])
    learned = sorted(taught)[: len(taught) // 2]

    def ours(text):
        known = any(one.partition(" ")[0] in text and one.partition(" ")[2] in text for one in learned)
        return "A" if known else "B"

    folder = dataset("questions", made)
    with store.writing(tmp_path / "ask", stage="ask", key="k") as out:
        models = {"base": FakeModel(lambda text: "B", digest="b"), "ours": FakeModel(ours, digest="o")}
        ask(AskSettings(), folder, models, 1, out)
    with store.writing(tmp_path / "score", stage="score", key="k") as out:
        score(ScoreSettings(resamples=100), {**folders, "questions": folder, "ask": tmp_path / "ask"}, 1, out)
    rows = list(store.read(tmp_path / "score", "knowledge", FactKnowledge))
    assert {row.fact_id for row in rows if row.outcome == "taught"} == set(learned)
    listed = (tmp_path / "score" / "teach_next.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["id"] for line in listed} == {row.fact_id for row in rows if row.outcome == "not learned"}
    assert {json.loads(line)["id"] for line in listed} == taught - set(learned)
    figures = {f.metric: f for f in store.read(tmp_path / "score", "figures", Figure) if f.name == FACTS}
    assert figures["outcome: taught"].value == len(learned) / len(taught)
    assert set(figures) == {f"outcome: {outcome}" for outcome in OUTCOMES}
    table = list(csv.DictReader(io.StringIO((tmp_path / "score" / "knowledge.csv").read_text(encoding="utf-8-sig"))))
    assert [row["fact_id"] for row in table] == [row.fact_id for row in rows]


@pytest.mark.slow
def test_synthesis_reads_what_is_to_be_taught_next(tmp_path):
    every = [one.model_copy(update={"id": store.content_id(one.id)}) for one in facts(600)]
    status = FactStatus()
    for q in (q for q in questions(every) if q.group == TRUE):
        status.add(q, score_of(q, "ours", float(len(q.stem) % 2)))
    rows = status.records({one.id: entry() for one in every})
    listed = tmp_path / "teach_next.jsonl"
    listed.write_text(teach_next(rows), encoding="utf-8")
    unlearned = {row.fact_id for row in rows if row.after != "known"}
    groups = {(one.entity, one.value): (one,) for one in every}
    assert 0 < len(unlearned) < len(rows)
    assert read_ids(listed) == unlearned == wanted(SynthSettings(teach_next=listed), groups, 1)


def test_a_cell_that_a_spreadsheet_would_run():
    status = FactStatus()
    q = next(q for q in questions() if q.group == TRUE)
    status.add(q, score_of(q, "ours", 1.0))
    (row,) = status.records({q.parents[0]: entry()})
    assert ",'=1+1," in as_csv([row.model_copy(update={"value": "=1+1"})])


def test_a_free_answer_speaks_of_the_fact_whose_value_it_lists_and_of_no_other():
    one, other = facts(1)
    asked = Question(
        id="q", exam=EXAM, kind="knowledge", group="held-out phrasings", subject="临床症状", entity=one.entity,
        wording="{entity}？", language="zh", stem="第0病？", gold=(one.value, other.value), parents=(one.id, other.id),
    )  # fmt: skip
    found = FactStatus()
    for n, rule in enumerate(("list", "list", "denied")):
        found.add(asked, Score(
            id=f"s{n}", response_id="r", question_id="q", model="ours", metric="exact", value=0.0,
            extracted=(one.value if rule == "list" else other.value,), rule=rule, signature="s",
        ))  # fmt: skip
    assert found.counts[one.id, "ours"] == (2, 0, 3)
    assert found.counts[other.id, "ours"] == (0, 1, 3)
    assert (found.status(one.id, "ours"), found.status(other.id, "ours")) == ("known", "contradicted")


def test_a_false_value_is_one_of_another_entity_of_the_kind_under_the_relation():
    drugs = [
        one.model_copy(update={"id": f"d{n}", "kind": "drug", "entity": f"第{n}药", "value": f"药值{n}"})
        for n, one in enumerate(facts(20))
    ]
    others = [one.model_copy(update={"id": f"o{n}", "relation": "检查"}) for n, one in enumerate(facts(20))]
    known = {one.value for one in facts(20)}
    made = questions([*facts(20), *drugs, *others])
    seen = 0
    for q in made:
        if q.group == CHOICE and q.subject == "临床症状" and q.entity.endswith("病"):
            seen += 1
            assert {option.text for option in q.options} <= known
    assert seen >= 5
