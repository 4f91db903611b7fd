"""What a reader with fresh eyes saw taught without a word: garbled names, endless values, unknown relations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from huatuo import store
from huatuo.knowledge.inspect import inspect
from huatuo.recipe import GraphSource, IngestSettings
from huatuo.records import Dropped, Fact, Finding
from huatuo.show import check

Run = Callable[..., Path]


def triples(path: Path, *rows: str | bytes) -> IngestSettings:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, bytes) else row.encode() for row in ("head,relation,tail", *rows)]
    path.write_bytes(b"\n".join(lines))
    return IngestSettings(graphs=(GraphSource(name="g", path=path.parent, format="triples"),))


def flags(folder: Path) -> dict[str, tuple[str, ...]]:
    return {fact.value: fact.flags for fact in store.read(folder, "facts", Fact)}


def found(folder: Path) -> list[tuple[str, str, str]]:
    return [(f.rule, f.severity, f.message) for f in store.read(folder, "findings", Finding)]


def test_a_line_in_another_encoding_is_taught_as_it_was_written(run: Run, tmp_path: Path) -> None:
    rows = [f"甲病{i},临床症状,咳嗽" for i in range(1000)]
    folder = run(triples(tmp_path / "in" / "a.csv", *rows, "乙病,临床症状,发热头痛".encode("gbk")))
    assert flags(folder)["发热头痛"] == ()
    assert [message for rule, _, message in found(folder) if rule == "mixed_encodings"] == [
        "line 1002 of a utf-8 file is in gb18030, and was read in it"
    ]


@pytest.mark.parametrize("part", ["name", "relation", "value"])
def test_garbled_chinese_is_not_taught_wherever_it_stands(run: Run, tmp_path: Path, part: str) -> None:
    garbled = "头痛".encode().decode("gb18030")
    row = {"name": f"{garbled},临床症状,晕", "relation": f"甲病,{garbled},晕", "value": f"甲病,临床症状,{garbled}"}
    folder = run(triples(tmp_path / "in" / "a.csv", row[part], "甲病,临床症状,咳嗽"))
    taught = flags(folder)
    assert taught.pop("咳嗽") == ()
    assert list(taught.values()) == [("mojibake",)]
    assert [(rule, severity) for rule, severity, _ in found(folder) if rule == "mojibake"] == [("mojibake", "error")]


@pytest.mark.slow
def test_a_value_of_seven_million_characters_is_not_taught(run: Run, tmp_path: Path) -> None:
    settings = triples(tmp_path / "in" / "a.csv", "甲病,病因," + "长" * 7_000_000, "甲病,病因,受凉")
    taught = flags(run(settings))
    assert [taught[value] for value in sorted(taught, key=len)] == [(), ("too_long",)]
    again = run(settings.model_copy(update={"teach_flagged": ("too_long",)}), name="again")
    assert set(flags(again).values()) == {()}


def test_unknown_relations_of_triples_are_counted_in_a_note(run: Run, tmp_path: Path) -> None:
    folder = run(
        triples(tmp_path / "in" / "a.csv", *(f"甲{i},奇怪关系,乙{i}" for i in range(1000)), "甲病,临床症状,晕")
    )
    notes = [(severity, message) for rule, severity, message in found(folder) if rule == "unknown_relation"]
    assert len(notes) == 1
    assert notes[0][0] == "note"
    assert "1,000 values of 奇怪关系" in notes[0][1]
    assert set(flags(folder).values()) == {()}


def test_a_blank_file_costs_only_itself(run: Run, tmp_path: Path) -> None:
    settings = triples(tmp_path / "in" / "a.csv", "甲病,临床症状,咳嗽")
    (tmp_path / "in" / "b.csv").write_bytes(b"\xef\xbb\xbf \n\n")
    (tmp_path / "in" / "c.jsonl").write_text("\n \n", encoding="utf-8")
    folder = run(settings)
    assert list(flags(folder)) == ["咳嗽"]
    assert [item.rule for item in store.read(folder, "dropped", Dropped)] == ["empty_file", "empty_file"]


def test_check_shows_severity_and_lists_all(tmp_path: Path) -> None:
    triples(tmp_path / "in" / "a.csv", *(f"甲病{i},临床症状,咳嗽～" for i in range(20)))
    path = tmp_path / "in" / "a.csv"
    short, whole = list(check(path)), list(check(path, every=True))
    assert any(line.startswith("  error cut_off: 20, for example") for line in short)
    assert any("--all" in line for line in short)
    assert sum(line.startswith("  error cut_off:") for line in whole) == 20
    assert len(inspect(path).every) == sum(inspect(path).findings.values())
