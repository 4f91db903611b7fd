"""Finished data sets of every stage, small and realistic, so that the page is tested without training."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huatuo import store
from huatuo.records import (
    Document,
    Entity,
    Fact,
    Figure,
    Finding,
    Message,
    Option,
    Origin,
    Pair,
    Provenance,
    Question,
    Response,
    Score,
)
from huatuo.records_trained import Order, SourceCount, StepLog

HOSTILE = '<script>alert("x")</script><img src=http://evil.example/x onerror=alert(1)> & \x00 \u202e =1+1'
ORIGIN = Origin(source="sample_graph", file="diseases.jsonl", place="record 7 临床症状[2]")
RELATIONS = ("临床症状", "药物治疗", "并发症", "适应证", "不良反应", "功效")
KINDS = ("disease", "drug", "symptom", "herb")
VALUES = (
    "发热",
    "夜间咳嗽",
    "呼气性呼吸困难",
    "乳酸酸中毒",
    "沙丁胺醇",
    "布地奈德",
    "气胸",
    "补脾益肺",
    "含碘造影剂",
    "关节疼痛",
)
SIGNATURE = "metric:exact|normalise:nfkc,punctuation|set:yes|n:test|huatuo:0.1.0"
RECIPES = {
    "ingest": {"graphs": [{"name": "sample_graph", "path": "knowledge", "format": "cmekg"}], "withhold_share": 0.1},
    "train": {
        "base": "scratch",
        "optimiser": "muon",
        "learning_rate": 0.003,
        "priority": {"sample_documents": 4.0, "graph": 1.0},
    },
}

Writing = Callable[[str], "contextmanager[store.Writer]"]


def facts() -> list[Fact]:
    found = []
    for e in range(120):
        for r, relation in enumerate(RELATIONS):
            flags = ("withheld",) if e % 10 == 9 else ("dose",) if (e * 6 + r) % 131 == 0 else ()
            kind = KINDS[e % 4]
            value = f"{VALUES[(e * 3 + r) % len(VALUES)]}{e % 17}"
            found.append(
                Fact(
                    id=store.content_id("fact", str(e), relation),
                    entity_id=f"e{e}",
                    entity=f"支气管哮喘{e}型",
                    kind=kind,
                    relation=relation,
                    value=value,
                    flags=flags,
                    origin=ORIGIN,
                )
            )
    return found


def pair(fact: Fact, i: int) -> Pair:
    shape = ("direct", "direct", "reverse", "vignette")[i % 4]
    turns = (
        Message(role="user", content=f"{fact.entity}的{fact.relation}？{i}"),
        Message(role="assistant", content=fact.value),
    )
    return Pair(
        id=store.content_id("pair", fact.id, str(i)),
        messages=turns,
        source="graph" if i % 7 else "sample_documents",
        language="zh",
        shape=shape if i % 7 else "passage",
        parents=(fact.id,),
        provenance=Provenance(by="model", model="offline-teacher"),
    )


def write_knowledge(at: Writing) -> None:
    with at("ingest") as out:
        for e in range(120):
            out.write("entities", Entity(id=f"e{e}", kind=KINDS[e % 4], name=f"支气管哮喘{e}型", origins=(ORIGIN,)))
        for fact in facts():
            out.write("facts", fact)
        for d in range(23):
            text = "规律用药，定期随访。" * 20
            out.write(
                "documents",
                Document(id=f"d{d}", title="高血压管理", text=text, genre="guideline", language="zh", origin=ORIGIN),
            )
        for i in range(31):
            rule = ("dose-range", "contradiction", "alias-clash")[i % 3]
            severity = ("error", "warning", "note")[i % 3]
            message = f"剂量 {i * 100} mg 超出 0–50 mg <b>"
            out.write(
                "findings", Finding(rule=rule, severity=severity, subject="e1", place=f"line {i}", message=message)
            )
        out.drop("raw1", "duplicate", "same entity, relation and value as record 3", excerpt="支气管哮喘 临床症状 发热")
    with at("curate") as out:
        for p in range(150):
            out.write(
                "passages",
                Document(id=f"p{p}", title="高血压 > 用药", text="…", genre="guideline", language="zh", origin=ORIGIN),
            )
        out.drop("p900", "too-short", "8 characters, fewer than 12", excerpt="见上文。")
        for i in range(4):
            out.drop(
                f"p95{i}",
                "contaminated",
                "holds 13 of 20 characters of a question",
                witness="q1",
                excerpt="下列哪项是哮喘的典型表现",
            )


def write_pairs(at: Writing) -> list[Pair]:
    made = [pair(fact, i) for n, fact in enumerate(facts()) if not fact.flags for i in range(1 + n % 14)]
    with at("synth") as out:
        out.expect(fact.id for fact in facts())
        for fact in facts():
            if "withheld" in fact.flags:
                out.leave(fact.id, "withheld", "kept from training as a control", excerpt=fact.value)
            elif fact.flags:
                out.leave(fact.id, "flagged", f"objected to by {fact.flags[0]}", excerpt=fact.value)
        for p in made:
            out.write("pairs", p, uses=p.parents)
    kept = [p for i, p in enumerate(made) if i % 40]
    with at("unify") as out:
        for i, p in enumerate(made):
            if i % 40:
                out.write("pairs", p, uses=[p.id])
            else:
                out.drop(
                    p.id, "near-duplicate", "Jaccard 0.91 with an earlier pair", witness=made[0].id, excerpt=HOSTILE
                )
    return kept


def write_training(at: Writing, pairs: list[Pair]) -> None:
    draw = random.Random(7)
    first = [p for p in pairs if p.source != "graph"]
    rest = [p for p in pairs if p.source == "graph"]
    with at("order") as out:
        position = 0
        while first or rest:
            pool = (
                first if first and (not rest or draw.random() < 4 * len(first) / (4 * len(first) + len(rest))) else rest
            )
            p = pool.pop(draw.randrange(len(pool)))
            out.write("order", Order(position=position, pair_id=p.id, copy_index=0, source=p.source, weight=1.0))
            position += 1
    with at("train") as out:
        for step in range(1, 1501):
            loss = 0.08 + 5.5 * math.exp(-step / 250) * draw.uniform(0.85, 1.15)
            count = (SourceCount(source="graph", samples=16),)
            out.write(
                "steps",
                StepLog(
                    step=step,
                    tokens=2000,
                    learned_tokens=700,
                    loss=loss,
                    learning_rate=3e-3,
                    gradient_norm=1.0,
                    seconds=step / 5,
                    sources=count,
                ),
            )


def questions() -> list[Question]:
    groups = ("held-out phrasings", "held-out, no shared word", "trained phrasings", "withheld entities")
    probe = [
        Question(
            id=store.content_id("q", group, str(i)),
            exam="probe",
            kind="knowledge",
            group=group,
            subject=RELATIONS[i % 6],
            entity=f"支气管哮喘{i}型",
            stem=f"请教一下，支气管哮喘{i}型在{RELATIONS[i % 6]}方面要知道什么？",
            gold=(f"{VALUES[i % 10]}{i}", f"{VALUES[(i + 3) % 10]}{i}"),
            parents=(f"f{i}",),
        )
        for group in groups
        for i in range(100)
    ]
    options = tuple(
        Option(label=label, text=f"{value}（{label}）") for label, value in zip("ABCDE", VALUES, strict=False)
    )
    exam = [
        Question(
            id=f"exam{i}",
            exam="sample_exam",
            group="sample_exam",
            kind="single",
            stem=f"下列哪项是第{i}题的正确答案？",
            options=options,
            gold=("C",),
        )
        for i in range(40)
    ]
    return probe + exam


def answer_of(question: Question, i: int, model: str) -> tuple[str, bool]:
    """What a model answers, and whether it is right."""
    skilled = model == "ours" and question.group != "withheld entities"
    right = skilled and i % (3 if question.kind == "single" else 5) != 0
    if question.kind == "single":
        return ("C" if right else "我不确定，可能是 B。"), right
    if right:
        return f"{question.entity}应注意{'、'.join(question.gold)}。", True
    return (HOSTILE if i % 10 == 0 else "的的的的的发热、" * (200 if i % 15 == 0 else 3)), False


def write_answers(at: Writing) -> None:
    asked = questions()
    with at("questions") as out:
        for question in asked:
            out.write("questions", question)
    with at("ask") as out:
        for i, question in enumerate(asked):
            for model in ("base", "ours"):
                text, _ = answer_of(question, i, model)
                turn = (Message(role="user", content=question.stem),)
                response = Response(
                    id=f"r-{model}-{question.id}",
                    question_id=question.id,
                    model=model,
                    messages=turn,
                    text=text,
                    finish_reason="stop",
                    prompt_tokens=20,
                    completion_tokens=12,
                    provenance=Provenance(by="model", model=model),
                )
                out.write("responses", response)
    with at("score") as out:
        for i, question in enumerate(asked):
            for model in ("base", "ours"):
                right = answer_of(question, i, model)[1]
                for metric in ("accuracy",) if question.kind == "single" else ("exact", "bleu"):
                    score = Score(
                        id=f"s-{metric}-{model}-{question.id}",
                        response_id=f"r-{model}-{question.id}",
                        question_id=question.id,
                        model=model,
                        metric=metric,
                        value=float(right),
                        signature=SIGNATURE,
                    )
                    out.write("scores", score)
        for figure in figures():
            out.write("figures", figure)


def figures() -> list[Figure]:
    """Base, ours, baseline and difference of each group."""
    numbers = {
        "held-out phrasings": (0.0, 0.80, 0.04),
        "held-out, no shared word": (0.0, 0.62, 0.04),
        "trained phrasings": (0.01, 0.97, 0.04),
        "withheld entities": (0.0, 0.01, 0.04),
        "sample_exam": (0.21, 0.67, 0.2),
    }
    found = []
    for name, (base, ours, guess) in numbers.items():
        metric, n = ("accuracy", 40) if name == "sample_exam" else ("exact", 100)
        half = 1.96 * math.sqrt(0.25 / n)
        for model, value in (("base", base), ("ours", ours)):
            found.append(figure(name, model, metric, value, half, n))
        found.append(figure(name, "baseline: most frequent", metric, guess, 0.0, n))
        found.append(figure(name, "ours - base", "difference", ours - base, half, n))
        if metric == "exact":
            found.append(figure(name, "ours", "bleu", ours * 0.9, half, n))
    for grade, count in (("exact", 0.0), ("likely", 3.0)):
        found.append(
            Figure(
                name="sample_exam",
                model="pairs",
                metric=f"contamination: {grade}",
                value=count,
                low=None,
                high=None,
                n=40,
            )
        )
    return found


def figure(name: str, model: str, metric: str, value: float, half: float, n: int) -> Figure:
    low = value - half if metric == "difference" else max(0.0, value - half)
    return Figure(
        name=name,
        model=model,
        metric=metric,
        value=value,
        low=low,
        high=min(1.0, value + half),
        n=n,
        unscored=2 if model == "ours" else 0,
        signature=SIGNATURE,
        method="bootstrap over 50 x 20 clusters, 2000 resamples, t(19)",
    )


def build(root: Path) -> dict[str, Path]:
    """All stages under ``root``; returns the folder of each."""
    folders: dict[str, Path] = {}

    @contextmanager
    def at(stage: str) -> Iterator[store.Writer]:
        folders[stage] = root / stage
        with store.writing(root / stage, stage=stage, key="k", recipe=RECIPES.get(stage, {}), seed=2023) as out:
            yield out

    write_knowledge(at)
    write_training(at, write_pairs(at))
    write_answers(at)
    names = ("ingest", "questions", "curate", "synth", "unify", "order", "train", "ask", "score")
    return {name: folders[name] for name in names}
