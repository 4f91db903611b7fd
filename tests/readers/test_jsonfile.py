"""Every shape of JSON file gives its records; one bad record is one problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from huatuo.errors import InputError
from huatuo.readers import encoding
from huatuo.readers.jsonfile import Raw, records

MANY: list[dict[str, Any]] = [{"中心词": f"病{i}", "症状": ["a", "{", '"']} for i in range(1200)]


def read(tmp_path: Path, text: str | bytes) -> list[Raw]:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(records(path))


def dumps(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(dumps(r) for r in MANY),
        "\r\n\r\n".join(dumps(r) for r in MANY) + "\r\n",
        dumps(MANY),
        dumps(MANY, indent=2),
        dumps({str(i): r for i, r in enumerate(MANY)}),
        dumps({str(i): r for i, r in enumerate(MANY)}, indent=1),
        "\ufeff" + dumps(MANY),
    ],
    ids=["lines", "crlf", "array", "pretty", "object", "pretty-object", "bom"],
)
def test_each_shape_gives_the_same_records(tmp_path: Path, text: str) -> None:
    got = read(tmp_path, text)
    assert [raw.value for raw in got] == MANY
    assert not any(raw.problem for raw in got)
    assert len({raw.place for raw in got}) == len(MANY)


def test_one_object_is_one_record(tmp_path: Path) -> None:
    for options in ({}, {"indent": 2}):
        got = read(tmp_path, dumps({"name": "a", "inner": {"0": {"x": 1}}}, **options))
        assert [raw.value for raw in got] == [{"name": "a", "inner": {"0": {"x": 1}}}]


def test_places_are_lines_records_and_keys(tmp_path: Path) -> None:
    assert [raw.place for raw in read(tmp_path, '{"a":1}\n\n{"a":2}')] == ["line 1", "line 3"]
    assert [raw.place for raw in read(tmp_path, '[{"a":1},{"a":2}]')] == ["record 1", "record 2"]
    assert [raw.place for raw in read(tmp_path, '{"0":{"a":1},"7":{"a":2}}')] == ["record 0", "record 7"]


BAD = [
    ('{"a": }', "bad_json"),
    ('{"a": 1', "bad_json"),
    ('{"a": 1} {"b": 2}', "bad_json"),
    ('{"a": 1, "a": 2}', "duplicate_key"),
    ('{"a": {"b": 1, "b": 2}}', "duplicate_key"),
    ('{"a": NaN}', "not_finite"),
    ('{"a": [-Infinity]}', "not_finite"),
    ('{"a": 1e999}', "not_finite"),
    ('{"a": "\\ud800"}', "lone_surrogate"),
    ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "too_deep"),
    ('{"a": ' + "9" * 5000 + "}", "bad_json"),
    ('{"a": "tab\there"}', "bad_json"),
]


@pytest.mark.parametrize(("bad", "rule"), BAD, ids=range(len(BAD)))
def test_a_bad_line_among_a_thousand_is_one_problem(tmp_path: Path, bad: str, rule: str) -> None:
    lines = [dumps(r) for r in MANY]
    got = read(tmp_path, "\n".join([*lines[:600], bad, *lines[600:]]))
    assert [(raw.place, raw.problem.rule) for raw in got if raw.problem] == [("line 601", rule)]
    assert [raw.value for raw in got if raw.value] == MANY


@pytest.mark.parametrize(("bad", "rule"), [BAD[i] for i in (0, 3, 4, 5, 7, 8)], ids=range(6))
def test_a_bad_member_of_an_array_is_skipped_up_to_the_next(tmp_path: Path, bad: str, rule: str) -> None:
    members = [dumps(r) for r in MANY]
    got = read(tmp_path, "[" + ",\n".join([*members[:600], bad, *members[600:]]) + "]")
    assert [(raw.place, raw.problem.rule) for raw in got if raw.problem] == [("record 601", rule)]
    assert [raw.value for raw in got if raw.value] == MANY


def test_a_file_that_is_cut_off_gives_what_was_whole(tmp_path: Path) -> None:
    text = dumps(MANY)
    got = read(tmp_path, text[: len(text) // 2])
    assert len([raw for raw in got if raw.value]) in range(550, 650)
    assert {raw.problem.rule for raw in got if raw.problem} == {"bad_json"}
    assert got[-1].place == "end"


def test_the_same_key_of_two_records_is_a_problem(tmp_path: Path) -> None:
    got = read(tmp_path, '{"0": {"a": 1}, "0": {"a": 2}}')
    assert [raw.problem.rule if raw.problem else "" for raw in got] == ["", "duplicate_key"]


def test_a_whole_surrogate_pair_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a": "\\ud83d\\ude00"}')[0].value == {"a": "😀"}


def test_undecodable_bytes_are_said_with_the_record(tmp_path: Path) -> None:
    lines = [dumps(r).encode() for r in MANY]
    lines[5] = lines[5].replace("病".encode(), b"\xe7\x97")
    for data in (b"\n".join(lines), b"[" + b",".join(lines) + b"]"):
        got = read(tmp_path, data)
        assert [i for i, raw in enumerate(got) if raw.problem] == [5]
        assert got[5].problem is not None
        assert got[5].problem.rule == "undecodable_bytes"
        assert got[5].value["中心词"].startswith("\ufffd")


def test_gb18030_lines_are_read(tmp_path: Path) -> None:
    assert [raw.value for raw in read(tmp_path, "\n".join(map(dumps, MANY)).encode("gb18030"))] == MANY


def test_an_overlong_line_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "LONGEST_LINE", 1000)
    got = read(tmp_path, '{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n{"a": 2}')
    assert [raw.value for raw in got] == [{"a": 1}, None, {"a": 2}]
    assert got[1].problem is not None
    assert got[1].problem.rule == "line_too_long"


@pytest.mark.parametrize("data", [b"", b"\n \r\n\n"])
def test_nothing_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.json"):
        read(tmp_path, data)


def test_a_missing_file_is_an_error_before_the_first_record(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        records(tmp_path / "missing.json")
