"""Density of a lexicon: megabytes per CPU-second, against pyahocorasick; the English list on labelled abstracts.

The lexicon and the texts come from the folder named by ``HUATUO_BENCH_DATA`` (a file ``THUOCL_medical.txt``, and any
text); without it 18,000 made-up words in made-up texts. Abstracts are judged where the folder holds them: those of the
labelled whose hash (``raw_sha256``, of the text as the file has it) ends in an even digit chose words and threshold,
the others were counted once. ``huatuo curate bench/abstracts.toml --calibrate bench/abstracts.labels.csv`` judges by
the same labels.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import random
import time
from pathlib import Path

import corpora
from run import Outcome

from huatuo.corpus.lexicon import ENGLISH, EVERYDAY, FULL, Lexicon, Threshold, best, calibrate, read

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "200000"))
LABELS = Path(__file__).with_name("abstracts.labels.csv")
THRESHOLDS = range(5, 105, 5)


def _words() -> dict[str, int]:
    place = corpora.folder()
    for path in sorted(place.rglob("THUOCL_medical.txt")) if place else ():
        return dict.fromkeys(read(path), FULL)
    dice = random.Random(2)
    return {
        "".join(chr(0x4E00 + dice.randrange(2500)) for _ in range(dice.choice((2, 3, 4)))): FULL for _ in range(18_000)
    }


def _by_pyahocorasick(words: dict[str, int], texts: list[str]) -> tuple[float, int]:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, len(word))
    automaton.make_automaton()
    start = time.process_time()
    covered = sum(size for text in texts for _, size in automaton.iter_long(text.lower()))
    return time.process_time() - start, covered


def judged() -> tuple[list[Threshold], Threshold] | None:
    """What the thresholds keep of the first half of the labelled abstracts, and what the best keeps of the other."""
    place = corpora.folder()
    found = sorted(place.rglob("pubmed_test.json")) if place else []
    if not found:
        return None
    labels = {row["raw_sha256"]: row["label"] == "keep" for row in csv.DictReader(LABELS.read_text().splitlines())}
    lexicon, halves = Lexicon(read(ENGLISH, read(EVERYDAY))), ([], [])
    for text in json.loads(found[0].read_text(encoding="utf-8")):
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest in labels:
            halves[int(digest[-1], 16) % 2].append((lexicon.density(text), labels[digest]))
    first, second = (tuple(zip(*half, strict=True)) for half in halves)
    table = calibrate(*first, THRESHOLDS)
    return table, calibrate(*second, [best(table).thousandths])[0]


def run() -> Outcome:
    """Megabytes per CPU-second, the ratio to pyahocorasick, and precision and recall on the abstracts."""
    words = _words()
    texts = corpora.texts(COUNT)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    start = time.process_time()
    lexicon = Lexicon(words)
    built = time.process_time() - start
    start = time.process_time()
    covered = sum(covered for covered, _ in lexicon.densities(texts)) // FULL
    spent = time.process_time() - start
    figures = {"words": float(len(words)), "megabytes": megabytes, "build cpu_s": built, "cpu_s": spent}
    figures |= {"mb_per_cpu_s": megabytes / spent, "covered characters": float(covered)}
    ratios = {}
    if importlib.util.find_spec("ahocorasick"):
        peer, theirs = _by_pyahocorasick(words, texts[: COUNT // 5])
        figures["mb_per_cpu_s pyahocorasick"] = sum(len(t.encode()) for t in texts[: COUNT // 5]) / 1e6 / peer
        own = sum(covered for covered, _ in lexicon.densities(texts[: COUNT // 5])) // FULL
        figures["covered characters, pyahocorasick over ours"] = theirs / max(own, 1)
        ratios["times pyahocorasick"] = figures["mb_per_cpu_s"] / figures["mb_per_cpu_s pyahocorasick"]
    english = Lexicon(read(ENGLISH, read(EVERYDAY)))
    start = time.process_time()
    english.densities(texts[: COUNT // 5])
    figures["mb_per_cpu_s english list"] = megabytes / 5 / (time.process_time() - start)
    table = [f"{name:<46} {value:14,.3f}" for name, value in (figures | ratios).items()]
    if found := judged():
        table += ["least    kept   precision [95 %]        recall [95 %]", *(one.line() for one in found[0])]
        table += ["the other half", found[1].line()]
        for name, share in (("precision", found[1].precision()), ("recall", found[1].recall())):
            figures |= {f"abstracts {name}": share[0], f"abstracts {name} low": share[1]} if share else {}
    rounded = [{name: round(value, 4) for name, value in values.items()} for values in (figures, ratios)]
    return Outcome(*rounded, COUNT, table)
