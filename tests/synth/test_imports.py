from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.recipe import ImportSource
from huatuo.synth.imports import FORMATS, Item, read_pairs

Turns = list[tuple[str, str]]


def load(path: Path, format: Any, data: bytes) -> list[Item]:
    path.write_bytes(data)
    return list(read_pairs(ImportSource(name="src", path=path, format=format)))


def turns(item: Item) -> Turns:
    assert item.pair is not None, item.reason
    return [(m.role, m.content) for m in item.pair.messages]


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


QA: Turns = [("user", "问一？"), ("assistant", "答一。")]
TWO: Turns = [*QA, ("user", "问二？"), ("assistant", "答二。")]
SYSTEM: Turns = [("system", "你是医生"), *QA]


@pytest.mark.parametrize(
    ("format", "record", "expected"),
    [
        ("huatuo", {"instruction": "问一？", "input": "", "output": "答一。"}, QA),
        ("huatuo", {"instruction": "问", "input": "一？", "output": "答一。"}, [("user", "问\n一？"), QA[1]]),
        ("huatuo", {"context": "问题：问一？\n回答: ", "target": "答一。"}, QA),
        ("huatuo-dialogue", {"instruction": " <user>: 问一？ <bot>: 答一。 <user>: 问二？", "output": "答二。"}, TWO),
        ("huatuo-dialogue", {"instruction": " <user>: 问一？ <bot>: ", "output": "答一。"}, QA),
        ("huatuo-dialogue", {"instruction": "问一？", "output": "答一。"}, QA),
        ("alpaca", {"instruction": "问二？", "input": "", "output": "答二。", "history": [["问一？", "答一。"]]}, TWO),
        ("alpaca", {"instruction": "问一？", "output": "答一。", "system": "你是医生", "history": None}, SYSTEM),
        ("sharegpt", {"conversations": [{"from": "human", "value": "问一？"}, {"from": "gpt", "value": "答一。"}]}, QA),
        ("sharegpt", {"conversations": [{"from": "system", "value": "你是医生"}, {"from": "user", "value": "问一？"},
                                        {"from": "assistant", "value": "答一。"}]}, SYSTEM),
        ("messages", {"messages": [{"role": r, "content": c} for r, c in TWO]}, TWO),
        ("huatuogpt2", {"id": 1, "conversations": [{"from": "human", "value": "问一？"}, {"from": "gpt", "value": "答一。"}]}, QA),
    ],
)  # fmt: skip
def test_formats(tmp_path: Path, format: str, record: dict[str, Any], expected: Turns) -> None:
    for data in (dumps(record) + b"\n" + dumps(record), dumps([record, record])):
        items = load(tmp_path / "x.json", format, data)
        assert [turns(item) for item in items] == [expected, expected]


def test_huatuogpt2_by_source(tmp_path: Path) -> None:
    data = {"Meidcal_Books_cn": [["问一？", "答一。"], ["问一？", "答一。", "问二？", "答二。"], ["孤？"]], "坏": "x"}
    items = load(tmp_path / "x.json", "huatuogpt2", dumps(data))
    assert [turns(item) for item in items[:2]] == [QA, TWO]
    assert [(item.place, item.rule) for item in items[2:]] == [
        ("Meidcal_Books_cn[3]", "odd_turns"),
        ("record 1 坏", "wrong_shape"),
    ]


GOOD = dumps({"instruction": "问一？", "input": "", "output": "答一。"})


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (b"{broken", "bad_json"),
        (b'{"instruction": "a", "instruction": "b", "output": "c"}', "duplicate_key"),
        (b'{"instruction": "a", "output": 5}', "not_text"),
        (b'{"instruction": "a"}', "missing_field"),
        (b'{"instruction": "a", "output": ""}', "empty_answer"),
        (b'{"instruction": " ", "output": "b"}', "empty_question"),
        (b'{"instruction": "a\\u0000", "output": "b"}', "control_character"),
        (b"[1, 2]", "wrong_shape"),
        (b"null", "wrong_shape"),
        (b'"text"', "wrong_shape"),
    ],
)
def test_one_bad_record_is_one_drop_with_its_place(tmp_path: Path, bad: bytes, rule: str) -> None:
    items = load(tmp_path / "x.json", "huatuo", b"\n".join([GOOD, bad, GOOD]))
    assert [item.rule for item in items] == ["", rule, ""]
    assert items[1].place == "line 2"
    assert items[1].reason


@pytest.mark.parametrize(
    ("roles", "rule"),
    [
        ("ua", ""),
        ("sua", ""),
        ("u", "no_answer"),
        ("uau", "no_answer"),
        ("au", "wrong_order"),
        ("uua", "wrong_order"),
        ("usa", "late_system"),
        ("s", "empty"),
        ("", "empty"),
        ("ux", "unknown_role"),
    ],
)
def test_turns_must_alternate_and_end_with_an_answer(tmp_path: Path, roles: str, rule: str) -> None:
    names = {"u": "user", "a": "assistant", "s": "system", "x": "tool"}
    record = {"messages": [{"role": names[r], "content": f"说{n}"} for n, r in enumerate(roles)]}
    (item,) = load(tmp_path / "x.jsonl", "messages", dumps(record) + b"\n")
    assert item.rule == rule


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str) -> None:
    record = json.dumps({"instruction": "高血压有哪些并发症？", "output": "高血压的并发症有中风。"}, ensure_ascii=False)
    items = load(tmp_path / "x.json", "huatuo", f"{record}\r\n{record}\r\n\r\n".encode(encoding))
    assert [turns(item)[0] for item in items] == [("user", "高血压有哪些并发症？")] * 2


def test_a_line_beyond_the_bound_is_one_counted_drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huatuo.readers.encoding.LONGEST_LINE", 1 << 16)
    long = dumps({"instruction": "长" * 40_000, "output": "b"})
    items = load(tmp_path / "x.json", "huatuo", b"\n".join([GOOD, long, GOOD]))
    assert [item.rule for item in items] == ["", "line_too_long", ""]


def test_the_same_text_from_two_sources_is_two_pairs(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(GOOD)
    ids = [next(read_pairs(ImportSource(name=n, path=path, format="huatuo"))).pair for n in ("a", "b")]
    assert ids[0] is not None
    assert ids[1] is not None
    assert ids[0].id != ids[1].id


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
fields = (
    "instruction",
    "input",
    "output",
    "history",
    "system",
    "conversations",
    "messages",
    "from",
    "value",
    "role",
    "content",
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.dictionaries(st.sampled_from(fields), json_values))
def test_no_record_crashes_a_reader(
    tmp_path_factory: pytest.TempPathFactory, format: str, record: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("x") / "x.json"
    data = json.dumps([record, record]).encode()
    for item in load(path, format, data):
        assert (item.pair is None) == bool(item.rule)
