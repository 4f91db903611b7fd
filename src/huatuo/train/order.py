"""In which order the training pairs are learned: weighted sampling without replacement, drawn once for the whole run.

HuatuoGPT-II draws its whole training order before training (arXiv 2311.09774): at every step the next item is drawn
from those that remain, with a probability proportional to the weight of its source. An equivalent without a loop:
give every item the key Exp(1) / weight and sort (Efraimidis and Spirakis 2006). The uniform number behind a key is a
hash of (seed, pair id, copy), so the order does not depend on the order of files, shards or rows.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from huatuo import store
from huatuo.columns import NO_IDS, Columns, Ids, Left, column_of, ids_of, settle
from huatuo.errors import RecipeError, TrainingError
from huatuo.progress import bar
from huatuo.recipe import TrainSettings
from huatuo.records_trained import Composition, Order
from huatuo.train.draw import Numbers, draw

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RELEASED_COUNTS: Mapping[str, int] = {
    "Web_cn": 640_621,
    "Web_en": 394_490,
    "Literature_cn": 177_261,
    "Literature_en": 878_241,
    "Encyclopedia_cn": 411_183,
    "Encyclopedia_en": 147_059,
    "Books_cn": 1_835_931,
    "Books_en": 801_522,
    "SFT": 142_248,
}
"""Pairs per source of HuatuoGPT-II's released data (data set cards; they add up to 5,286,308 and 142,248)."""

RELEASED_COPIES: Mapping[str, int] = {"SFT": 3}
"""Epochs per source in HuatuoGPT-II's released code; 1 where absent."""

_LATER = {"Web": 32.0, "Literature": 16.0, "Encyclopedia": 8.0, "Books": 4.0, "SFT": 1.0}
_FIRST = {"Web": 16.0, "Literature": 8.0, "Encyclopedia": 4.0, "Books": 2.0, "SFT": 1.0}

RELEASED_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "2023-12-15": {name: _LATER[name.split("_")[0]] for name in RELEASED_COUNTS},
    "2023-11-30": {name: _FIRST[name.split("_")[0]] for name in RELEASED_COUNTS},
}
"""Weights per source of both releases of HuatuoGPT-II's code, by date (its commits a213974 and 598f227)."""

PRESETS: Mapping[str, str] = {f"huatuogpt2-{date}": date for date in RELEASED_WEIGHTS}
"""Names of ``train.preset`` with the release that each stands for."""

# ---------------------------------------------------------------- pure functions


def closed_form(counts: Sequence[float], weights: Sequence[float], progress: float) -> list[float]:
    """Expected share of each source among the items drawn at ``progress`` (0 to 1) of the order.

    ``counts`` are items (pairs times copies). With t solving sum n_k (1 - exp(-w_k t)) = progress * N, the share of
    source k is n_k w_k exp(-w_k t) / sum over all sources.
    """
    n, w = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    t = _time_of(n, w, progress)
    above = w - w[n > 0].min()  # scaled by the smallest weight, so that the end does not underflow
    with np.errstate(invalid="ignore"):
        fading = np.where(above > 0, np.exp(-above * t), 1.0)  # t is infinite at the very end
    rate = n * w * fading
    return [float(share) for share in rate / rate.sum()]


def closed_form_cumulative(counts: Sequence[float], weights: Sequence[float], progress: float) -> list[float]:
    """Expected number of items of each source in the first ``progress`` (0 to 1) of the order."""
    n, w = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    t = _time_of(n, w, progress)
    return [float(k) for k in n * -np.expm1(-w * t)]


def expected(counts: Sequence[float], weights: Sequence[float], epochs: int, points: int) -> list[tuple[int, Floats]]:
    """Position and expected number of items of each source before it, at ``points`` equal steps of an order of
    ``epochs`` epochs, each drawn anew; ``counts`` are items of one epoch."""
    n = np.asarray(counts, dtype=np.float64)
    found = []
    for point in range(points + 1):
        position = round(point * epochs * n.sum() / points)
        epoch, within = divmod(position, round(n.sum()))
        found.append((position, epoch * n + closed_form_cumulative(counts, weights, within / n.sum())))
    return found


def _time_of(n: Floats, w: Floats, progress: float) -> float:
    """t with sum n_k (1 - exp(-w_k t)) = progress * N, by bisection; infinite at the end."""
    if not 0 <= progress <= 1 or n.sum() <= 0 or (w <= 0).any():
        raise ValueError("expected progress from 0 to 1, at least one item and positive weights")
    if progress == 1:
        return math.inf
    wanted, low, high = progress * n.sum(), 0.0, 1.0 / float(w.min())
    while float((n * -np.expm1(-w * high)).sum()) < wanted:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if float((n * -np.expm1(-w * middle)).sum()) < wanted else (low, middle)
    return (low + high) / 2


# ---------------------------------------------------------------- the stage


def make_order(settings: TrainSettings, pairs: Path, seed: int, out: store.Writer) -> None:
    """Write the table ``order`` for the training pairs of the data set ``pairs``; validation pairs are left.

    Raises RecipeError for a source without a weight, and for a weight or copies of a source that is not in the data;
    TrainingError where there is no pair to learn.
    """
    known = _read(pairs)
    settings = with_preset(settings, known.names)
    ids, codes, is_train = known.ids, known.codes, known.is_train
    left = Left(out)
    left.leave(ids[~is_train], VALIDATION, "held out to measure the loss on")
    names = known.names
    check_sources(settings, names, [name for k, name in enumerate(names) if is_train[codes == k].any()])
    copies = np.array([settings.copies.get(name, 1) for name in names], dtype=np.int64)
    weights = np.array([_weight(settings, name) for name in names], dtype=np.float64)
    for code in np.flatnonzero(copies == 0).tolist():
        unwanted = ids[is_train & (codes == code)]
        reason = f"train.copies gives source {names[code]!r} 0 copies"
        left.leave(unwanted, NO_COPIES, reason)
    learned = np.flatnonzero(is_train & (copies[codes] > 0) if len(names) else is_train)
    if not len(learned):
        raise TrainingError(
            f"{pairs}: no pair with split 'train' to order (of {len(ids):,}); "
            "next: lower unify.validation_pairs or validation_share, or "
            "look at what earlier stages dropped (table `dropped`)"
        )
    later = np.array([name in settings.second_stage for name in names]) if settings.order == "two-stage" else None
    drawn = draw(ids[learned], codes[learned], copies, weights, settings, seed, later)
    rows = learned[drawn.rows]
    _write(out, known, rows, drawn.copies, weights)
    settle(out, len(ids), int(np.count_nonzero(np.bincount(rows, minlength=len(ids)))), out.left)
    counts = np.bincount(codes[rows], minlength=len(names)).tolist()
    if settings.order in ("priority", "uniform"):
        _write_expected(out, settings, names, counts, weights)
    out.figures.update({f"items of {name}": float(n) for name, n in zip(names, counts, strict=True)})


VALIDATION, NO_COPIES = "validation", "no copies"
"""Rules for pairs that stand nowhere in the order."""


@dataclass(frozen=True)
class _Known:
    """What the order needs of all pairs, as stored."""

    ids: Ids
    codes: Integers
    """Number of each pair's source in ``names``."""
    names: list[str]
    """Sources, sorted."""
    is_train: npt.NDArray[np.bool_]


def _read(pairs: Path) -> _Known:
    ids, codes, train = [NO_IDS], [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.bool_)]
    number: dict[str, int] = {}
    for batch in store.read_batches(pairs, "pairs", ["id", "source", "split"]):
        ids.append(ids_of(batch.column("id")))
        coded = batch.column("source").dictionary_encode()
        own = np.array([number.setdefault(name, len(number)) for name in coded.dictionary.to_pylist()], dtype=np.int64)
        codes.append(own[coded.indices.to_numpy(zero_copy_only=False)])
        train.append(pc.equal(batch.column("split"), "train").to_numpy(zero_copy_only=False))
    names = sorted(number)
    rank = np.array([names.index(name) for name in number], dtype=np.int64)
    found = np.concatenate(codes)
    return _Known(np.concatenate(ids), rank[found] if len(found) else found, names, np.concatenate(train))


def _write(out: store.Writer, known: _Known, rows: Integers, copies: Numbers, weights: Floats) -> None:
    """Write the table, some places at a time."""
    table, names = Columns(out, "order", Order), pa.array(known.names, pa.string())
    with bar("order", len(rows), "samples") as running:
        for start in range(0, len(rows), store.SHARD_ROWS):
            some = rows[start : start + store.SHARD_ROWS]
            codes = known.codes[some]
            columns = {
                "position": np.arange(start, start + len(some), dtype=np.int64),
                "pair_id": column_of(known.ids[some]),
                "copy_index": copies[start : start + len(some)],
                "source": names.take(pa.array(codes)),
                "weight": weights[codes],
            }
            table.write(pa.table(columns))
            running.advance(len(some))


POINTS = 48
"""Positions at which the expected composition is written: a line of so many points looks smooth."""


def _write_expected(
    out: store.Writer, settings: TrainSettings, names: Sequence[str], counts: Sequence[int], weights: Floats
) -> None:
    """Write the table ``composition``: what the closed form lets expect of the order, beside which it is drawn."""
    some = [k for k, count in enumerate(counts) if count]
    each = [counts[k] / settings.epochs for k in some]
    for position, items in expected(each, [weights[k] for k in some], settings.epochs, POINTS):
        for k, value in zip(some, items.tolist(), strict=True):
            out.write("composition", Composition(position=position, source=names[k], expected=value))


def with_preset(settings: TrainSettings, sources: Sequence[str]) -> TrainSettings:
    """The settings with the weights and copies of ``train.preset`` for those sources that it knows by the first part of
    their names; what ``train.priority`` and ``train.copies`` say stays."""
    if not settings.preset:
        return settings
    released = RELEASED_WEIGHTS[PRESETS[settings.preset]]
    weights = {_kind(name): weight for name, weight in released.items()}
    copies = {_kind(name): count for name, count in RELEASED_COPIES.items()}
    given = {
        "priority": {name: weights[_kind(name)] for name in sources if _kind(name) in weights} | settings.priority,
        "copies": {name: copies[_kind(name)] for name in sources if _kind(name) in copies} | settings.copies,
    }
    return settings.model_copy(update=given)


def _kind(source: str) -> str:
    """``web`` of ``Web_cn``."""
    return source.partition("_")[0].lower()


def _weight(settings: TrainSettings, source: str) -> float:
    return settings.priority.get(source, 1.0) if settings.order == "priority" else 1.0


def check_sources(settings: TrainSettings, known: Sequence[str], learned: Sequence[str]) -> None:
    """Nothing, where ``train.priority`` and ``train.copies`` fit the sources of the data.

    ``known``: all sources; ``learned``: those with pairs to learn. Raises RecipeError.
    """
    for table, given in (("priority", list(settings.priority)), ("copies", list(settings.copies))):
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise RecipeError(
                    f"[train.{table}] names the source {name!r}, of which the data has no pair; {hint}"
                    f"(known: {', '.join(known)}); next: mend or remove the key"
                )
    for name, copies in settings.copies.items():
        if copies < 0:
            raise RecipeError(f"[train.copies] {name} = {copies}: expected 0 or more; next: mend the number")
    if settings.order == "two-stage":
        for name in settings.second_stage:
            if name not in known:
                raise RecipeError(
                    f"[train] second_stage names the source {name!r}, of which the data has no pair (known: "
                    f"{', '.join(known)}); next: mend or remove it"
                )
        if set(known) <= set(settings.second_stage):
            raise RecipeError(
                f"[train] second_stage names every source ({', '.join(known)}): nothing is left for the first stage; "
                'next: leave one out, or set order = "uniform"'
            )
    if settings.order != "priority":
        return
    for name in learned:
        if name not in settings.priority:
            raise RecipeError(
                f"[train.priority] has no weight for source {name!r} (known: {', '.join(settings.priority)}); "
                f'next: add a weight, or set train.order = "uniform"'
            )
    for name, weight in settings.priority.items():
        if not (weight > 0 and math.isfinite(weight)):
            raise RecipeError(
                f"[train.priority] {name} = {weight}: expected a positive number; next: mend it, "
                f"or leave the source out with train.copies.{name} = 0"
            )
