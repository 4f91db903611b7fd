"""LLaMA-Factory's side: its own workflow on the same pairs, in its own environment. Argument: a `Task` as JSON."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from envs.task import Task, Watch, trainer_keys

# LLaMA-Factory imports torchaudio for sounds, and no build of it fits this torch on a processor: an empty stand-in.
sys.modules["torchaudio"] = ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)

from llamafactory.data.formatter import StringFormatter  # noqa: E402
from llamafactory.data.template import register_template  # noqa: E402
from llamafactory.train.sft.trainer import CustomSeq2SeqTrainer  # noqa: E402
from llamafactory.train.tuner import run_exp  # noqa: E402
from transformers import TrainerCallback  # noqa: E402

FORMAT = "huatuo2"
WATCH = Watch()


def data(task: Task) -> Path:
    """The pairs in the layout that LLaMA-Factory reads, and the chat format under its name."""
    folder = Path(task.out) / "data"
    folder.mkdir(parents=True)
    found = [json.loads(line) for line in (Path(task.work) / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in found]
    (folder / "pairs.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps({"pairs": {"file_name": "pairs.json"}}), encoding="utf-8")
    register_template(name=FORMAT, format_user=StringFormatter(slots=["<问>：{{content}}\n<答>："]))
    return folder


def settings(task: Task) -> dict[str, Any]:
    """Packed: rows whose samples are kept apart, one at a time, as many a step as give its tokens."""
    return {
        **trainer_keys(task),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "model_name_or_path": f"{task.work}/base",
        "dataset": "pairs",
        "dataset_dir": str(data(task)),
        "template": FORMAT,
        "cutoff_len": task.window,
        "neat_packing": task.layout == "packed",
        "flash_attn": "sdpa",
        "disable_gradient_checkpointing": True,
        "use_cpu": True,
        "dataloader_num_workers": 0,
        "preprocessing_num_workers": 1,
        "overwrite_cache": True,
        "output_dir": f"{task.out}/model",
        **task.more,
    }


def watch_tokens(real: list[int]) -> None:
    """Let the trainer count the tokens of each micro-batch that are no padding."""
    own = CustomSeq2SeqTrainer.training_step

    def counted(self: Any, model: Any, inputs: dict[str, Any], *rest: Any, **more: Any) -> Any:
        pad = self.processing_class.pad_token_id
        real[0] += int((inputs["input_ids"] != pad).sum())
        return own(self, model, inputs, *rest, **more)

    CustomSeq2SeqTrainer.training_step = counted


def main() -> None:
    """Train; a step ends when the optimiser has moved."""
    task = Task(**json.loads(sys.argv[1]))
    torch.set_num_threads(1)
    real = [0]
    watch_tokens(real)

    class Ends(TrainerCallback):  # type: ignore[misc]
        """Tells the clock that a step is over."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            WATCH.step(real[0])
            real[0] = 0

    run_exp(settings(task), callbacks=[Ends()])
    WATCH.say(f"{task.out}/model")


if __name__ == "__main__":
    main()
