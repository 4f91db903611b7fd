"""Model card and data card as Markdown, made from manifests and results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from huatuo.recipe import RunSettings
from huatuo.report.collect import Found
from huatuo.report.flow import not_named
from huatuo.report.tables import Row, interval, percent, points, verdict_words
from huatuo.report.words import WORDS


def cell(text: object) -> str:
    """The text as one cell of a Markdown table: no line breaks, no bars, no HTML."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("\\", "\\\\").replace("|", "\\|")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell(item) for item in line) + " |" for line in lines)


def model_card(run: RunSettings, found: Found, rows: Sequence[Row]) -> str:
    """What the model is, what it must not be used for, how it was trained and what it scores."""
    train = found.manifests.get("train")
    parts = [f"# {cell(run.title or run.name)}"]
    if run.demonstration:
        parts += ["\n\n".join(f"**{words}**" for words in WORDS["demo"])]
    parts += [
        "## Use",
        "A language model adapted to the knowledge that its recipe names. It is no medical device: its answers must "
        "not be used for diagnosis or treatment without a physician's own judgement.",
        "## Training",
    ]
    if train is None:
        parts.append("Not trained yet.")
    else:
        settings = [(key, value) for key, value in sorted(train.recipe.items()) if not isinstance(value, (dict, list))]
        parts.append(
            f"{found.rows('train', 'steps'):,} steps, {found.tokens:,} tokens, seed {train.seed}, "
            f"digest `{train.digest}`."
        )
        parts.append(markdown_table(("setting", "value"), settings))
    results = [
        (
            row.group,
            row.metric,
            row.n,
            percent(row.base.value if row.base else None),
            f"{percent(row.ours.value if row.ours else None)} {interval(row.ours)}",
            f"{points(row.difference.value if row.difference else None)} {interval(row.difference, signed=True)}",
            verdict_words(row)[1],
        )
        for row in rows
    ]
    columns = ("questions", "metric", "n", "base", "ours [95 %]", "difference in points [95 %]", "verdict")
    parts += ["## Results", markdown_table(columns, results) if results else _no_results(found)]
    return "\n\n".join(parts) + "\n"


def _no_results(found: Found) -> str:
    return WORDS["not_asked"][1] if not_named(found, "questions", "score") else "Not scored yet."


def data_card(run: RunSettings, found: Found) -> str:
    """What the training data is made of, what was dropped and why."""
    parts = [f"# Training data of {cell(run.title or run.name)}", "## Sources"]
    ingest = found.manifests.get("ingest")
    if ingest:
        parts.append(markdown_table(("input", "digest"), [(entry.name, entry.digest) for entry in ingest.inputs]))
    pairs = [(shape, source, f"{n:,}") for (shape, source), n in sorted(found.pairs.items())]
    parts += ["## Pairs", markdown_table(("shape", "source", "pairs"), pairs)]
    if found.ledger:
        parts += [
            f"## {found.ledger.facts:,} facts",
            markdown_table(("training pairs per fact", "facts"), found.ledger.taught),
        ]
        if found.ledger.untaught:
            parts.append(markdown_table(("why not taught", "facts"), found.ledger.untaught))
    losses = [(loss.stage, loss.outcome, loss.rule, f"{loss.count:,}") for loss in found.losses]
    parts += ["## Dropped or left", markdown_table(("stage", "outcome", "rule", "records"), losses)]
    parts.append(f"Records dropped because they overlap with the questions: {found.contaminated():,}.")
    return "\n\n".join(parts) + "\n"
