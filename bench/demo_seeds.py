"""The demo on three seeds: exact answers on held-out, trained and withheld questions, and CPU-seconds of training."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from run import Outcome

from huatuo import recipe_file, store
from huatuo import run as running
from huatuo.records import Figure


def run() -> Outcome:
    """Three whole runs. PHRASINGS=FILE measures another set of wordings: the recipe was chosen on
    bench/phrasings.selection.zh.toml, so that the held-out set stays untouched."""
    figures: dict[str, float] = {}
    table = [f"{'seed':>5} {'group':<28} {'model':<26} {'exact':>7} {'95 % interval':>16} {'n':>6}"]
    override = [f"questions.probe.held_out={Path(p).resolve()}"] if (p := os.environ.get("PHRASINGS")) else []
    n = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in (2023, 2024, 2025):
            recipe = recipe_file.load(recipe_file.find("demo"), [f"run.seed={seed}", *override])
            root = Path(folder) / str(seed)
            for done in running.run(recipe, root, running.select(last="score")):
                if done.stage.name == "train":
                    figures[f"train_cpu_s_{seed}"] = done.manifest.cpu_seconds
            for figure in store.read(root / "score", "figures", Figure):
                if figure.metric in ("exact", "accuracy") and figure.value is not None:
                    figures[f"{figure.name} | {figure.model} | {seed}"] = round(figure.value, 4)
                    n += figure.n
                    shown = (
                        f"{figure.low:.3f}-{figure.high:.3f}"
                        if figure.low is not None and figure.high is not None
                        else ""
                    )
                    table.append(
                        f"{seed:>5} {figure.name:<28} {figure.model:<26} {figure.value:>7.3f} {shown:>16} {figure.n:>6}"
                    )
            table.append(f"{seed:>5} training {figures[f'train_cpu_s_{seed}']:.0f} CPU-s")
    return Outcome(figures, {}, n, table)
