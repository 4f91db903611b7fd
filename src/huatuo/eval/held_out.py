"""Pairs kept from training, asked before and after it: a look at the answers, never a score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from huatuo import store
from huatuo.errors import ModelError
from huatuo.eval.ask import sampling_of
from huatuo.llm.base import Model
from huatuo.recipe import AskSettings
from huatuo.records import Finding, Pair
from huatuo.records_trained import HeldOutAnswer
from huatuo.store import Writer, content_id


def ask_held_out(settings: AskSettings, pairs: Path, models: Mapping[str, Model], seed: int, out: Writer) -> None:
    """Write table ``held_out``: what every model says to ``settings.held_out`` pairs, pair by pair.

    Fewer where fewer were held out, which is a finding. Raises ModelError where a model leaves one without a reply.
    """
    chosen = drawn(settings.held_out, pairs, seed)
    if len(chosen) < settings.held_out:
        message = (
            f"ask.held_out = {settings.held_out}, and {len(chosen)} pairs are held out; next: raise "
            "unify.validation_pairs, or lower ask.held_out"
        )
        out.write(
            "findings",
            Finding(rule="few_held_out", severity="note", subject="ask", place="held-out pairs", message=message),
        )
    sampling = sampling_of(settings, seed)
    said = {name: dict(model.chat([pair.messages[:-1] for pair in chosen], sampling)) for name, model in models.items()}
    for place, pair in enumerate(chosen):
        for name, model in models.items():
            reply = said[name].get(place)
            if reply is None:
                raise ModelError(f"model {name}: no reply to held-out pair {pair.id}; next: run the stage again")
            answer = HeldOutAnswer(
                pair_id=pair.id,
                source=pair.source,
                messages=pair.messages[:-1],
                reference=pair.messages[-1].content,
                model=name,
                text=reply.text or reply.error,
                finish_reason=reply.finish_reason,
                digest=model.digest,
            )
            out.write("held_out", answer)


def drawn(count: int, pairs: Path, seed: int) -> list[Pair]:
    """At most ``count`` of the validation pairs, drawn by hash."""
    held = (pair for pair in store.read(pairs, "pairs", Pair) if pair.split == "validation")
    return sorted(held, key=lambda pair: content_id("held out", str(seed), pair.id))[:count]
