"""Pairs and a small knowledge base as data sets on disk, and one-line ways to run the stages of training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huatuo import store
from huatuo.recipe import RunSettings, ScratchSettings, TrainSettings
from huatuo.records import Entity, Fact, Message, Origin, Pair, Provenance
from huatuo.train import loop, order, tokenise

ORIGIN = Origin(source="kg", file="kg.jsonl", place="line 1")
TINY = ScratchSettings(hidden=32, layers=2, heads=2, feed_forward=64)


def make_pair(turns: list[str], source: str = "kg", split: str = "train") -> Pair:
    messages = tuple(Message(role=("user", "assistant")[i % 2], content=turn) for i, turn in enumerate(turns))
    return Pair(
        id=store.content_id(source, *turns),
        messages=messages,
        source=source,
        language="zh",
        shape="direct",
        split=split,  # type: ignore[arg-type]
        provenance=Provenance(by="import"),
    )


def made_pairs(n: int) -> list[Pair]:
    """n different pairs of two sources, of different lengths; every tenth is for validation."""
    pairs = []
    for i in range(n):
        answer = "、".join(f"症{chr(0x4E00 + (i * 7 + k) % 90)}" for k in range(1 + i % 5))
        source, split = ("kg", "sft")[i % 3 == 0], ("train", "validation")[i % 10 == 9]
        pairs.append(make_pair([f"病{i}有什么症状？", answer], source, split))
    return pairs


def write_pairs(folder: Path, pairs: list[Pair]) -> Path:
    with store.writing(folder, stage="unify", key="k") as out:
        for pair in pairs:
            out.write("pairs", pair)
    return folder


def write_knowledge(folder: Path) -> Path:
    with store.writing(folder, stage="ingest", key="k") as out:
        out.write("entities", Entity(id="e", kind="disease", name="瘊病", aliases=("疣",), origins=(ORIGIN,)))
        out.write(
            "facts",
            Fact(id="f", entity_id="e", entity="瘊病", kind="disease", relation="症状", value="龘", origin=ORIGIN),
        )
    return folder


class Stages:
    """Runs the stages of this room in one folder."""

    def __init__(self, root: Path):
        self.root = root

    def prepare(self, pairs: list[Pair], settings: TrainSettings, seed: int = 5) -> None:
        """Pairs, knowledge, order and tokens on disk."""
        data, knowledge = write_pairs(self.root / "unify", pairs), write_knowledge(self.root / "ingest")
        with store.writing(self.root / "order", stage="order", key="k") as out:
            order.make_order(settings, data, seed, out)
        with store.writing(self.root / "tokenise", stage="tokenise", key="k") as out:
            tokenise.tokenise(settings, data, knowledge, out)

    def train(self, settings: TrainSettings, name: str = "train", **run: Any) -> Path:
        """The finished folder of a training run."""
        with store.writing(self.root / name, stage="train", key="k", resumable=True) as out:
            chosen = RunSettings.model_validate({"name": "test", "seed": 5, **run})
            loop.train(settings, chosen, self.root / "tokenise", self.root / "order", out)
        return self.root / name
