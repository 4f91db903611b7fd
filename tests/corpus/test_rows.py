"""Batch functions add a column, keep every row, and do not depend on how rows are batched."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huatuo.corpus import rows as rows_
from huatuo.corpus.dedup import duplicate_batch, key, key_batch, keys
from huatuo.corpus.engines import smallest
from huatuo.corpus.normalise import RADICALS, SUPPLEMENT, normalise, normalise_batch
from huatuo.corpus.quality import quality_batch
from huatuo.corpus.rows import added
from huatuo.corpus.unanswered import question_batch
from huatuo.files import content_id

ROWS = [{"id": f"{i:04d}", "text": f"第{i % 300}段，{'长' * (i % 40)}。" if i % 7 else ""} for i in range(1500)]


def judge(rows: list[dict[str, str]], size: int) -> list[dict[str, str]]:
    batches = [pa.RecordBatch.from_pylist(rows[i : i + size]) for i in range(0, len(rows), size)]
    made = [key_batch(quality_batch(normalise_batch(b), 12)) for b in batches]
    found = smallest(iter(made), "key", "id")
    return sorted((r for b in made for r in duplicate_batch(b, found).to_pylist()), key=lambda r: str(r["id"]))


@pytest.mark.slow
def test_batches_of_any_size_and_order_give_the_same_rows() -> None:
    whole = judge(ROWS, 1500)
    assert len(whole) == 1500
    assert judge(ROWS, 1) == judge(ROWS[::-1], 77) == whole


def test_an_empty_batch_stays_empty() -> None:
    batch = pa.RecordBatch.from_pylist([], schema=pa.schema([("id", pa.string()), ("text", pa.string())]))
    made = duplicate_batch(key_batch(quality_batch(normalise_batch(batch), 12)), {})
    assert made.num_rows == 0
    assert {"normal", "reason", "key", "witness"} <= set(made.schema.names)


def test_the_first_reason_stands() -> None:
    rows = [
        {"normal": "多久一次？", "reason": "x: 1"},
        {"normal": "多久一次？", "reason": None},
        {"normal": "每日一次。", "reason": ""},
    ]
    why = question_batch(pa.RecordBatch.from_pylist(rows)).column("reason").to_pylist()
    assert [reason.partition(":")[0] for reason in why] == ["x", "question_alone", ""]


def test_a_column_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 values for 1 rows"):
        added(pa.RecordBatch.from_pylist([{"text": "a"}]), "x", pa.string(), ["1", "2"])


def test_all_kangxi_radicals_and_the_simplified_ones_are_mapped() -> None:
    assert len(RADICALS) == 214
    assert normalise("⽤⼝⽩⾎⽇⻘") == "用口白血日青"
    assert not any(0x2E80 <= ord(c) <= 0x2FDF for c in "".join([*RADICALS.values(), *SUPPLEMENT.values()]))


SIGNS = "．.-−–~～/:：<>＜＞≤≥±+＋%％‰⁰¹²½¼①⑳㎎℃…İΣςéﬁ한각ᄀ\u0301\u3099か🙂\x00 　１2٣²〇𠀀\U0002f800_＿甲aＡ"


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(SIGNS, max_size=9), max_size=9))
def test_keys_made_together_are_those_of_each_text(texts: list[str]) -> None:
    assert keys(texts) == [key(text) for text in texts]


def test_keys_of_more_texts_than_a_chunk() -> None:
    texts = [f"每次 {i / 4} mg，每日<{i % 7} 次；Cafe\u0301 {i}℃ {i}~{i + 1}" for i in range(1234)]
    assert keys(texts) == [key(text) for text in texts]
    assert len(set(keys(texts))) == 1234


@pytest.mark.parametrize("rows", [1, 7, 500])
def test_long_texts_are_worked_on_one_by_one(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_, "CHUNK", rows)
    monkeypatch.setattr(rows_, "CHUNK_BYTES", 1000)
    texts = ["x" * (i * 37 % 1500) for i in range(90)] + [None]
    batch = pa.RecordBatch.from_pydict({"normal": pa.array(texts, pa.string())})
    seen: list[pa.RecordBatch] = []
    whole = rows_.in_parts(batch, lambda part: seen.append(part) or part)
    assert whole.column("normal").to_pylist() == texts
    sizes = [[len(text or "") for text in part.column("normal").to_pylist()] for part in seen]
    assert all(0 < len(part) < max(2, 1.5 * rows) and sum(part[:-1]) < 1000 for part in sizes)
    assert rows_.in_parts(batch.slice(0, 0), lambda part: part).num_rows == 0


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 20), st.integers(1, 40))
def test_shares_hold_every_row_once_and_in_order(sizes: list[int], rows: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(rows_, "CHUNK", rows)
        changed.setattr(rows_, "CHUNK_BYTES", most)
        found = list(rows_.shares(np.array(sizes, dtype=np.int64)))
    assert [place for start, end in found for place in range(start, end)] == list(range(len(sizes)))
    assert all(sum(sizes[start : end - 1]) < most for start, end in found)
    assert all(end - start < max(2, 1.5 * rows) for start, end in found)


def test_a_few_rows_more_than_a_chunk_stay_together() -> None:
    def lengths(count: int) -> list[int]:
        return [end - start for start, end in rows_.shares(np.ones(count, dtype=np.int64))]

    assert [lengths(count) for count in (0, 1, 540, 1000, 1600)] == [[], [1], [540], [500, 500], [534, 534, 532]]


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), min_size=1, max_size=20))
def test_ids_of_columns_are_those_of_their_rows(cells: list[tuple[str, str]]) -> None:
    cells = [(a, b) for a, b in cells if a.isprintable() and b.isprintable()]  # no halves of surrogate pairs
    columns = [pa.array([cell[at] for cell in cells], pa.string()) for at in (0, 1)]
    made = rows_.id_column(("x", "甲"), *columns).to_pylist()
    assert made == [content_id("x", "甲", a, b) for a, b in cells]
