"""Tables written from columns are the tables that records would have made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from huatuo import store
from huatuo.columns import NO_IDS, Columns, Left, column_of, digest, ids_of, settle
from huatuo.errors import ConservationError, DataError
from huatuo.files import RowDigest
from huatuo.records import Dropped
from huatuo.records_trained import Order, StepLog

TEXT = st.text(max_size=12)


def orders(n: int) -> list[Order]:
    return [
        Order(
            position=i,
            pair_id=store.content_id(str(i)),
            copy_index=i % 3,
            source=("kg", '书\n"', "sft")[i % 3],
            weight=(32.0, 0.1, 1e-7)[i % 3],
        )
        for i in range(n)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 1_000, 26_000])
def test_columns_and_records_make_the_same_data_set(tmp_path: Path, n: int) -> None:
    records = orders(n)
    with store.writing(tmp_path / "records", stage="order", key="k") as out:
        for record in records:
            out.write("order", record)
    with store.writing(tmp_path / "columns", stage="order", key="k") as out:
        table = Columns(out, "order", Order)
        rows = pa.Table.from_pylist([record.model_dump() for record in records])
        for start in range(0, n, 7_000):
            table.write(rows.slice(start, 7_000))
    made, wanted = (store.read_manifest(tmp_path / name) for name in ("columns", "records"))
    assert made.tables["order"].digest == wanted.tables["order"].digest
    assert made.digest == wanted.digest
    assert list(store.read(tmp_path / "columns", "order", Order)) == records
    assert all(entry.rows <= store.SHARD_ROWS for entry in made.tables["order"].files)


@given(st.lists(st.tuples(TEXT, st.one_of(st.none(), TEXT), st.lists(TEXT, max_size=2)), max_size=5))
def test_digest_of_any_text(rows: list[tuple[str, str | None, list[str]]]) -> None:
    plain = [
        {"record_id": a, "stage": "s", "outcome": "left", "rule": "r", "reason": b, "parents": c} for a, b, c in rows
    ]
    expected = RowDigest()
    for row in plain:
        expected.add(row)
    kinds = [pa.field(name, pa.string()) for name in ("record_id", "stage", "outcome", "rule", "reason")]
    schema = pa.schema([*kinds, pa.field("parents", pa.list_(pa.string()))])
    assert digest(pa.Table.from_pylist(plain, schema=schema)) == expected.hexdigest()


def test_seconds_are_no_part_of_the_digest() -> None:
    rows = [{"step": 1, "loss": 0.5, "seconds": seconds} for seconds in (1.0, 2.0)]
    first, second = (digest(pa.Table.from_pylist([row])) for row in rows)
    assert first == second
    assert "seconds" in StepLog.model_fields


@pytest.mark.slow
def test_left_records_are_those_that_leaving_one_by_one_gives(tmp_path: Path) -> None:
    ids = np.array([store.content_id(str(i)) for i in range(30_000)], dtype=NO_IDS.dtype)
    with store.writing(tmp_path / "many", stage="train", key="k") as out:
        Left(out).leave(ids, "later", "why")
        Left(out).leave(NO_IDS, "never", "none")
        settle(out, len(ids), 0, out.left)
        (out.folder / "model").write_text("x")
    with store.writing(tmp_path / "single", stage="train", key="k") as out:
        for i in ids:
            out.leave(i.decode(), "later", "why")
        (out.folder / "model").write_text("x")
    many, single = (store.read_manifest(tmp_path / name) for name in ("many", "single"))
    assert many.left == single.left == {"later": 30_000}
    assert many.tables["dropped"].digest == single.tables["dropped"].digest
    assert next(iter(store.read(tmp_path / "many", "dropped", Dropped))).outcome == "left"


def test_an_account_that_does_not_add_up_is_a_defect(tmp_path: Path) -> None:
    with (
        pytest.raises(ConservationError, match="10 input records, but 7 used and 2"),
        store.writing(tmp_path / "d", stage="train", key="k") as out,
    ):
        settle(out, 10, 7, {"later": 2})


def test_ids_are_a_view_and_come_back() -> None:
    names = [store.content_id(str(i)) for i in range(100)]
    column = pa.array(["x" * 32, *names, "y" * 32])
    cut = column.slice(1, 100)  # a slice begins in the middle of the memory
    assert [i.decode() for i in ids_of(cut)] == names
    assert column_of(ids_of(cut)).to_pylist() == names
    assert column_of(NO_IDS).to_pylist() == []
    assert len(ids_of(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize("wrong", ["short", "x" * 33, "", None])
def test_an_id_of_another_length_is_named(wrong: str | None) -> None:
    with pytest.raises(DataError, match="expected 32"):
        ids_of(pa.array([store.content_id("a"), wrong], pa.string()))
