"""Small data sets on disk."""

import pytest

from huatuo import store
from huatuo.records import Fact, Origin
from huatuo.records_trained import Order
from huatuo.store import content_id

ORIGIN = Origin(source="kg", file="f.json", place="line 1")


@pytest.fixture
def dataset(tmp_path):
    """Writes records as one table of a finished data set and gives its folder."""

    def make(table, records):
        folder = tmp_path / table
        with store.writing(folder, stage=table, key=content_id(*(record.id for record in records))) as out:
            for record in records:
                out.write(table, record)
        return folder

    return make


@pytest.fixture
def training(dataset, tmp_path):
    """Writes facts, pairs that teach them, the order of those for training, and a training that left out ``late`` ones;
    gives the folders by stage. A fact's id is its entity and its value (`eval_sets.probe`)."""

    def make(pairs, late=()):
        ordered = [pair for pair in pairs if pair.split == "train"]
        with store.writing(tmp_path / "order", stage="order", key=content_id(*(p.id for p in ordered))) as out:
            for i, pair in enumerate(ordered):
                out.write("order", Order(position=i, pair_id=pair.id, copy_index=0, source=pair.source, weight=1.0))
            store.write_atomic(out.folder / "note.txt", "an order may be empty")
        with store.writing(tmp_path / "train", stage="train", key=content_id("late", *late)) as out:
            for pair_id in late:
                out.leave(pair_id, "after the last step", "train.steps ended before its turn")
            store.write_atomic(out.folder / "model.txt", "weights")
        with store.writing(tmp_path / "ingest", stage="ingest", key=content_id("facts")) as out:
            for parent in dict.fromkeys(parent for pair in pairs for parent in pair.parents):
                entity, _, value = parent.partition(" ")
                about = {"entity_id": entity, "entity": entity, "kind": "disease", "relation": "临床症状"}
                out.write("facts", Fact(id=parent, value=value, origin=ORIGIN, **about))
            store.write_atomic(out.folder / "note.txt", "there may be no fact")
        return {
            "ingest": tmp_path / "ingest",
            "unify": dataset("pairs", pairs),
            "order": tmp_path / "order",
            "train": tmp_path / "train",
        }

    return make
