"""Texts for the benchmarks of curation: cut from the files of a folder, or generated; copies are planted.

`texts` takes JSON, JSON Lines, text, Markdown and tar.gz of XML below the folder named by ``HUATUO_BENCH_DATA``;
without it, sentences of made-up words. Everything is drawn with a seed.
"""

from __future__ import annotations

import html
import json
import os
import random
import re
import tarfile
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from huatuo.text.segment import pieces
from huatuo.text.zh import language

SIZE = 400
"""Most characters of a text."""

_TAG = re.compile(r"<[^>]*>")


def folder() -> Path | None:
    """The folder named by ``HUATUO_BENCH_DATA``, if there is one."""
    named = os.environ.get("HUATUO_BENCH_DATA", "")
    return Path(named) if named and Path(named).is_dir() else None


def texts(count: int, seed: int = 1) -> list[str]:
    """That many texts in seeded order: 82 % cut from the folder (recombined sentences once it is used up), 15 % copies
    of others with 1 to 12 % of their characters edited, 3 % copies that differ in case and blanks only."""
    dice = random.Random(seed)
    own = _cut(count - int(0.15 * count) - int(0.03 * count), dice)
    edited = [_edited(dice.choice(own), dice.uniform(0.01, 0.12), dice) for _ in range(int(0.15 * count))]
    spaced = [dice.choice(own).swapcase().replace("，", "， ") for _ in range(int(0.03 * count))]
    made = own + edited + spaced
    dice.shuffle(made)
    return made


def prose(place: Path | None) -> Iterator[str]:
    """Every text of at least 40 characters in the files below the folder, in the order of their names; not of exams."""
    for path in sorted(p for p in place.rglob("*") if p.is_file()) if place else ():
        if "exam" in str(path.relative_to(place)):
            continue
        if path.suffix in {".json", ".jsonl"}:
            yield from (text for text in _strings(_json(path)) if len(text) >= 40)
        elif path.suffix in {".txt", ".md"} and path.name != "SOURCE.txt" and not path.name.startswith("THUOCL"):
            yield _TAG.sub("", _decoded(path.read_bytes()))
        elif path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                for member in archive:
                    data = archive.extractfile(member)
                    if data and member.name.endswith(".xml"):
                        yield from (t for t in re.findall(r"<Answer>(.*?)</Answer>", _decoded(data.read()), re.S))


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")


def _json(path: Path) -> Iterator[Any]:
    text = _decoded(path.read_bytes())
    try:
        yield json.loads(text)
    except json.JSONDecodeError:
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _strings(inner))
    elif isinstance(value, (list, Iterator)):
        yield from (text for inner in value for text in _strings(inner))


def _cut(count: int, dice: random.Random) -> list[str]:
    base = []
    for text in prose(folder()):
        whole = html.unescape(text)
        spans = pieces(whole, SIZE, "en" if language(whole) == "en" else "zh")
        base += [piece for start, end in spans if len(piece := whole[start:end].strip()) >= 30]
    if not base:
        base = _invented(min(count, 40_000), dice)
    dice.shuffle(base)
    own = base[:count]
    sentences = [s for text in base[:20_000] for s in re.split(r"(?<=[。！？.!?])\s*", text) if len(s) >= 8]
    while len(own) < count:
        own.append("".join(dice.choices(sentences, k=dice.randint(3, 8)))[:SIZE])
    return own


def _invented(count: int, dice: random.Random) -> list[str]:
    """Sentences of 20,000 made-up Chinese and English words drawn by Zipf's law."""
    zh = ["".join(chr(0x4E00 + dice.randrange(2500)) for _ in range(dice.choice((2, 2, 3, 4)))) for _ in range(20_000)]
    en = ["".join(dice.choices("etaoinshrdlucmfgyp", k=dice.randint(2, 10))) for _ in range(20_000)]
    weights = list(accumulate(1 / (rank + 2.7) for rank in range(20_000)))
    found = []
    for number in range(count):
        words, gap, stop = (zh, "", "。") if number % 3 else (en, " ", ". ")
        lines = [gap.join(dice.choices(words, cum_weights=weights, k=dice.randint(5, 18))) for _ in range(6)]
        found.append("".join(line + stop for line in lines)[: dice.randint(60, SIZE)])
    return found


def _edited(text: str, share: float, dice: random.Random) -> str:
    """The text with that share of its characters exchanged, left out or doubled."""
    made = list(text)
    for place in dice.sample(range(len(made)), max(1, int(share * len(made)))):
        made[place] = dice.choice((chr(0x4E00 + dice.randrange(2500)), "", made[place] * 2))
    return "".join(made)
