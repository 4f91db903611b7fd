"""Near-duplicates: from texts to verified neighbours, against rensa's usual call, gaoya and datasketch; CPU-seconds.

All find pairs of Jaccard 0.7 of character 5-grams with about 120 values; only ours checks every pair exactly. The truth
is the exact Jaccard of all candidates of 50 bands of 4 other permutations, buckets above `CROWDED` texts left out.
``HUATUO_BENCH_TEXTS`` sets how many texts (200,000), ``HUATUO_BENCH_DATA`` a folder to cut them from.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence

import corpora
import numpy as np
from run import Outcome

from huatuo.corpus import near
from huatuo.text import minhash
from huatuo.text.grams import code_points
from huatuo.text.joined import Places, join

COUNT = int(os.environ.get("HUATUO_BENCH_TEXTS", "200000"))
PEER_SHARE = {"rensa": 1, "gaoya": 1, "datasketch": 10}
"""The slow peer gets a tenth of the texts, its time is multiplied (it is linear: that flatters it)."""
CROWDED = 300


def folded(texts: Sequence[str]) -> list[str]:
    """The texts as all are given them: folded as ours folds, so that all compare the same grams."""
    found = []
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        codes, owner = code_points(part)
        keep = codes > 0x20
        ends = np.cumsum(np.bincount(owner[keep], minlength=len(part)))[:-1]
        found += [piece.tobytes().decode("utf-32-le", "replace") for piece in np.split(codes[keep], ends)]
    return found


def ours(texts: Sequence[str]) -> tuple[dict[str, near.Neighbour], list[float]]:
    """Neighbours by place, and seconds after each step."""
    steps = [time.process_time()]
    made, filled = minhash.bands(texts)
    bands = made[filled]
    steps.append(time.process_time())
    kept = np.flatnonzero(filled)

    def picked(places: Places) -> list[str]:
        return [texts[place] for place in kept[places].tolist()]

    found = near.neighbours(near.Rows([str(place) for place in kept.tolist()], bands, picked))
    steps.append(time.process_time())
    return found, steps


def _grams(text: str) -> Iterator[str]:
    return (text[place : place + 5] for place in range(len(text) - 4))


def by_rensa(texts: Sequence[str]) -> None:
    """The usual call: a list of n-grams per text, digests, its own index, candidates checked by their digests."""
    from rensa import RMinHash, RMinHashLSH

    index, digests = RMinHashLSH(threshold=0.7, num_perm=128, num_bands=16), []
    for number, text in enumerate(texts):
        digest = RMinHash(num_perm=128, seed=42)
        digest.update(list(_grams(text)))
        digests.append(digest)
        any(digest.jaccard(digests[other]) >= 0.7 for other in index.query(digest))
        index.insert(number, digest)


def by_gaoya(texts: Sequence[str]) -> None:
    """Its index of strings, which checks candidates by their signatures."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        hash_size=32, jaccard_threshold=0.7, num_bands=16, band_size=8, analyzer="char", ngram_range=(5, 5)
    )
    for number, text in enumerate(texts):
        index.query(text)
        index.insert_document(number, text)


def by_datasketch(texts: Sequence[str]) -> None:
    """Its usual call: bytes of n-grams, 128 permutations, its index."""
    from datasketch import MinHash, MinHashLSH

    index, digests = MinHashLSH(threshold=0.7, num_perm=128, params=(16, 8)), []
    for number, text in enumerate(texts):
        digest = MinHash(num_perm=128)
        digest.update_batch([gram.encode() for gram in _grams(text)])
        digests.append(digest)
        any(digest.jaccard(digests[other]) >= 0.7 for other in index.query(digest))
        index.insert(number, digest)


PEERS: dict[str, Callable[[Sequence[str]], None]] = {
    "rensa": by_rensa,
    "gaoya": by_gaoya,
    "datasketch": by_datasketch,
}


def truth(texts: Sequence[str]) -> tuple[Places, Places]:
    """Pairs (later, earlier) of at least 0.7, found by 50 bands of 4 values of permutations that ours does not use."""
    pairs = [np.zeros(0, dtype=np.int64)]
    rng = np.random.default_rng(7)
    factors = rng.integers(0, 2**63, 200, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    values = np.zeros((200, len(texts)), dtype=np.uint32)
    for start in range(0, len(texts), 500):
        hashes, starts = minhash.grams(join(texts[start : start + 500]))
        has = np.flatnonzero(np.diff(starts))
        for number in range(200):
            permuted = ((hashes * factors[number]) >> np.uint64(32)).astype(np.uint32)
            values[number, start + has] = np.minimum.reduceat(permuted, starts[has])
    for band in range(50):
        keys = np.zeros(len(texts), dtype=np.uint64)
        for row in values[4 * band : 4 * band + 4]:
            keys = keys * np.uint64(0xD6E8FEB86659FD93) + row
        order = np.argsort(keys, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            if 1 < len(bucket) <= CROWDED:
                one, other = np.tril_indices(len(bucket), -1)
                pairs.append(bucket[one] * len(texts) + bucket[other])
        if band % 10 == 9:
            pairs = [np.unique(np.concatenate(pairs))]
    later, before = np.divmod(pairs[0], len(texts))
    found = near.near_pairs(later, before, lambda p: [texts[place] for place in p.tolist()], near.TENTHS)
    later, before, _, _ = np.concatenate(list(found), axis=1)
    return later, before


def _spent(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def run() -> Outcome:
    """CPU-seconds of each step and peer, neighbours, and true pairs of which both texts stay."""
    texts = folded(corpora.texts(COUNT))
    minhash.grams(join(texts[:10]))  # the table of folded characters is made once per process
    found, steps = ours(texts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    spent = steps[-1] - steps[0]
    figures = {
        "cpu_s": spent,
        "cpu_s signatures and bands": steps[1] - steps[0],
        "cpu_s candidates and exact check": steps[2] - steps[1],
        "peak_gb": peak,
        "characters_per_text": sum(map(len, texts)) / len(texts),
        "dropped": float(len(found)),
        "smallest accepted jaccard": min(n.jaccard for n in found.values()),
    }
    ratios = {}
    for name, call in PEERS.items():
        if importlib.util.find_spec(name) is None:
            figures[f"{name} is not installed"] = 1.0
            continue
        share = PEER_SHARE[name]
        figures[f"cpu_s {name}"] = share * _spent(lambda call=call, share=share: call(texts[: len(texts) // share]))  # type: ignore[misc]
        ratios[name] = spent / figures[f"cpu_s {name}"]
    later, before = truth(texts)
    gone = np.zeros(len(texts), dtype=bool)
    gone[[int(place) for place in found]] = True
    figures["true pairs"] = float(len(later))
    figures["pairs left"] = float((~gone[later] & ~gone[before]).sum())
    ratios["pairs left"] = figures["pairs left"] / max(len(later), 1)
    table = [f"{name:<36} {value:14,.4f}" for name, value in figures.items()]
    table += [f"ours over {name:<26} {value:14,.4f}" for name, value in ratios.items()]
    return Outcome(
        {k: round(v, 4) for k, v in figures.items()}, {k: round(v, 6) for k, v in ratios.items()}, COUNT, table
    )
