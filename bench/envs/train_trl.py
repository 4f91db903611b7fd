"""TRL's side: SFTTrainer on the same token ids, in its own environment. Argument: a `Task` as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from datasets import Dataset
from envs.task import Task, Watch, trainer_keys
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def rows(path: Path) -> Dataset:
    """The pairs as token ids, with the answers' tokens marked."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return Dataset.from_dict(
        {"input_ids": [row["ids"] for row in found], "completion_mask": [row["learned"] for row in found]}
    )


def settings(task: Task) -> SFTConfig:
    """Packed: rows filled best-fit, one at a time, as many a step as give its tokens. Padded: one batch a step."""
    found = trainer_keys(task) | {
        "output_dir": task.out,
        "packing_strategy": "bfd",
        "max_length": task.window,
        "completion_only_loss": True,
        "gradient_checkpointing": False,
        "use_cpu": task.device == "cpu",
    }
    return SFTConfig(**found | task.more)


def adapter(task: Task) -> Any:
    """The adapter asked for, as peft wants it; None: all weights are trained."""
    if not task.lora:
        return None
    from peft import LoraConfig

    names = {"r": "r", "alpha": "lora_alpha", "dropout": "lora_dropout", "targets": "target_modules"}
    return LoraConfig(task_type="CAUSAL_LM", **{names[key]: value for key, value in task.lora.items()})


class Watched(SFTTrainer):
    """The trainer, its steps counted where they end."""

    watch: Watch
    real = 0

    def training_step(self, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
        """One micro-batch."""
        mask = inputs.get("attention_mask")
        self.real += int(mask.sum()) if mask is not None else inputs["input_ids"].numel()
        return super().training_step(model, inputs, *rest)


def main() -> None:
    """Train; a step ends when the optimiser has moved."""
    task = Task(**json.loads(sys.argv[1]))
    torch.set_num_threads(1)
    # Weights that are trained are fp32, as ours; frozen ones may be in the precision of the computation.
    held = torch.bfloat16 if task.lora and task.precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(f"{task.work}/base", dtype=held)
    tokenizer = AutoTokenizer.from_pretrained(f"{task.work}/base")
    trainer = Watched(
        model=model,
        args=settings(task),
        train_dataset=rows(Path(task.work) / "train.jsonl"),
        processing_class=tokenizer,
        peft_config=adapter(task),
    )
    trainer.watch = Watch(task.device)
    from transformers import TrainerCallback

    class Ends(TrainerCallback):
        """Tells the clock that a step is over."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            trainer.watch.step(trainer.real)
            trainer.real = 0

    trainer.add_callback(Ends())
    trainer.train()
    if task.device == "cpu":  # its validation loss is measured there
        trainer.save_model(f"{task.out}/model")
    trainer.watch.say(f"{task.out}/model")


if __name__ == "__main__":
    main()
