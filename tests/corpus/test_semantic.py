"""Texts that say the same in another order; the same answer for any order of shards."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from huatuo.corpus import semantic
from huatuo.corpus.semantic import (
    Alike,
    Index,
    alike,
    alike_batch,
    cluster_of,
    fit,
    lexical,
    load,
    rounded,
    vector_batch,
)
from huatuo.errors import DataError
from huatuo.store import content_id

WORDS = ["".join(chr(0x4E00 + random.Random(i).randrange(3000)) for i in (3 * n, 3 * n + 1)) for n in range(1500)]


def rows_of(count: int, copies: int) -> list[dict[str, object]]:
    """Texts of eight clauses, and copies with the clauses in another order; the copies' ids are later."""
    dice = random.Random(1)
    texts = [["".join(dice.choices(WORDS, k=6)) for _ in range(8)] for _ in range(count)]
    rows: list[dict[str, object]] = [
        {"id": f"a{content_id(str(i))}", "normal": "，".join(text)} for i, text in enumerate(texts)
    ]
    for number, text in enumerate(texts[:copies]):
        rows.append({"id": f"b{number:05}", "normal": "，".join(dice.sample(text, 8))})
    return rows


def pairs(rows: list[dict[str, object]]) -> list[tuple[str, str]]:
    return [(str(row["id"]), str(row["normal"])) for row in rows]


def batches(rows: list[dict[str, object]], index: Index, size: int) -> list[pa.RecordBatch]:
    return [vector_batch(pa.RecordBatch.from_pylist(rows[i : i + size]), index) for i in range(0, len(rows), size)]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    return rows_of(1000, 200)


@pytest.fixture(scope="module")
def index(rows: list[dict[str, object]]) -> Index:
    return fit(pairs(rows))


def test_clauses_in_another_order_are_found_with_their_source(rows: list[dict[str, object]], index: Index) -> None:
    found = alike(batches(rows, index, 500), 85)
    right = [n for n in range(200) if (hit := found.get(f"b{n:05}")) and hit.witness == rows[n]["id"]]
    assert len(right) >= 170
    assert not [name for name in found if name.startswith("a")]
    assert all(0.85 <= hit.cosine <= 1.0 for hit in found.values())


@pytest.mark.slow
def test_shards_order_and_batches_make_no_difference(rows: list[dict[str, object]], index: Index) -> None:
    shuffled = random.Random(2).sample(rows, len(rows))
    again = fit(pairs(shuffled))
    assert again.digest() == index.digest()
    whole = alike(batches(rows, index, 1200))
    assert whole == alike(batches(shuffled, again, 7)) == alike(batches(rows[::-1], index, 333))


def test_a_cluster_found_over_blocks_is_what_plain_python_finds() -> None:
    dice = np.random.default_rng(5)
    vectors = rounded(np.repeat(dice.normal(size=(300, 16)), 5, axis=0) + 0.2 * dice.normal(size=(1500, 16)))
    rows = [{"id": f"{i:05}", "vector": row.tobytes(), "cluster": 0} for i, row in enumerate(vectors)]
    found = alike([pa.RecordBatch.from_pylist(rows)], 93)
    wide = vectors.astype(object)
    for place in range(0, 1500, 50):
        dots = [int(wide[place] @ wide[other]) for other in range(place)]
        squares = [int(wide[other] @ wide[other]) for other in range(place + 1)]
        near = [o for o, dot in enumerate(dots) if dot > 0 and dot**2 * 10_000 >= 93**2 * squares[place] * squares[o]]
        hit = found.get(f"{place:05}")
        assert (hit is None) == (not near)
        if hit:
            assert hit.witness == f"{max(near, key=lambda o: (dots[o] / squares[o] ** 0.5, -o)):05}"
    assert len(found) > 500


def test_earlier_texts_are_witnesses_and_are_not_judged_again() -> None:
    one = np.array([127, 3, 9], np.int8)

    class Before:
        def cluster(self, number: int) -> tuple[list[str], npt.NDArray[np.int8]]:
            return ["old0", "old1"], np.stack([one, one])

    rows = [{"id": name, "vector": one.tobytes(), "cluster": 4} for name in ("a", "b")]
    assert alike([pa.RecordBatch.from_pylist(rows)], earlier=Before()) == {
        "a": Alike("old0", pytest.approx(1.0)),
        "b": Alike("old0", pytest.approx(1.0)),
    }


def test_priority_goes_before_the_id_and_opposites_are_not_near() -> None:
    one, other = np.array([127, 3, 9], np.int8).tobytes(), np.array([-127, -3, -9], np.int8).tobytes()
    rows = [
        {"id": "a", "priority": 2, "vector": one, "cluster": 4},
        {"id": "z", "priority": 1, "vector": one, "cluster": 4},
        {"id": "y", "priority": 0, "vector": other, "cluster": 4},
        {"id": "x", "priority": 0, "vector": one, "cluster": 5},
    ]
    assert alike([pa.RecordBatch.from_pylist(rows)]) == {"a": Alike("z", pytest.approx(1.0))}


def test_refused_empty_and_missing_texts_have_no_vector(index: Index) -> None:
    rows = [
        {"id": "a", "normal": "甲", "reason": ""},
        {"id": "b", "normal": "甲乙丙丁戊己", "reason": "x: 1"},
        {"id": "c", "normal": None, "reason": ""},
        {"id": "d", "normal": "甲乙丙丁戊己", "reason": ""},
    ]
    made = vector_batch(pa.RecordBatch.from_pylist(rows), index)
    assert [vector is None for vector in made.column("vector").to_pylist()] == [True, True, True, False]
    assert [cluster is None for cluster in made.column("cluster").to_pylist()] == [True, True, True, False]
    assert alike([made]) == {}
    none = vector_batch(pa.RecordBatch.from_pylist(rows[1:2]), index)
    assert alike([none]) == {}


def test_reason_and_witness(index: Index) -> None:
    batch = pa.RecordBatch.from_pylist(
        [{"id": "a", "reason": ""}, {"id": "b", "reason": ""}, {"id": "c", "reason": "x: 1"}]
    )
    made = alike_batch(batch, {"a": Alike("w", 0.93456), "c": Alike("w", 1.0)}).to_pylist()
    assert [row["reason"] for row in made] == ["semantic_duplicate: cosine 0.935 with the witness", "", "x: 1"]
    assert [row["witness"] for row in made] == ["w", "", ""]


def test_an_index_comes_back_from_its_file(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path / "index.npz")
    assert load(tmp_path / "index.npz").digest() == index.digest()
    data = (tmp_path / "index.npz").read_bytes()
    for bad in (data[: len(data) // 2], b"", b"text"):
        (tmp_path / "bad.npz").write_bytes(bad)
        with pytest.raises(DataError, match="not an index"):
            load(tmp_path / "bad.npz")
    with pytest.raises(DataError, match="not an index"):
        load(tmp_path / "none.npz")


@pytest.mark.slow
def test_vectors_of_a_model_take_the_place_of_lexical_ones(rows: list[dict[str, object]]) -> None:
    def embed(texts: list[str]) -> npt.NDArray[np.float64]:
        return np.array([[len(text), text.count("，"), 1.0] for text in texts])

    index = fit(pairs(rows), "counts", embed)
    assert index.idf.size == 0
    made = vector_batch(pa.RecordBatch.from_pylist(rows), index, embed)
    assert len(made.column("vector").to_pylist()[0]) == 3
    with pytest.raises(ValueError, match="its model"):
        index.vectors(["a"])
    with pytest.raises(ValueError, match="no model"):
        fit(pairs(rows)).vectors(["a"], embed)


def test_what_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        fit([])
    with pytest.raises(ValueError, match="expected 1 to 100"):
        alike([], 0)


@pytest.mark.slow
def test_a_text_alone_has_the_vector_it_has_among_others(rows: list[dict[str, object]], index: Index) -> None:
    texts = [text for _, text in pairs(rows)][:600]
    whole = lexical(texts, index.idf)
    assert (whole == np.concatenate([lexical([text], index.idf) for text in texts])).all()
    assert (
        cluster_of(whole, index.centres)[:50] == [int(cluster_of(v[None], index.centres)[0]) for v in whole[:50]]
    ).all()


def test_the_sample_is_drawn_by_the_hash_of_ids(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, object]]) -> None:
    monkeypatch.setattr(semantic, "SAMPLE", 100)
    one = fit(pairs(rows))
    assert fit(pairs(rows[::-1])).digest() == one.digest()
    drawn = sorted(pairs(rows), key=lambda row: content_id("semantic", row[0]))[:100]
    assert (one.idf == semantic.inverse_frequencies([text for _, text in drawn])).all()
