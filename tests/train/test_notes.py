"""What looks wrong with a run is said, and what is usual is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from train_makers import Stages, made_pairs, make_pair

from huatuo import store
from huatuo.recipe import TrainSettings
from huatuo.records import Finding
from huatuo.train import notes
from huatuo.train.notes import Evidence, looks_wrong

Make = Callable[..., TrainSettings]
Rows = list[dict[str, Any]]


def rows(losses: Sequence[float], **more: Any) -> Rows:
    """Steps with usual gradients and learned tokens; ``more`` replaces a column, by a value or by a list of them."""
    made = []
    for i, loss in enumerate(losses):
        row: dict[str, Any] = {"step": i + 1, "loss": loss, "gradient_norm": 0.5 + 0.1 * (i % 3), "tokens": 1000}
        row |= {"learned_tokens": 400, "sources": {"kg": 8, "book": 8}}
        made.append(row | {k: v[i] if isinstance(v, list) else v for k, v in more.items()})
    return made


def falling(n: int = 100) -> list[float]:
    return [6.0 - 4.0 * i / n + 0.1 * (i % 2) for i in range(n)]


def noisy(n: int = 100) -> list[float]:
    return [3.0 + 0.5 * ((i * 7919) % 11 - 5) / 5 for i in range(n)]


USUAL: dict[str, Any] = {
    "steps": rows(falling()), "clip": 1.0, "before": 6.0, "after": 2.5, "samples": 1000, "twins": 3, "asked": 100,
    "sources": 2,
}  # fmt: skip


def said(**changes: Any) -> list[str]:
    return [finding.rule for finding in looks_wrong(Evidence(**(USUAL | changes)))]


def test_a_usual_run_has_no_note() -> None:
    assert said() == []
    assert said(steps=rows(falling(19)), before=None, after=None) == []


MEASURED: Mapping[int, float] = {20: 3.0, 50: 2.0, 80: 2.3}


def measured(values: Mapping[int, float]) -> Rows:
    return rows(falling(), validation_loss=[values.get(i + 1) for i in range(100)])


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        # a loss that scatters around one value, that rises, that falls by far less than it scatters; a slow, sure fall
        ("flat_loss", {"steps": rows(noisy())}, {"steps": rows([3.0 - 0.001 * i for i in range(100)])}),
        ("flat_loss", {"steps": rows([3.0] * 100)}, {"steps": rows([3.0] * 19)}),
        ("flat_loss", {"steps": rows(falling()[::-1])}, {}),
        ("flat_loss", {"steps": rows([v - 0.002 * i for i, v in enumerate(noisy())])}, {}),
        ("validation_worse", {"before": 2.5, "after": 2.501}, {"before": 2.5, "after": 2.5}),
        ("validation_turned", {"steps": measured(MEASURED), "after": 2.2}, {"steps": measured(MEASURED), "after": 2.0}),
        (
            "best_damaged",
            {"steps": measured(MEASURED), "after": 2.001, "kept_step": 100, "best": True},
            {"steps": measured(MEASURED), "after": 2.0, "kept_step": 50, "best": True},
        ),
        ("few_learned", {"steps": rows(falling(), learned_tokens=99)}, {"steps": rows(falling(), learned_tokens=100)}),
        ("all_learned", {"steps": rows(falling(), learned_tokens=1000)}, {"steps": rows(falling(), learned_tokens=980)}),
        ("twins", {"twins": 11}, {"twins": 10}),
        ("trained_question", {"trained": 1}, {"trained": 0}),
        ("clipped", {"steps": rows(falling(), gradient_norm=1.2)}, {"steps": rows(falling(), gradient_norm=0.99)}),
        ("clipped", {"steps": rows(falling(), gradient_norm=1.2)}, {"steps": rows(falling(), gradient_norm=9.0), "clip": 0}),
        (
            "clipped",
            {"steps": rows(falling(), gradient_norm=[1.2] * 91 + [0.5] * 9)},
            {"steps": rows(falling(), gradient_norm=[1.2] * 89 + [0.5] * 11)},
        ),
        (
            "exploded",
            {"steps": rows(falling(), gradient_norm=[0.5] * 50 + [5.1] + [0.5] * 49)},
            {"steps": rows(falling(), gradient_norm=[9.0] * 10 + [0.5] * 50 + [4.9] + [0.5] * 39)},
        ),
        (
            "one_source",
            {"steps": rows(falling(), sources={"kg": 96, "book": 4})},
            {"steps": rows(falling(), sources={"kg": 95, "book": 5})},
        ),
        ("one_source", {"steps": rows(falling(), sources={"kg": 16})}, {"steps": rows(falling(), sources={"kg": 16}), "sources": 1}),
    ],
)  # fmt: skip
def test_each_rule_finds_what_is_wrong_and_only_that(rule: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    assert said(**wrong) == [rule]
    assert said(**right) == []


def test_every_rule_has_a_case_and_says_what_next() -> None:
    everything = Evidence(
        rows([3.0] * 100, gradient_norm=[2.0] * 99 + [99.0], learned_tokens=1, sources={"kg": 1}),
        clip=1.0, before=1.0, after=2.0, samples=10, twins=9, asked=5, trained=5, sources=3,
    )  # fmt: skip
    found = looks_wrong(everything)
    assert [f.rule for f in found] == sorted((f.rule for f in found), key=notes.RULES.index)
    assert found[0].rule == "validation_worse"
    assert {f.rule for f in found} == set(notes.RULES) - {"validation_turned", "best_damaged", "all_learned"}
    assert all("next: " in f.message and f.severity == "warning" for f in found)


@pytest.mark.slow
def test_a_run_counts_twins_and_questions_on_both_sides(stages: Stages, settings: Make) -> None:
    pairs = made_pairs(200)
    pairs += [make_pair([m.content for m in p.messages], "copy") for p in pairs[:30]]  # the same turns, another source
    pairs += [make_pair([pairs[0].messages[0].content, "另一个答案"], "kg", "validation")]
    pairs += [make_pair(["", f"一段原样的文字{i}"], "text", ("train", "validation")[i % 2]) for i in range(20)]
    stages.prepare(pairs, settings())
    folder = stages.train(settings(epochs=2))
    found = {f.rule: f.message for f in store.read(folder, "findings", Finding)}
    held = sum(p.split == "validation" for p in pairs)
    twins = sum(p.split == "train" for p in pairs[:30])
    copied = 30 - twins  # held out, and trained as a copy of another source
    assert found["twins"].startswith(f"{twins} of {len(pairs) - held} training samples")
    assert found["trained_question"].startswith(f"{1 + copied} of {held} held-out samples")


@pytest.mark.slow
def test_a_clean_run_has_no_note_of_its_data(stages: Stages, settings: Make) -> None:
    stages.prepare(made_pairs(200), settings())
    folder = stages.train(settings())
    assert {"twins", "trained_question"} & {f.rule for f in store.read(folder, "findings", Finding)} == set()
