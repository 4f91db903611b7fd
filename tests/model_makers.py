"""Small tokenizers and checkpoints of several kinds, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    BloomConfig,
    BloomForCausalLM,
    GlmConfig,
    GlmForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MptConfig,
    MptForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from huatuo.models import formats, tokenizers
from huatuo.records import Message

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

TEXTS = [
    "高血压是以体循环动脉压升高为主要表现的疾病，常用药物有硝苯地平、氨氯地平、缬沙坦。",
    "感冒的症状有发热、咳嗽、流涕、咽痛，一般一周内好转；多喝水，注意休息。",
    "糖尿病的并发症包括视网膜病变、肾病、神经病变和足病。",
    "Aspirin 100 mg once daily; do not exceed 4,000 mg. The patient has a fever of 38.5 C.",
    "（饭后服用）“每日三次”，每次 0.5 片。\n1. 头痛\n2. 恶心\n\n请就医。",
    "问答前后有空白也格式的标记只是文字完一二三四五六七你名生祝早康复还呢好怎么办哪些剂量每次受体阻滞剂β≤/kg😀\t",
    *(text for fmt in formats.FORMATS.values() for text in formats.vocabulary(fmt)),
]
"""What the tokenizers are made of."""

UNMARKED = [text for text in TEXTS if text not in {fmt.begin for fmt in formats.FORMATS.values()}]
"""Without the control tokens that stand alone, so that none becomes a word of a vocabulary."""


def talk(*contents: str, system: str | None = None) -> list[Message]:
    """A conversation that begins with the user."""
    turns = [Message(role="user" if i % 2 == 0 else "assistant", content=c) for i, c in enumerate(contents)]
    return turns if system is None else [Message(role="system", content=system), *turns]


def characters(folder: Path) -> Any:
    """A character tokenizer."""
    return tokenizers.character_tokenizer(TEXTS, folder)


def byte_level(folder: Path) -> Any:
    """A byte-level BPE like Qwen's, with ChatML's control tokens; adds no BOS."""
    return byte_level_with(CONTROLS, folder)


WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2 and Qwen3 (tokenizer.json) cut a text into words; Llama 3 and GLM-4 differ in the digits only."""


def byte_level_with(controls: list[str], folder: Path) -> Any:
    """A byte-level BPE whose control tokens are ``controls``, the first of them EOS and PAD."""
    backend = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(WORDS), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, special_tokens=controls, show_progress=False
    )
    backend.train_from_iterator(UNMARKED, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=controls[0],
        pad_token=controls[0],
        additional_special_tokens=controls[1:],
        clean_up_tokenization_spaces=False,
    )
    tokenizers.save_tokenizer(tokenizer, folder)
    return tokenizers.load_tokenizer(folder)


def sentencepiece_files(folder: Path) -> None:
    """LLaMA's kind of tokenizer: SentencePiece BPE, byte fallback, dummy prefix; only the model file and a config."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=620,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "corpus.txt").unlink()
    (folder / "tokenizer.vocab").unlink()
    config: dict[str, Any] = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    config["add_bos_token"] = True
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def llama_like(folder: Path) -> Any:
    """The tokenizer of `sentencepiece_files`, loaded; adds BOS."""
    sentencepiece_files(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return tokenizers.load_tokenizer(folder)


TOKENIZERS = {"characters": characters, "byte_level": byte_level, "llama_like": llama_like}


def model_of(kind: str, vocab: int, positions: int = 256) -> Any:
    """A small model of a family with weights large enough that its answers differ from prompt to prompt."""
    torch.manual_seed(7)
    if kind == "llama":
        config: Any = LlamaConfig(
            vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=positions, initializer_range=0.6, eos_token_id=1, bos_token_id=None,
        )  # fmt: skip
        return LlamaForCausalLM(config).eval()
    if kind == "qwen3":
        config = Qwen3Config(
            vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, max_position_embeddings=positions, initializer_range=0.6,
            eos_token_id=1, bos_token_id=None,
        )  # fmt: skip
        return Qwen3ForCausalLM(config).eval()
    if kind == "glm":
        config = GlmConfig(
            vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, max_position_embeddings=positions, initializer_range=0.6,
            eos_token_id=1, pad_token_id=1, bos_token_id=None,
        )  # fmt: skip
        return GlmForCausalLM(config).eval()
    if kind == "mpt":  # takes a mask with its own ideas of positions
        config = MptConfig(
            vocab_size=vocab, d_model=32, n_layers=2, n_heads=4, expansion_ratio=2, max_seq_len=positions,
            initializer_range=0.6, eos_token_id=1, bos_token_id=None,
        )  # fmt: skip
        return MptForCausalLM(config).eval()
    if kind == "bloom":  # ALiBi: no positions beyond those the mask tells
        config = BloomConfig(
            vocab_size=vocab, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.6, eos_token_id=1, bos_token_id=None
        )  # fmt: skip
        return BloomForCausalLM(config).eval()
    config = GPT2Config(
        vocab_size=vocab, n_embd=32, n_layer=2, n_head=4, n_positions=positions, initializer_range=0.6,
        eos_token_id=1, bos_token_id=None, embd_pdrop=0, attn_pdrop=0, resid_pdrop=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()
