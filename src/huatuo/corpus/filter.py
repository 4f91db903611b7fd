"""The learned filter: a linear model over hashed runs of one to three tokens, trained from judgements of texts.

A token is a Han character or a run of other letters and digits, so Chinese and English are one model. A text's features
are its different runs, each counted once and weighed by one over the root of their number; weights are stored as whole
numbers, so the sum of a text is the same on every machine. Three of four judgements, drawn by the hash of the text,
teach it; the fourth measures it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from huatuo.corpus.calibrate import measured, precise, thresholds_of
from huatuo.corpus.characters import chunks
from huatuo.corpus.rows import added, of_column, reasons
from huatuo.errors import DataError, InputError
from huatuo.files import canonical_json, content_id, hash_file, locked, write_atomic
from huatuo.text.grams import token_hashes, windows

if TYPE_CHECKING:  # judging imports the models that are asked, which a filter at work does not need
    from huatuo.corpus.judgements import Judged

VERSION = 2
"""Of features and file; a filter of another version is refused, because its scores would not mean the same."""

BUCKETS = 1 << 18
"""Weights; with 100,000 different runs in the judgements a quarter share one with another run."""

RUNS = (1, 2, 3)
"""Tokens of a run."""

SCALE = 1 << 16
"""Whole numbers per unit of weight."""

PENALTY = 1e-4
"""L2 penalty of the mean loss."""

STEPS, TOLERANCE = 2_000, 1e-5
"""Most steps of training, and the length of the gradient at which it ends."""

HELD_OUT = 4
"""One judgement of so many measures and does not teach."""

LEAST_JUDGED = 40
"""Judgements without which no filter is made: ten or so would measure it, and their interval says nothing."""

LEAST_PRECISION = 0.8
"""Lower end of the held-out precision's interval that the threshold is chosen for, where one is not given: the share
itself is 1 where the two likeliest texts happen to be right."""

Floats = npt.NDArray[np.float64]


class Features(NamedTuple):
    """Different runs of some texts."""

    buckets: npt.NDArray[np.int64]
    """Number of the weight of each run, text by text."""
    starts: npt.NDArray[np.int64]
    """First run of each text, and one past the last."""

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Runs of each text."""
        return np.diff(self.starts)


def features(texts: Sequence[str]) -> Features:
    """The different runs of each text."""
    bits = np.uint64(BUCKETS.bit_length() - 1)
    buckets, counts = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for _, part in chunks(texts):
        tokens, owner = token_hashes(part)
        made = [windows(tokens, owner, size) for size in RUNS]
        # at most 500 texts, so that text and bucket fit in 32 bits: these are sorted in a tenth of the time of 64
        flat = np.concatenate(
            [(of << int(bits)) | (hashes >> (np.uint64(64) - bits)).astype(np.int64) for hashes, of in made]
        )
        keys = flat.astype(np.uint32)
        keys.sort()
        keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
        buckets.append((keys & np.uint32(BUCKETS - 1)).astype(np.int64))
        counts.append(np.bincount((keys >> np.uint32(bits)).astype(np.int64), minlength=len(part)))
    return Features(np.concatenate(buckets), np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64))


def _sums(values: Floats | npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> Any:
    """The sum of the values of each text."""
    before = np.concatenate([[0], np.cumsum(values)])
    return np.diff(before[starts])


class Judgement(NamedTuple):
    """What a filter keeps of a text that it was trained or measured on."""

    id: str
    """By which the sheet knew the text: its ``sha256`` (`huatuo.corpus.sheets.digest`), or the id of a row."""
    text_sha256: str
    """SHA-256 of the normalised text, from which the features were made."""
    keep: bool
    """The judgement."""
    by: str
    """Who judged; empty: nobody said."""


class Filter(NamedTuple):
    """A trained filter."""

    weights: npt.NDArray[np.int32]
    """One for each bucket, in 1/`SCALE`."""
    bias: int
    """In 1/`SCALE`."""
    threshold: int
    """Log-odds from which a text is kept, in thousandths."""
    about: dict[str, Any]
    """What it was trained on and how it was measured: see `train`."""
    judgements: tuple[Judgement, ...] = ()
    """What it was trained and measured on."""

    def scores(self, texts: Sequence[str]) -> Floats:
        """The log-odds that each text is worth keeping; of a text without a letter, the bias alone."""
        made = features(texts)
        sums = _sums(self.weights.astype(np.int64)[made.buckets], made.starts)
        return np.asarray((sums / np.sqrt(np.maximum(made.counts, 1)) + self.bias) / SCALE)


# ---------------------------------------------------------------- training


def is_held_out(text: str) -> bool:
    """Whether the judgement of this text measures, by its hash: the same text is never on both sides."""
    return int(content_id("held out", text)[:8], 16) % HELD_OUT == 0


def train(judged: Sequence[Judged], threshold: int | None = None, least: float = LEAST_PRECISION) -> Filter:
    """A filter learned from judgements, measured on those that are held out.

    Without a ``threshold`` (thousandths of log-odds) that one is taken which keeps most of those whose held-out
    precision has ``least`` as lower end, or where none has it the one with the highest. ``about`` holds digest
    and count of the judgements, precision and recall with their intervals, and the whole table. Raises InputError for
    fewer than `LEAST_JUDGED` judgements, or where one side has only one kind of them.
    """
    rows = sorted(set(judged))
    taught = [row for row in rows if not is_held_out(row.text)]
    held = [row for row in rows if is_held_out(row.text)]
    kinds = [len({row.keep for row in part}) for part in (taught, held)]
    if len(rows) < LEAST_JUDGED or min(kinds) < 2:
        kept = sum(row.keep for row in rows)
        raise InputError(
            f"{len(rows)} judgements, {kept} of them to keep; expected at least {LEAST_JUDGED}, with both kinds among "
            f"those that teach ({len(taught)}) and those that measure ({len(held)}); next: judge more texts"
        )
    weights, bias = _fit(features([row.text for row in taught]), np.array([row.keep for row in taught], dtype=float))
    made = Filter(np.rint(weights * SCALE).astype(np.int32), round(bias * SCALE), 0, {})
    scores, labels = thousandths(made.scores([row.text for row in held])), [row.keep for row in held]
    table = measured(scores, labels, thresholds_of(scores))
    chosen = measured(scores, labels, [threshold])[0] if threshold is not None else precise(table, least)
    kept_rows = tuple(Judgement(row.id, sha256(row.text.encode()).hexdigest(), row.keep, row.by) for row in rows)
    about = {
        "judgements": len(rows),
        "kept": sum(row.keep for row in rows),
        "held_out": len(held),
        "data": _digest(kept_rows),
        "measured": chosen.figures(),
        "least_precision": least,
        "table": [one.figures() for one in table],
    }
    return made._replace(threshold=chosen.thousandths, about=about, judgements=kept_rows)


def _digest(rows: Sequence[Judgement]) -> str:
    """32 hexadecimal digits of the judgements."""
    return content_id("judgements", *(canonical_json(list(row)) for row in rows))


def thousandths(scores: Floats) -> list[int]:
    """Log-odds in thousandths, rounded down: a score reaches a threshold if and only if it does so here."""
    return [int(value) for value in np.floor(scores * 1000)]


def _fit(made: Features, labels: Floats) -> tuple[Floats, float]:
    """(weights, bias) of the logistic regression with least mean loss and `PENALTY`: accelerated gradient descent with
    its step by the largest curvature, restarted where it overshoots (O'Donoghue and Candès 2015)."""
    count = len(labels)
    scale = 1 / np.sqrt(np.maximum(made.counts, 1))
    owner = np.repeat(np.arange(count), made.counts)
    used, places = np.unique(made.buckets, return_inverse=True)  # the weights of all others stay 0
    step = 1 / (0.25 * 2 + PENALTY)  # rows have length 1, and the bias adds another 1
    weights = ahead = np.zeros(len(used) + 1)
    momentum = 1.0
    for _ in range(STEPS):
        margin = scale * _sums(ahead[places], made.starts) + ahead[-1]
        error = (0.5 * (1 + np.tanh(margin / 2)) - labels) / count
        gradient = PENALTY * ahead
        gradient[-1] = error.sum()
        gradient[:-1] += np.bincount(places, (error * scale)[owner], len(used))
        if float(np.sqrt((gradient * gradient).sum())) < TOLERANCE:
            break
        moved = ahead - step * gradient
        if float((gradient * (moved - weights)).sum()) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum * momentum)) / 2
        ahead, weights, momentum = moved + (momentum - 1) / following * (moved - weights), moved, following
    whole = np.zeros(BUCKETS)
    whole[used] = ahead[:-1]
    return whole, float(ahead[-1])


# ---------------------------------------------------------------- on disk

_WEIGHTS, _JUDGEMENTS, _ABOUT = "weights.npy", "judgements.csv", "filter.json"
_LABELS = {"keep": True, "drop": False}


def save(made: Filter, folder: Path) -> None:
    """Nothing; the folder holds the filter with its judgements (some 150 bytes each), its description last.

    The judgements are a sheet like any other: another filter can be learned from it and the same sources.

    Raises BusyError where another process writes there.
    """
    with locked(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _ABOUT).unlink(missing_ok=True)
        with (folder / f".{_WEIGHTS}.new").open("wb") as file:
            np.save(file, made.weights)
        (folder / f".{_WEIGHTS}.new").replace(folder / _WEIGHTS)
        write_atomic(folder / _JUDGEMENTS, _as_sheet(made.judgements))
        said = {"version": VERSION, "buckets": BUCKETS, "runs": list(RUNS), "scale": SCALE, "bias": made.bias}
        said |= {"threshold": made.threshold, "weights": hash_file(folder / _WEIGHTS), "about": made.about}
        write_atomic(folder / _ABOUT, canonical_json(said))


def _as_sheet(rows: Sequence[Judgement]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "text_sha256", "label", "by"))
    words = {keep: word for word, keep in _LABELS.items()}
    writer.writerows((row.id, row.text_sha256, words[row.keep], row.by) for row in rows)
    return out.getvalue()


def _judgements(path: Path, digest: str) -> tuple[Judgement, ...]:
    """The judgements in a file. Raises DataError where they are not those of the digest."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        found = tuple(Judgement(row_id, digest_, _LABELS[label], by) for row_id, digest_, label, by in rows)
    except (ValueError, KeyError, csv.Error) as error:
        raise DataError(f"{path}: not the judgements of a filter ({error}); next: train it again") from None
    if _digest(found) != digest:
        raise DataError(f"{path}: not the judgements that the filter was trained on; next: train it again")
    return found


def load(folder: Path) -> Filter:
    """The filter in a folder, with its judgements.

    Raises InputError where there is none, DataError for one that is damaged or of another version.
    """
    try:
        said = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        weights = np.load(folder / _WEIGHTS, allow_pickle=False)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise InputError(f"{folder}: no {name}; expected the folder of a filter; next: train one") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: a damaged filter ({error}); next: train it again") from None
    is_ours = isinstance(said, dict) and said.get("version") == VERSION and said.get("runs") == list(RUNS)
    if not is_ours or said.get("buckets") != BUCKETS or said.get("scale") != SCALE:
        version = said.get("version") if isinstance(said, dict) else None
        raise DataError(f"{folder}: a filter of version {version}; expected {VERSION}; next: train it again")
    if said["weights"] != hash_file(folder / _WEIGHTS) or weights.shape != (BUCKETS,):
        raise DataError(f"{folder}: {_WEIGHTS} is not the file that was trained; next: train it again")
    if not (folder / _JUDGEMENTS).exists():
        raise InputError(f"{folder}: no {_JUDGEMENTS}; expected the folder of a filter; next: train one")
    judgements = _judgements(folder / _JUDGEMENTS, str(said["about"]["data"]))
    return Filter(weights, said["bias"], said["threshold"], said["about"], judgements)


# ---------------------------------------------------------------- the stage


def filter_batch(batch: pa.RecordBatch, made: Filter) -> pa.RecordBatch:
    """The batch with ``quality_score`` (log-odds, three decimals; null where a row has a reason already), and
    ``reason`` where ``normal`` scores less than the filter's threshold."""
    why: list[str] = reasons(batch)
    texts = of_column(batch, "normal")
    open_ = [place for place, reason in enumerate(why) if not reason]
    values: list[float | None] = [None] * len(why)
    scores = thousandths(made.scores([texts[place] for place in open_]))
    for place, score in zip(open_, scores, strict=True):
        values[place] = score / 1000
        if score < made.threshold:
            why[place] = f"low_quality: score {score / 1000:.3f}, expected at least {made.threshold / 1000:.3f}"
    return added(added(batch, "reason", pa.string(), why), "quality_score", pa.float64(), values)
