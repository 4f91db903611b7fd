"""huatuo's side: the stage `train` as a recipe runs it, in a process of its own. Argument: a `Task` as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from envs.task import Task, Watch

from huatuo import store
from huatuo.recipe import RunSettings, TrainSettings
from huatuo.train import loop


def settings(task: Task) -> TrainSettings:
    """The keys of ``[train]``."""
    return TrainSettings.model_validate(
        {
            "base": f"{task.work}/base",
            "order": "uniform",
            "layout": "bucketed",
            "window": task.window,
            "batch_tokens": task.tokens_a_step,
            "batch_samples": task.samples_a_step,
            "steps": task.steps,
            "learning_rate": task.rate,
            "precision": task.precision,
            "warmup_share": 0.0,
            "device": task.device,
            "lora": task.lora or None,
            "checkpoint_every": 1_000_000,
            **task.more,
        }
    )


def main() -> None:
    """Train, with the clock read where a step is written down."""
    task = Task(**json.loads(sys.argv[1]))
    watch, row = Watch(task.device), loop._row

    def seen(*given: object) -> dict[str, object]:
        found = row(*given)  # type: ignore[arg-type]
        watch.step(int(found["tokens"]))
        return found

    loop._row = seen  # type: ignore[assignment]
    root, out = Path(task.work), Path(task.out)
    with store.writing(out, stage="train", key="k") as writer:
        run = RunSettings(name="peers", threads=1)
        loop.train(settings(task), run, root / "tokenise", root / "order", writer)
    watch.say(str(out / "model"))


if __name__ == "__main__":
    main()
