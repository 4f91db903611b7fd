"""What is counted before the first paid call is what is then asked, for every shape; and the prompts hold the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from huatuo.llm.base import Reply, Sampling
from huatuo.llm.cache import Cached
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Message, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth.calls import LONGER
from huatuo.synth.expect import Caches, asked, expect
from huatuo.synth.make import make_pairs

MARKS = "甲乙丙丁戊己庚辛壬癸"


class Counting(OfflineTeacher):
    """The offline teacher; counts what it is asked."""

    def __init__(self, phrasings: Path):
        super().__init__(phrasings, 2)
        self.shapes = Counter[str]()

    def chat(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        self.shapes.update(str(read_block(messages[-1].content)["shape"]) for messages in conversations)
        return super().chat(conversations, sampling)


def facts_of(maker: Any, count: int) -> list[Any]:
    rows = []
    for n in range(count):
        name = "".join(MARKS[int(digit)] for digit in f"{n:03}")
        flags = ("withheld",) if n % 20 == 0 else ()
        for relation, values in (
            ("临床症状", ("痛", "热")),
            ("检查", ("镜检",)),
            ("药物治疗", ("片",)),
            ("忌吃食物", ("酒",)),
        ):
            rows += [maker.fact(f"{name}病", relation, f"{name}{value}", flags=flags) for value in values]
    return rows


@pytest.mark.slow
def test_every_call_is_counted_before_it_is_made(maker: Any, tmp_path: Path) -> None:
    facts = facts_of(maker, 250)
    passages = [
        maker.passage(
            f"{n}号题",
            f"先把双手用流动的清水打湿，再取适量的洗手液。掌心相对，手指并拢，互相揉搓{n}下。最后用清水冲净，并且擦干双手。",
        )
        for n in range(50)
    ]
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("怎样洗手？\n怎样量血压？", encoding="utf-8")
    settings = SynthSettings.model_validate(
        {
            "shapes": ("direct", *LONGER),
            "passage_shapes": ("passage", "passage_dialogue"),
            "self_instruct": {"seeds": seeds, "questions": 20},
        }
    )
    knowledge, cut = maker.knowledge(facts), maker.write("curate", {"passages": passages})
    teacher = Counting(maker.phrasings)
    cache = Cached(teacher, tmp_path / "calls.sqlite")
    counted = Counter(call.kind for call in asked(settings, knowledge, cut, Caches(cache), 1))
    folder = tmp_path / "synth"
    with writing(folder, stage="synth", key="k") as out:
        make_pairs(settings, knowledge, cut, cache, 1, out)
    assert teacher.shapes == counted
    assert set(counted) == {
        "direct",
        *LONGER,
        "passage_question",
        "passage_answer",
        "passage_dialogue",
        "self_instruct",
    }
    pairs, manifest = list(read(folder, "pairs", Pair)), read_manifest(folder)
    assert {p.shape for p in pairs} == {"direct", *LONGER, "passage", "passage_dialogue"}
    assert manifest.dropped == {"refused": 4}  # the four calls that grow questions
    taught = {parent for pair in pairs for parent in pair.parents}
    assert {f.id for f in facts if not f.flags} <= taught
    assert not any(f.id in taught for f in facts if f.flags)
    hidden = {f.entity for f in facts if f.flags} | {f.value for f in facts if f.flags}
    assert not any(name in m.content for p in pairs for m in p.messages for name in hidden)
    assert {d.rule for d in read(folder, "dropped", Dropped)} == {"withheld", "refused", "not_drawn"}
    left = expect(settings, asked(settings, knowledge, cut, Caches(cache), 1))
    assert left.calls == sum(counted.values())
    cache.close()


@pytest.mark.slow
def test_a_second_run_writes_the_same_pairs(maker: Any, tmp_path: Path) -> None:
    knowledge, cut = maker.knowledge(facts_of(maker, 120)), maker.write("curate", {"passages": []})
    digests = []
    for name in ("one", "two"):
        with writing(tmp_path / name, stage="synth", key="k") as out:
            make_pairs(SynthSettings(shapes=LONGER), knowledge, cut, OfflineTeacher(maker.phrasings, 2), 7, out)
        digests.append(read_manifest(tmp_path / name).tables["pairs"].digest)
    assert digests[0] == digests[1]
