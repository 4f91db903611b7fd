"""Several runs on one page: what differs in their recipes and data, their curves over each other, their numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from huatuo import store
from huatuo.files import write_atomic
from huatuo.models.save import card
from huatuo.records import Figure
from huatuo.report import figures, leaderboard, names
from huatuo.report.collect import columns
from huatuo.report.leaderboard import Board, Comparison
from huatuo.report.page import recipe_of
from huatuo.report.tables import Cell, Table, interval, percent, points, shown, to_csv
from huatuo.report.words import WORDS as PAGE_WORDS
from huatuo.report.words import Label, spoken
from huatuo.text.cells import clean
from huatuo.text.pages import page_template

WORDS: dict[str, Label] = {
    **{key: PAGE_WORDS[key] for key in ("model", "value", "unscored", "baseline", "difference", "interval")},
    "title": ("几次运行的对照", "Runs side by side"),
    "worse_loss": (
        "注意：下列运行训练之后，留出样本的损失比训练前高（每个所学词元）",
        "Mind: in these runs the loss of the samples held out is higher than before training (per learned token)",
    ),
    "worse": ("注意：下列运行比未训练的基础模型差", "Mind: these runs are worse than the untouched base"),
    "no_base": (
        "没有一次运行问过未训练的基础模型，因此看不出训练是否有用（ask.models 中加上 base）。",
        "No run asked the untouched base, so nobody can tell whether training helped (add base to ask.models).",
    ),
    "not_asked": (
        "这些运行没有被提问，只有配方、曲线和损失可比；没有分数就看不出哪一个更好"
        "（在 [questions] 中加上题目，并运行到底）。",
        "These runs were asked nothing: only recipes, curves and losses can be compared, and without scores nobody can "
        "tell which is better (add questions under [questions], and run to the end).",
    ),
    "bases_differ": (
        "各次运行的基础模型不是同一个，分别列出。",
        "The runs start from different bases; each is listed with its run.",
    ),
    "recipes": ("配方的不同", "What differs in the recipes"),
    "recipes_note": (
        "相同的键不列出。基础模型和文件以内容摘要的前 12 位区分。",
        "Keys with the same value everywhere are left out. A base and a file are told apart by the first 12 digits of "
        "the digest of what they hold.",
    ),
    "same": (
        "配方完全相同，基础模型和所读文件的内容也相同。",
        "The recipes are the same in everything, and so is what their base and their files hold.",
    ),
    "key": ("键", "key"),
    "data": ("数据", "Data"),
    "data_note": (
        "行数与内容摘要的前 12 位；摘要相同，内容就逐位相同。",
        "Rows and the first 12 digits of the digest: with the same digest the content is the same, bit for bit.",
    ),
    "stage": ("阶段", "stage"),
    "rows": ("行", "rows"),
    "curves": ("曲线", "Curves"),
    "loss": ("训练损失（每个所学词元）", "Training loss (per learned token)"),
    "held_out": ("留出样本的损失", "Loss of the samples held out"),
    "tokens": ("训练词元数", "tokens trained"),
    "losses": ("留出样本的损失，训练前后", "Loss of the samples held out, before and after"),
    "losses_note": (
        "每个所学词元的损失；方括号内为对问答对的 95 % 置信区间，n 是问答对数。两次运行之差按同一批问答对配对，"
        "词元不同的不比。",
        "Per learned token; brackets hold the 95 % interval over pairs, n counts these. Two runs are compared on the "
        "same pairs, and not at all where these are cut into other tokens.",
    ),
    "no_interval": (
        "没有区间的运行只留下了平均值（由较早的版本训练）。",
        "A run without an interval kept the mean alone (an earlier version trained it).",
    ),
    "run": ("运行", "run"),
    "before": ("训练前", "before"),
    "after": ("训练后", "after"),
    "change": ("变化或相差", "change or difference"),
    "no_curves": ("没有训练过。", "Nothing was trained."),
    "results": ("数字", "Numbers"),
    "results_note": (
        "只计各次运行都问过的 {n} 道题；方括号内为 95 % 置信区间，“超出猜测”看区间是否越过参照。"
        "两两之差按同题配对，p 值经 Holm 校正。",
        "Only the {n} questions that every run was asked; brackets hold the 95 % interval. Differences are paired "
        "question by question, and p-values are corrected by Holm.",
    ),
    "run_figures": ("各阶段留下的数", "What the stages left"),
}

DIGITS = 12
"""Digits of a digest that are shown."""

CURVE_POINTS = 160
"""Points of a line: more cannot be told apart on a phone."""

FIGURES = (
    "parameters", "trainable_parameters", "steps", "kept_step", "tokens", "learned_tokens", "padding_share",
    "tokens_per_cpu_second", "tokens_per_second", "cpu_seconds_of_the_loop", "first_loss", "last_loss",
)  # fmt: skip
"""Figures of training that stand beside each other."""


@dataclass(frozen=True)
class Runs:
    """What was read of several runs, by their names in the order given."""

    manifests: Mapping[str, Mapping[str, store.Manifest]]
    """The manifests of each run's finished stages."""
    curves: Mapping[str, Sequence[tuple[float, float]]]
    """(tokens trained, mean loss of the steps since the point before) of each run that trained."""
    held_out: Mapping[str, Sequence[tuple[float, float]]]
    """(tokens trained, validation loss), where it was measured."""
    bases: Mapping[str, str]
    """What each run that trained began with: its base's name and the beginning of its digest."""


def read(runs: Mapping[str, Path]) -> Runs:
    """What is there of each run. Raises DataError for a data set that is damaged."""
    manifests = {
        name: {path.parent.name: store.verify(path.parent) for path in sorted(folder.glob("*/manifest.json"))}
        for name, folder in runs.items()
    }
    curves, held_out = {}, {}
    for name, folder in runs.items():
        if "train" in manifests[name]:
            rows = sorted(
                columns(folder / "train", "steps", "step", "tokens", "loss", "validation_loss"), key=lambda r: r["step"]
            )
            curves[name], held_out[name] = _lines(rows, manifests[name]["train"])
    bases = {name: _base(folder) for name, folder in runs.items() if "train" in manifests[name]}
    return Runs(manifests, curves, {name: line for name, line in held_out.items() if line}, bases)


def _base(folder: Path) -> str:
    """By the card of the trained model; empty where another maker saved it."""
    about = card(folder / "train" / "model")
    return " ".join(filter(None, (about.get("base", ""), about.get("base_digest", "")[:DIGITS])))


def _lines(
    rows: Sequence[Mapping[str, Any]], train: store.Manifest
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    size, seen = max(1, -(-len(rows) // CURVE_POINTS)), 0
    line, first = [], train.figures.get("validation_loss_before")
    held_out = [(0.0, first)] if first is not None else []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        for row in part:
            seen += row["tokens"]
            if row["validation_loss"] is not None:
                held_out.append((float(seen), row["validation_loss"]))
        line.append((float(seen), sum(row["loss"] for row in part) / len(part)))
    last = train.figures.get("validation_loss_after")
    if last is not None:
        held_out.append((float(seen), last))
    return line, held_out


def differing(found: Runs) -> list[tuple[str, str, list[str]]]:
    """(stage, key, value in each run) of the recipe's keys, base and files that are not the same everywhere; – where a
    run lacks it. A stage that some run has not come to is left out: `data` says so."""
    every = set.intersection(*(set(own) for own in found.manifests.values()))
    lines = {name: _made_with(own, every, found.bases.get(name, "")) for name, own in found.manifests.items()}
    keys = list(dict.fromkeys(key for own in lines.values() for key in own))
    rows = [(stage, key, [own.get((stage, key), "–") for own in lines.values()]) for stage, key in keys]
    seeds = [str((own.get("train") or own["score"]).seed) for own in found.manifests.values()]
    return [row for row in [("run", "seed", seeds), *rows] if len(set(row[2])) > 1]


def _made_with(own: Mapping[str, store.Manifest], stages: Collection[str], base: str) -> dict[tuple[str, str], str]:
    """What some stages of a run were made with, by stage and key: its recipe, which names a base and files, and what
    these hold. ``base``: what the training began with, said once, at the stage train; empty where nobody knows."""
    found, named = {}, own["train"].recipe.get("base") if base else None
    for stage, manifest in own.items():
        lines = [(key, value) for key, value in recipe_of(manifest) if not (base and key == "base")]
        lines += [("base", base)] if base and stage == "train" else []
        files = (one for one in manifest.inputs if one.name not in names.STAGES and one.name != named)
        lines += [(f"file {one.name}", one.digest[:DIGITS]) for one in files]
        found.update({(stage, key): value for key, value in lines if stage in stages})
    return found


def data(found: Runs) -> list[tuple[str, list[str]]]:
    """(stage, rows and digest in each run)."""
    known = list(names.STAGES)
    made = {stage for own in found.manifests.values() for stage in own}
    stages = sorted(made, key=lambda stage: (known.index(stage) if stage in known else len(known), stage))
    return [(stage, [_said(own.get(stage)) for own in found.manifests.values()]) for stage in stages]


def _said(manifest: store.Manifest | None) -> str:
    if manifest is None or any(entry.name == "empty.json" for entry in manifest.files):
        return "–"
    rows = sum(entry.rows for name, entry in manifest.tables.items() if name != "dropped")
    rows = rows or round(manifest.figures.get("samples") or 0)  # tokens lie in files that are no table
    return " · ".join([*([f"{rows:,}"] if rows else []), manifest.digest[:DIGITS]])


def worse(boards: Iterable[Board], bases: Mapping[str, str]) -> list[tuple[str, str, Comparison]]:
    """(run, group, comparison) where a run's model is worse than its own untouched base, by the interval."""
    found = []
    for board in boards:
        for one in board.comparisons:
            second, _, first = one.models.partition(" - ")
            high = one.difference.high if one.difference else None
            if bases.get(second) == first and high is not None and high < 0:
                found.append((second, board.group, one))
    return found


LOSS = "loss "
"""How the metrics of the losses of held-out pairs begin."""


@dataclass(frozen=True)
class LossRow:
    """The losses of one run's held-out pairs, or of two runs' on the pairs of both."""

    name: str
    """The run, or ``second - first``."""
    own: Mapping[str, Figure]
    """By what is measured: before, after, change, difference."""

    @property
    def n(self) -> int:
        """Pairs; 0 where they are not known one by one."""
        return next(iter(self.own.values())).n

    @property
    def worse(self) -> bool:
        """Whether the loss rose, by its interval where there is one."""
        change = self.own.get("change")
        least = (change.value if change.low is None else change.low) if change else None
        return least is not None and least > 0


def losses(figures: Iterable[Figure]) -> list[LossRow]:
    """The figures of the losses as rows, in their order."""
    found: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        if figure.metric.startswith(LOSS):
            found.setdefault(figure.model, {})[figure.metric.removeprefix(LOSS)] = figure
    return [LossRow(name, own) for name, own in found.items()]


def nats(figure: Figure | None, signed: bool = False) -> str:
    """``1.062 [0.981, 1.143]``; a dash for None."""
    if figure is None or figure.value is None:
        return "–"
    sign = "+" if signed else ""
    ends = [figure.low, figure.high] if figure.low is not None and figure.high is not None else []
    said = [f"{round(value, 3) + 0.0:{sign}.3f}".replace("-", "−") for value in (figure.value, *ends)]
    return f"{said[0]} [{said[1]}, {said[2]}]" if ends else said[0]


def write(
    runs: Mapping[str, Path], bases: Mapping[str, str], scored: Sequence[Figure], out: Path, language: str, seed: int
) -> Path:
    """The page, written with its tables as CSV and LaTeX into ``out``.

    ``scored``: the figures of all models and of every two of them, scores and losses; ``bases``: what each run's
    untouched model is called in them.
    """
    found = read(runs)
    boards = leaderboard.boards(
        [one for one in scored if not one.metric.startswith(LOSS)], leaderboard.How({}, "", seed)
    )
    rows = losses(scored)
    out.mkdir(parents=True, exist_ok=True)
    recipes = [(stage, key, *values) for stage, key, values in differing(found)]
    files = {
        "recipes.csv": to_csv(Table("recipes", ("stage", "key", *runs), tuple(recipes))),
        "curves.csv": to_csv(_curve_table(found)),
        "leaderboard.csv": to_csv(leaderboard.board_table(boards)),
        "comparisons.csv": to_csv(leaderboard.comparison_table(boards)),
        "leaderboard.tex": leaderboard.to_tex(boards),
        "losses.csv": to_csv(_loss_table(rows)),
        "report.html": html(found, boards, rows, bases, language),
    }
    for name, text in files.items():
        write_atomic(out / name, clean(text))
    return out / "report.html"


def _curve_table(found: Runs) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for what, lines in (("loss", found.curves), ("validation loss", found.held_out)):
        rows += [(name, what, x, y) for name, line in lines.items() for x, y in line]
    return Table("curves", ("run", "what", "tokens", "value"), tuple(rows))


def _loss_table(rows: Iterable[LossRow]) -> Table:
    lines: list[tuple[Cell, ...]] = [
        (row.name, what, one.n, one.value, one.low, one.high, one.method)
        for row in rows
        for what, one in row.own.items()
    ]
    return Table("losses", ("run", "what", "n", "value", "low", "high", "how"), tuple(lines))


def html(found: Runs, boards: Sequence[Board], rows: Sequence[LossRow], bases: Mapping[str, str], language: str) -> str:
    """The whole page; everything that is not ours passes through the template's escaping."""

    def said(words: Label) -> Markup:
        return spoken((clean(words[0]), clean(words[1])), language)

    def word(key: str, **values: object) -> Markup:
        zh, en = WORDS[key]
        return said((zh.format(**values), en.format(**values)) if values else (zh, en))

    drawn = [
        (key, figures.curves(list(lines.items()), WORDS[key], WORDS["tokens"], language))
        for key, lines in (("loss", found.curves), ("held_out", found.held_out))
        if lines
    ]
    trained = {name: own["train"].figures for name, own in found.manifests.items() if "train" in own}
    return page_template("report", "compare.html.j2").render(
        language=language,
        t=word,
        aria=lambda key: WORDS[key][language == "en"] if language != "both" else " / ".join(WORDS[key]),
        runs=list(found.manifests),
        worse=worse(boards, bases),
        losses=rows,
        nats=nats,
        bases=list(dict.fromkeys(bases.values())),
        asked_base=any(one.figure.model in bases.values() for board in boards for one in board.standings),
        recipes=differing(found),
        data=data(found),
        charts=drawn,
        trained=trained,
        kept=[name for name in FIGURES if any(own.get(name) is not None for own in trained.values())],
        boards=boards,
        n=f"{sum(max((one.figure.n for one in board.standings), default=0) for board in boards):,}",
        group=lambda name: said(names.label(names.GROUPS, name)),
        metric=lambda name: said(names.metric(name)),
        amount=lambda value: f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}",
        number=lambda name: said((names.number(name)[0], name)),
        guess=lambda name: said(names.baseline(name)),
        stage=lambda name: said(names.label(names.STAGES, name)),
        percent=percent,
        points=points,
        interval=interval,
        shown=shown,
    )
