"""The recipe's table about training: the base, the adapter, the order, the loop."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from huatuo.settings import Settings


class ScratchSettings(Settings):
    """Shape of a LLaMA trained from scratch."""

    hidden: int = Field(128, ge=8)
    """Hidden size."""
    layers: int = Field(2, ge=1)
    """Layers."""
    heads: int = Field(4, ge=1)
    """Attention heads; must divide ``hidden``."""
    feed_forward: int = Field(352, ge=8)
    """Feed-forward size."""
    tokenizer: Literal["characters"] = "characters"
    """characters: one token per character of the training pairs and the facts."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % (2 * self.heads):
            said = f"hidden = {self.hidden} must be a multiple of 2 x heads = {2 * self.heads}"
            raise ValueError(f"{said}, since rotary positions turn pairs; for example heads = 4 for 128")
        return self


class LoraSettings(Settings):
    """Low-rank adapters (HuaTuo: r 8, alpha 16, dropout 0.05 on q_proj and v_proj)."""

    r: int = Field(8, ge=1)
    """Rank."""
    alpha: int = Field(16, ge=1)
    """Scale."""
    dropout: float = Field(0.05, ge=0, lt=1)
    """Dropout before the adapter."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """Names of the adapted modules."""
    variant: Literal["lora", "rslora", "dora"] = "lora"
    """lora: scaled by alpha / r. rslora: by alpha / √r, which keeps high ranks learning (arXiv 2312.03732). dora: the
    norm of each row is learned apart from its direction (arXiv 2402.09353); slower."""
    base_weights: Literal["fp32", "nf4"] = "fp32"
    """nf4: QLoRA (arXiv 2305.14314), the base's matrices in 4 bits while the adapter is trained: an eighth of their
    memory; extra ``huatuo[qlora]``, one process. The adapter is saved for the base as it is, in full: losses while
    training, and the figures ``validation_loss_*``, are those of the 4-bit base, the saved model's is another."""


class TrainSettings(Settings):
    """One stage: priority order, packing, one loop."""

    base: str = "scratch"
    """``scratch`` (see ``train.scratch``) or a local folder with a Hugging Face causal language model. The released
    folders of Baichuan, Baichuan2, ChatGLM2 and ChatGLM3 are read without running their code."""
    allow_pickle: bool = False
    """Read a base whose weights are pickled (``pytorch_model.bin``); they are read as weights only."""
    scratch: ScratchSettings = ScratchSettings()
    """Shape of a model trained from scratch."""
    lora: LoraSettings | None = None
    """Train an adapter instead of all weights."""
    format: str = "huatuo2"
    """Chat format, see `huatuo.models.formats`."""
    order: Literal["priority", "uniform", "sequential", "two-stage"] = "priority"
    """priority: HuatuoGPT-II's sampling without replacement. uniform: all weights 1. sequential: as stored. two-stage:
    uniform over all sources but ``second_stage``, then uniform over those (the usual way that one stage replaces)."""
    second_stage: tuple[str, ...] = ("sft",)
    """Sources learned last with ``order = "two-stage"``."""
    priority: dict[str, float] = Field(default_factory=dict)
    """Weight per source; every source of the data must have one when ``order = "priority"``."""
    preset: Literal["", "huatuogpt2-2023-11-30", "huatuogpt2-2023-12-15"] = ""
    """Weights and copies of a release of HuatuoGPT-II, for sources whose names are, or begin with, web, literature,
    encyclopedia, books or sft (``web_zh``): 16, 8, 4, 2, 1 or 32, 16, 8, 4, 1, and SFT three times. ``priority`` and
    ``copies`` count before it."""
    copies: dict[str, int] = Field(default_factory=dict)
    """Epochs per source, 1 where absent (HuatuoGPT-II: SFT 3)."""
    epochs: int = Field(1, ge=1, le=1_000)
    """Times the whole order is repeated, each time drawn anew (multiplies ``copies``)."""
    window: int = Field(512, ge=8)
    """Longest sample in tokens."""
    overlong: Literal["drop", "split", "keep-end"] = "drop"
    """What happens to a pair longer than the window: drop it, split it by turn, or keep the answer's end (cut the
    question's beginning). Always counted."""
    layout: Literal["bucketed", "packed", "joined"] = "bucketed"
    """packed: samples share a row, isolated by position reset. bucketed: samples of like length side by side. joined:
    samples share a row and see each other, as HuatuoGPT-II's release trains; only to reproduce it."""
    batch_tokens: int = Field(1024, ge=8)
    """Tokens per micro-batch."""
    batch_samples: int = Field(16, ge=0)
    """Samples per optimiser step; 0 with ``step_tokens``."""
    step_tokens: int = Field(0, ge=0)
    """Tokens per optimiser step, padding not counted, instead of ``batch_samples``: a step ends before the sample that
    would go over. The order is then kept exactly. HuatuoGPT-II's step of 128 rows of 4,096 tokens holds 524,288."""
    reorder_window: int = Field(1024, ge=1)
    """``bucketed`` may permute the order only inside windows of this many samples, of several sources in windows of at
    most 0.5 % of all samples, at least a step."""
    steps: int = Field(0, ge=0)
    """Stop after this many optimiser steps; 0: when the order ends."""
    tokens: int = Field(0, ge=0)
    """Stop with the step that reaches this many real tokens, padding not counted; 0: when the order ends."""
    optimiser: Literal["adamw", "muon"] = "adamw"
    """muon: Muon on the matrices, AdamW on the rest."""
    learning_rate: float = Field(3e-4, ge=0)
    """Peak learning rate of AdamW."""
    muon_learning_rate: float = Field(1.2e-2, ge=0)
    """Peak learning rate of Muon."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of matrices."""
    schedule: Literal["cosine", "linear", "constant", "wsd"] = "cosine"
    """Shape of the learning rate after warm-up. wsd: at its peak, then falling in a straight line over the last 20 % of
    the steps, of which the last has ``final_share``."""
    warmup_share: float = Field(0.05, ge=0, le=1)
    """Share of the steps spent warming up."""
    final_share: float = Field(0.0, ge=0, le=1)
    """Learning rate at the end, as a share of the peak; refused with ``constant``."""
    rate_after: dict[NonNegativeInt, PositiveFloat] = Field(default_factory=dict)
    """Learning rate after a step, as a share of what the schedule says: ``{110 = 0.3}``; the latest step counts. A
    training that stopped goes on with it from its newest checkpoint, where that is not later than the step."""
    clip: float = Field(1.0, ge=0)
    """Largest gradient norm; 0: no clipping."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the forward and backward pass."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where training computes. auto: on a GPU where there is one. Changes no key: a run may move between machines."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about a third more time."""
    compile: bool = False
    """Compile the layers with ``torch.compile`` in the first step, which takes most of a minute on a processor; whether
    it pays is to be measured. Needs a C++ compiler, on a GPU triton. The losses differ by rounding."""
    evaluate_every: int = Field(0, ge=0)
    """Steps between two measurements of the validation loss; 0: only before and after training."""
    patience: int = Field(0, ge=0)
    """Stop after so many measurements without a lower validation loss; 0: never."""
    keep: Literal["last", "best"] = "last"
    """The weights that are saved: of the last step, or of the step with the lowest validation loss measured."""
    trackers: tuple[Literal["tensorboard", "wandb", "swanlab", "mlflow", "trackio"], ...] = ()
    """Tools that get the numbers of each step too, in the run's folder ``tracking``: nothing leaves this machine unless
    the tool's own environment variable says so (see `huatuo.train.trackers`)."""
    checkpoint_every: int = Field(500, ge=1)
    """Steps between two checkpoints."""
    keep_checkpoints: int = Field(2, ge=1)
    """Checkpoints kept for resuming."""

    @model_validator(mode="before")
    @classmethod
    def _step_of_tokens_counts_no_samples(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("step_tokens") and "batch_samples" not in given:
            return {**given, "batch_samples": 0}
        return given

    @model_validator(mode="after")
    def _one_size_of_a_step(self) -> Self:
        if bool(self.batch_samples) == bool(self.step_tokens):
            found = f"batch_samples = {self.batch_samples}, step_tokens = {self.step_tokens}"
            raise ValueError(
                f"{found}: expected one of them above 0 and the other 0; next: leave one out, or set it to 0"
            )
        return self

    def rates_before(self, step: int) -> dict[int, float]:
        """The part of ``rate_after`` that the first ``step`` steps were learned with."""
        return {after: share for after, share in sorted(self.rate_after.items()) if after < step}
