"""One account of what is taught, whoever asks; and one fact followed through a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from huatuo import show
from huatuo.errors import InputError
from huatuo.eval.taught import taught_facts
from huatuo.ledger import ONLY_ASKED, coverage, finished, least_and_most, ledger, lessons, times_taught
from huatuo.records import Entity, Fact, Message, Origin, Pair, Provenance, Question, Response, Score
from huatuo.records_trained import Order
from huatuo.report.collect import collect
from huatuo.store import writing
from huatuo.trace import SHOWN, trace

ORIGIN = Origin(source="kg", file="f.json", place="line 7")
COUNT = 1000


def pair(name: str, shape: str, parents: tuple[str, ...], answer: str = "答。", split: str = "train") -> Pair:
    turns = (Message(role="user", content=f"问{name}？"), Message(role="assistant", content=answer))
    return Pair.model_validate(
        {
            "id": name,
            "messages": turns,
            "source": "graph",
            "language": "zh",
            "shape": shape,
            "parents": parents,
            "split": split,
            "provenance": Provenance(by="model"),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Facts in ten kinds, by their number modulo 10: what becomes of each is known."""
    root = tmp_path_factory.mktemp("run")
    with writing(root / "ingest", stage="ingest", key="k") as out:
        out.write("entities", Entity(id="e", kind="disease", name="甲病", origins=(ORIGIN,)))
        for n in range(COUNT):
            flags = ("withheld",) if n % 10 == 9 else ()
            about = {"entity_id": "e", "entity": "甲病", "kind": "disease", "relation": "症状", "value": f" 值{n}。"}
            out.write("facts", Fact(id=f"f{n:04}", flags=flags, origin=ORIGIN, **about))
    made = []
    for n in range(COUNT):
        fact, kind = f"f{n:04}", n % 10
        split, value = "validation" if kind == 1 else "train", f"有 值{n} 等"
        if kind < 8 or kind == 9:
            answer = "查体。" if kind == 6 else value
            made.append(pair(f"p{n:04}", "vignette" if kind in (6, 7) else "direct", (fact,), answer, split))
        if kind == 5:
            made += [pair(f"p{n:04} {i}", "reverse", (fact,), value) for i in range(9)]
    with writing(root / "synth", stage="synth", key="k") as out:
        for one in made:
            out.write("pairs", one.model_copy(update={"split": "train"}))
        for n in range(8, COUNT, 10):
            out.expect([f"f{n:04}"])
            out.drop(f"f{n:04}", "foreign", "names another thing")
    with writing(root / "unify", stage="unify", key="k") as out:
        for one in made:
            out.expect([one.id])
            if one.parents[0][-1] in "29":
                out.drop(one.id, "contaminated", "holds an exam question")
            else:
                out.write("pairs", one, uses=[one.id])
    with writing(root / "order", stage="order", key="k") as out:
        kept = [one for one in made if one.parents[0][-1] not in "1239"]
        for place, one in enumerate(kept):
            out.write("order", Order(position=place, pair_id=one.id, copy_index=0, source="graph", weight=1.0))
    with writing(root / "train", stage="train", key="k") as out:
        (out.folder / "weights").write_text("w")
        for n in range(4, COUNT, 10):
            out.expect([f"p{n:04}"])
            out.leave(f"p{n:04}", "after the last step", "train.steps ended before")
    return root


def test_a_fact_is_taught_by_a_pair_that_is_learned_and_by_no_other(run: Path) -> None:
    found = ledger(finished(run))
    assert Counter(entry.why for entry in found.values() if not entry.pairs) == {
        "unify: validation": 100,
        "unify: contaminated": 200,
        "order: no position": 100,
        "train: after the last step": 100,
        ONLY_ASKED: 100,
        "synth: foreign": 100,
    }
    assert {entry.pairs for fact, entry in found.items() if fact[-1] == "5"} == {10}
    assert found["f0005"].shapes == {"direct": 1, "reverse": 9}
    assert found["f0007"].shapes == {"vignette": 1}


def test_the_command_and_the_report_count_alike(run: Path) -> None:
    lines = list(show.ledger(run, COUNT))
    account = collect(finished(run), samples=0).ledger
    assert account is not None
    untaught = dict(account.taught)["0"]
    assert lines[0].startswith(f"{COUNT - untaught:,} of {COUNT:,} facts are taught: ")
    assert untaught == 700
    assert sum("not taught: " in line for line in lines[2:]) == untaught == sum(n for _, n in account.untaught)


def test_without_an_order_every_pair_of_the_split_counts(run: Path) -> None:
    folders = {name: folder for name, folder in finished(run).items() if name in ("ingest", "synth", "unify")}
    assert sum(entry.pairs > 0 for entry in ledger(folders).values()) == 500


@pytest.mark.slow
def test_a_fact_is_followed_from_its_place_to_its_scores(run: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    for folder in finished(run).values():
        (root / folder.name).symlink_to(folder)
    with writing(root / "questions", stage="questions", key="k") as out:
        for n in range(1000):
            out.write(
                "questions", Question(id=f"q{n}", exam="e", kind="knowledge", stem=f"问{n}", parents=(f"f{n:04}",))
            )
    with writing(root / "ask", stage="ask", key="k") as out:
        for n in range(1000):
            said: dict[str, Any] = {"model": "ours", "messages": (), "text": f"答案{n}", "finish_reason": "stop"}
            spent: dict[str, Any] = {"prompt_tokens": 1, "completion_tokens": 1, "provenance": Provenance(by="model")}
            out.write("responses", Response(id=f"r{n}", question_id=f"q{n}", **said, **spent))
    with writing(root / "score", stage="score", key="k") as out:
        for n in range(1000):
            about: dict[str, str] = {"response_id": f"r{n}", "question_id": f"q{n}", "model": "ours", "signature": "s"}
            out.write("scores", Score(id=f"s{n}", metric="exact", value=1.0, **about))
            out.write("scores", Score(id=f"t{n}", metric="f1", value=None, unscored="refused", **about))
    text = "\n".join(trace(root, "f0005"))
    for words in (
        "甲病 症状  值5。",
        "from kg, f.json line 7",
        "taught by 10 pairs",
        "pairs: 10 made, 10 unified, 10 in the order",
        "p0005 direct, train, position ",
        "questions: 1, 1 answers",
        "ours: 答案5",
        "exact 1.00, f1 refused",
    ):
        assert words in text
    assert text.count("assistant:") == SHOWN
    dropped = "\n".join(trace(root, "f0002"))
    assert "not taught: unify: contaminated" in dropped
    assert "p0002 direct: dropped, contaminated: holds an exam question" in dropped
    assert "position none of" in "\n".join(trace(root, "f0001"))


@pytest.mark.parametrize(("wanted", "words"), [("x", "no fact's id begins with 'x'"), ("f", "more than one fact's")])
def test_a_fact_that_cannot_be_told_is_refused(run: Path, wanted: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(trace(run, wanted))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished stage ingest"):
        list(trace(tmp_path, "f"))


# ---------------------------------------------------------------- what "taught" means


def small(root: Path, facts: list[tuple[str, str]], pairs: list[Pair], aliases: dict[str, tuple[str, ...]]) -> Path:
    """A run of facts (id, value), the pairs that were made, and entities with other names."""
    with writing(root / "ingest", stage="ingest", key="k") as out:
        for name in {"甲病", *aliases}:
            out.write(
                "entities", Entity(id=name, kind="x", name=name, aliases=aliases.get(name, ()), origins=(ORIGIN,))
            )
        for fact, value in facts:
            about = {"entity_id": "甲病", "entity": "甲病", "kind": "disease", "relation": "症状"}
            out.write("facts", Fact(id=fact, value=value, origin=ORIGIN, **about))
    with writing(root / "synth", stage="synth", key="k") as out:
        for one in pairs:
            out.write("pairs", one)
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "shape", "answer", "taught"),
    [
        ("发热", "direct", "甲病的症状有发热、咳嗽。", True),
        ("发热。", "direct", "症状有发热、咳嗽。", True),  # the mark ends the value, not the list's item
        (" 发 热 ", "direct", "有发热。", True),
        ("CT检查", "direct", "做ct检查。", True),
        ("第一行\n第二行", "direct", "第一行\n\n第二行。", True),  # line ends are the teacher's own
        ("心梗", "direct", "可能是心肌梗死。", True),  # another name of the same entity
        ("心肌梗死", "direct", "可能是心梗。", True),
        ("发热", "vignette", "应考虑甲病。", False),
        ("发热", "reverse", "甲病。", False),  # asked backwards: the value stands in the question alone
        ("发热", "multi_turn", "甲病。", False),
        ("0.5g", "direct", "每次0.25g。", False),
    ],
)
def test_a_fact_is_taught_where_its_value_stands_in_an_answer(
    tmp_path: Path, value: str, shape: str, answer: str, taught: bool
) -> None:
    run = small(tmp_path, [("f", value)], [pair("p", shape, ("f",), answer)], {"心肌梗死": ("心梗",)})
    (entry,) = ledger(finished(run)).values()
    assert (entry.shapes == {shape: 1}, entry.why) == (taught, "" if taught else ONLY_ASKED)


def test_a_question_that_names_the_value_teaches_nothing(tmp_path: Path) -> None:
    turns = (
        Message(role="user", content="发热是什么病？"),
        Message(role="assistant", content="甲病。"),
        Message(role="user", content="发热要紧吗？"),
        Message(role="assistant", content="看医生。"),
    )
    asked = pair("p", "multi_turn", ("f",)).model_copy(update={"messages": turns})
    (entry,) = ledger(finished(small(tmp_path, [("f", "发热")], [asked], {}))).values()
    assert (entry.pairs, entry.why) == (0, ONLY_ASKED)


def test_scores_coverage_and_report_count_as_the_ledger_does(run: Path, tmp_path: Path) -> None:
    folders = finished(run)
    entries = ledger(folders)
    taught = {fact for fact, entry in entries.items() if entry.shapes}
    assert taught_facts(entries) == taught
    (row,) = coverage(entries.values())
    assert (row.kind, row.relation, row.facts, row.taught) == ("disease", "症状", COUNT, len(taught))
    assert row.shapes == {"direct": 200, "reverse": 100, "vignette": 100}
    assert row.why.total() == COUNT - len(taught)
    account = collect(folders, samples=0).ledger
    assert account is not None
    assert (account.known, account.facts) == (len(taught), COUNT)
    assert account.coverage == (row,)
    values = {fact: entry.value for fact, entry in entries.items()}
    made = times_taught(folders["synth"], values)  # of the pairs alone, whatever became of them
    assert set(made) == {fact for fact in entries if fact[-1] not in "68"}
    assert made["f0005"] == 10


def test_the_least_and_the_most_taught_facts_and_their_pairs(run: Path) -> None:
    folders = finished(run)
    entries = ledger(folders)
    least, most = least_and_most(entries, 3)
    assert least == ["f0000", "f0007", "f0010"]  # one pair each; of equals the first by id
    assert most == ["f0005", "f0015", "f0025"]
    found = lessons(folders, entries, ["f0005", "f0006", "f0007"], 2)
    assert [lesson.shape for lesson in found["f0005"]] == ["direct", "reverse"]
    assert found["f0006"] == []  # only asked
    assert found["f0007"][0].turns == (("user", "问p0007？"), ("assistant", "有 值7 等"))


def test_a_filter_that_no_fact_fits_is_refused(run: Path) -> None:
    assert len(list(show.ledger(run, COUNT, "f000"))) >= 10
    with pytest.raises(InputError, match="no fact of '乙病'"):
        list(show.ledger(run, 5, "乙病"))
