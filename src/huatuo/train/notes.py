"""What looks wrong with a training run: typed findings, for the run's last lines and its page.

Nothing here changes what was learned or stops a run; each rule names what to look at next.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, variance
from typing import Any

import numpy as np
import numpy.typing as npt

from huatuo.models import formats
from huatuo.models.formats import Format
from huatuo.records import Finding, Message
from huatuo.train import samples
from huatuo.train.samples import Samples

FEWEST_STEPS = 20
"""Steps below which neither a trend nor a usual gradient can be told."""

WINDOW = 0.1
"""Part of the steps at each end whose losses are compared; at least five of them."""

ERRORS = 2.0
"""A loss that fell by less than so many standard errors cannot be told from the scatter between steps."""

LEAST_LEARNED = 0.1
"""Smallest usual share of learned tokens: HuaTuo's instances have 0.4, its dialogues of several turns 0.3. Below a
tenth, nine of ten tokens cost time and teach nothing, as when answers are cut off or masked."""

MOST_LEARNED = 0.99
"""Largest share: what the format writes around a question is never learned, so more means that questions are."""

MOST_TWINS = 0.01
"""Share of equal samples above which a run is told so: each is learned once more for every copy of it."""

CLIPPED = 0.9
"""Share of clipped steps above which the length of nearly every step is the clip's and no longer the gradient's."""

EXPLODED = 10.0
"""A gradient norm so many times the run's median is no scatter: norms of one run differ by a factor of two or three."""

WARM = 0.1
"""Part of the steps, at the beginning, whose gradients are not looked at: they are large in every run."""

DOMINANT = 0.95
"""Share of one source above which a step of twenty samples holds, on average, less than one of all others."""

REBOUND = 1.05
"""A validation loss at the end so many times the lowest one measured has turned: measured on some hundred samples, two
equal models differ by less."""

RULES = (
    "validation_worse", "flat_loss", "validation_turned", "best_damaged", "few_learned", "all_learned", "twins",
    "trained_question", "clipped", "exploded", "one_source",
)  # fmt: skip
"""Names of the findings, in the order in which they are told: first that the run is worse than its base."""


@dataclass(frozen=True)
class Evidence:
    """What is looked at."""

    steps: Sequence[Mapping[str, Any]]
    """Rows of the table ``steps``."""
    clip: float
    """Largest gradient norm; 0: not clipped."""
    before: float | None = None
    """Validation loss before training."""
    after: float | None = None
    """Validation loss of the weights kept."""
    kept_step: int = 0
    """The step whose weights these are."""
    best: bool = False
    """Whether the weights with the lowest validation loss were to be kept."""
    samples: int = 0
    """Different samples of the order."""
    twins: int = 0
    """Those that repeat another one, token by token."""
    asked: int = 0
    """Different validation samples."""
    trained: int = 0
    """Those whose question stands before a trained answer too."""
    sources: int = 1
    """Sources of the order."""


def looks_wrong(found: Evidence) -> list[Finding]:
    """What looks wrong with a run, in the order of `RULES`; empty where nothing does."""
    rules = (_of_loss, _of_validation, _of_learned, _of_data, _of_gradients, _of_sources)
    return sorted((one for rule in rules for one in rule(found)), key=lambda one: RULES.index(one.rule))


def _finding(rule: str, place: str, message: str) -> Finding:
    return Finding(rule=rule, severity="warning", subject="train", place=place, message=message)


def _of_loss(found: Evidence) -> Iterator[Finding]:
    losses = [float(row["loss"]) for row in found.steps]
    if len(losses) < FEWEST_STEPS:
        return
    k = max(5, round(WINDOW * len(losses)))
    first, last = losses[:k], losses[-k:]
    fall, error = fmean(first) - fmean(last), math.sqrt((variance(first) + variance(last)) / k)
    if fall <= ERRORS * error:
        yield _finding(
            "flat_loss",
            f"{len(losses):,} steps",
            f"loss {fmean(first):.3f} over the first {k} steps and {fmean(last):.3f} over the last {k}: no fall that "
            f"could be told from the scatter between steps ({error:.3f}); next: look at train.learning_rate, and at "
            "what is learned (huatuo show RUN --tokens)",
        )


def _of_validation(found: Evidence) -> Iterator[Finding]:
    if found.before is None or found.after is None:
        return
    if found.after > found.before:
        yield _finding(
            "validation_worse",
            "held-out pairs",
            f"validation loss {found.before:.3f} before training, {found.after:.3f} after it; expected a fall; next: "
            'lower train.learning_rate, or set train.evaluate_every and train.keep = "best"',
        )
    measured = [(float(row["validation_loss"]), row["step"]) for row in found.steps if row.get("validation_loss")]
    lowest, step = min(measured, default=(math.inf, 0))
    if found.best and found.after > lowest:
        yield _finding(
            "best_damaged",
            "best weights",
            f"the weights of step {step:,}, whose validation loss {lowest:.3f} was the lowest measured, were gone or "
            f"damaged on the disk; those of step {found.kept_step:,} (validation loss {found.after:.3f}) are kept; "
            "next: check the disk, and train again where it counts",
        )
    elif found.after > REBOUND * lowest:
        yield _finding(
            "validation_turned",
            f"step {step}",
            f"validation loss {lowest:.3f} after step {step:,} and {found.after:.3f} at the end: what was learned "
            'after it fits the training pairs alone; next: set train.keep = "best", or fewer train.epochs',
        )


def _of_learned(found: Evidence) -> Iterator[Finding]:
    tokens = sum(int(row["tokens"]) for row in found.steps)
    learned = sum(int(row["learned_tokens"]) for row in found.steps)
    if not tokens:
        return
    said = f"{learned:,} of {tokens:,} tokens were learned ({learned / tokens:.1%})"
    if learned < LEAST_LEARNED * tokens:
        yield _finding(
            "few_learned",
            "answers",
            f"{said}; expected at least {LEAST_LEARNED:.0%}: long questions, or answers that are cut off; next: look "
            "at the pairs, and at the truncation of stage tokenise",
        )
    elif learned >= MOST_LEARNED * tokens:
        yield _finding(
            "all_learned",
            "questions",
            f"{said}; expected less than {MOST_LEARNED:.0%}: questions are learned as if they were answers; next: look "
            "at the pairs",
        )


def _of_data(found: Evidence) -> Iterator[Finding]:
    if found.twins > MOST_TWINS * found.samples:
        yield _finding(
            "twins",
            "training pairs",
            f"{found.twins:,} of {found.samples:,} training samples repeat another one token by token, and are learned "
            "so many times more; next: drop them before, or say so with train.copies",
        )
    if found.trained:
        yield _finding(
            "trained_question",
            "held-out pairs",
            f"{found.trained:,} of {found.asked:,} held-out samples ask what is asked before a trained answer too: "
            "their loss is no measure of what was not seen; next: hold out by question (unify.validation_pairs), and "
            "look at files that were split elsewhere",
        )


def _of_gradients(found: Evidence) -> Iterator[Finding]:
    norms = [(float(row["gradient_norm"]), row["step"]) for row in found.steps]
    if len(norms) < FEWEST_STEPS:
        return
    norms = norms[round(WARM * len(norms)) :]
    usual = median(norm for norm, _ in norms)
    clipped = sum(norm > found.clip for norm, _ in norms) if found.clip else 0
    if clipped >= CLIPPED * len(norms):
        yield _finding(
            "clipped",
            f"{len(norms):,} steps",
            f"the gradient norm was above train.clip = {found.clip:g} in {clipped:,} of {len(norms):,} steps after the "
            f"first tenth (median {usual:.2f}): the clip sets the length of every step; next: lower "
            "train.learning_rate, learn more samples a step (train.batch_samples), or raise train.clip",
        )
    largest, step = max(norms)
    if usual > 0 and largest > EXPLODED * usual:
        yield _finding(
            "exploded",
            f"step {step}",
            f"gradient norm {largest:.2f} in step {step:,}, {largest / usual:.0f} times the run's median; next: look "
            "at the pairs of that step, lower train.learning_rate, or set train.clip = 1.0",
        )


def _of_sources(found: Evidence) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    for row in found.steps:
        seen.update(row["sources"])
    if found.sources < 2 or not seen:
        return
    name, most = seen.most_common(1)[0]
    if most > DOMINANT * seen.total():
        yield _finding(
            "one_source",
            name,
            f"{most:,} of {seen.total():,} samples learned are of {name}, though the order has {found.sources} "
            "sources; next: look at train.priority, train.copies and train.steps",
        )


# ---------------------------------------------------------------- the evidence of a run


def repeats(data: Samples, order: samples.Sequence, fmt: Format, tokenizer: Any) -> dict[str, int]:
    """What `Evidence` says of the samples: ``samples``, ``twins``, ``asked``, ``trained`` and ``sources``.

    Passages that are learned as they stand, after an empty question, are not compared by their question.
    """
    nothing = _hash(np.array(formats.encode_prompt(fmt, [Message(role="user", content="")], tokenizer)))
    learned = np.unique(order.samples)
    whole = np.array([_hash(data.ids(sample)) for sample in learned.tolist()], dtype=np.uint64)
    trained = np.array([_question(data, sample) for sample in learned.tolist()], dtype=np.uint64)
    asked = np.array([_question(data, sample) for sample in data.validation.tolist()], dtype=np.uint64)
    return {
        "samples": len(whole),
        "twins": len(whole) - len(np.unique(whole)),
        "asked": len(asked),
        "trained": int(np.count_nonzero(np.isin(asked, trained[trained != nothing]))),
        "sources": len(np.unique(data.sources[learned])),
    }


def _question(data: Samples, sample: int) -> int:
    """What stands before the first learned token."""
    return _hash(data.ids(sample)[: int(np.argmax(data.learned(sample)))])


def _hash(ids: npt.NDArray[np.integer]) -> int:
    return int.from_bytes(hashlib.blake2b(ids.astype(np.int64).tobytes(), digest_size=8).digest(), "little")
