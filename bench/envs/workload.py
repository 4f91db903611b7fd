"""What huatuo and its peers train on: one base with random weights, its tokenizer, and the same pairs as token ids.

HuaTuo's pairs (``HUATUO_BENCH_PAIRS`` names its file, else ``../shared/data/sft_huatuo_seed/data_llama_data.json``
beside the checkout), or as many made-up ones with the lengths measured there.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from huatuo.records import Message

NEAR = Path(__file__).parents[2].parent / "shared" / "data" / "sft_huatuo_seed" / "data_llama_data.json"
PAIRS, HELD_OUT = 8_658, 500
"""Pairs of HuaTuo's file, and how many of them are kept for the validation loss."""

LOG_LENGTHS = ((3.65, 0.41, 134), (3.90, 0.61, 372))
"""Mean and deviation of the logarithm of the characters of a question and of an answer, and the most (that file)."""

VOCABULARY, WINDOW = 8_192, 512
SHAPE = {
    "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6, "num_attention_heads": 8,
    "vocab_size": VOCABULARY, "max_position_embeddings": WINDOW,
}  # fmt: skip
"""With untied embeddings 9.0 million parameters of LLaMA's shape."""

FORMAT = "huatuo2"
EOS, PAD = "<eos>", "<pad>"


@dataclass(frozen=True)
class Workload:
    """A folder with ``base/``, ``train.jsonl`` and ``held.jsonl`` (keys: question, answer, ids, learned)."""

    folder: Path
    made_up: bool
    tokens: int
    """Tokens of all pairs that may be learned."""
    learned_share: float
    """Share of them that is answer."""
    pairs: int


def pairs() -> tuple[list[tuple[str, str]], bool]:
    """Questions with answers, and whether they are made up."""
    path = Path(os.environ.get("HUATUO_BENCH_PAIRS", str(NEAR)))
    if not path.exists():
        return made_up_pairs(), True
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["instruction"].strip(), row["output"].strip()) for row in rows if row["output"].strip()], False


def made_up_pairs() -> list[tuple[str, str]]:
    """Pairs of made-up words, frequent ones first (Zipf), of the measured lengths."""
    rng = np.random.default_rng(1)
    words = ["".join(chr(0x4E00 + k) for k in rng.integers(0, 2_000, rng.integers(1, 4))) for _ in range(6_000)]

    def text(mean: float, deviation: float, most: int) -> str:
        length = int(min(max(math.exp(rng.normal(mean, deviation)), 4), most))
        return "".join(words[k] for k in np.minimum(rng.zipf(1.3, length), len(words)) - 1)[:length]

    return [(text(*LOG_LENGTHS[0]) + "？", text(*LOG_LENGTHS[1]) + "。") for _ in range(PAIRS)]


def make(folder: Path) -> Workload:
    """The workload, written to the folder."""
    found, made_up = pairs()
    tokenizer = tokenizer_of([text for pair in found for text in pair])
    order = np.random.default_rng(2).permutation(len(found))
    chosen = [found[k] for k in order]
    counts = [write(folder / "held.jsonl", chosen[:HELD_OUT], tokenizer)]
    counts.append(write(folder / "train.jsonl", chosen[HELD_OUT:], tokenizer))
    save_base(folder / "base", tokenizer)
    tokens, learned = counts[1]
    return Workload(folder, made_up, tokens, learned / tokens, len(chosen) - HELD_OUT)


def tokenizer_of(texts: list[str]) -> Any:
    """A byte-level BPE of `VOCABULARY` tokens, learned from the texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, eos_token=EOS)


def write(path: Path, chosen: list[tuple[str, str]], tokenizer: Any, window: int = WINDOW) -> tuple[int, int]:
    """Tokens, and learned tokens, of the pairs written: those that fit the window."""
    from huatuo.models import formats

    tokens = learned = 0
    with path.open("w", encoding="utf-8") as file:
        for question, answer in chosen:
            talk = [Message(role="user", content=question), Message(role="assistant", content=answer)]
            coded = formats.encode(formats.get(FORMAT), talk, tokenizer)
            if len(coded.ids) > window:
                continue
            flags = [int(flag) for flag in coded.learned]
            row = {"question": question, "answer": answer, "ids": list(coded.ids), "learned": flags}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            tokens, learned = tokens + len(coded.ids), learned + sum(flags)
    return tokens, learned


def save_base(folder: Path, tokenizer: Any, shape: Mapping[str, int] = SHAPE, precision: str = "float32") -> None:
    """Write a base of LLaMA's kind with random weights, in a precision that torch has under this name."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from huatuo.models import load as models

    torch.manual_seed(3)
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(**shape, tie_word_embeddings=False, **ids)
    model = LlamaForCausalLM(config).to(getattr(torch, precision))
    models.save(model, tokenizer, FORMAT, folder, {"name": "base", "trained": False})


def validation_loss(model: Path, held: Path) -> float:
    """Mean loss for each answer token of the held-out pairs, by the same lines for every system: fp32, row by row."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32, local_files_only=True).eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for line in held.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            ids = torch.tensor([row["ids"]])
            learned = torch.tensor(row["learned"][1:], dtype=torch.bool)
            logits = loaded(input_ids=ids).logits[0, :-1][learned]
            total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:][learned], reduction="sum"))
            count += int(learned.sum())
    return total / count
