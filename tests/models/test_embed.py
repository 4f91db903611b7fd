"""Vectors of sentences by a model of a local folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from huatuo.errors import ModelError
from huatuo.models.embed import embedder


def made(folder: Path) -> None:
    """A small encoder with its tokenizer, in a folder."""
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"甲乙丙丁戊己庚辛"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).save_pretrained(folder)


def test_a_local_encoder_gives_each_text_a_vector_of_length_one(tmp_path: Path) -> None:
    made(tmp_path)
    embed = embedder(tmp_path)
    texts = ["甲乙丙", "丁戊己" * 300, "", "甲乙丙"]
    vectors = embed(texts)
    assert vectors.shape == (4, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)
    assert (vectors[0] == vectors[3]).all()
    assert (embed(texts[1:2])[0] == vectors[1]).all()
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ModelError, match="no sentence-embedding model"):
        embedder(tmp_path)


@pytest.mark.parametrize(("way", "place"), [("cls_token", 0), ("lasttoken", -1), ("mean_tokens", None)])
def test_vectors_are_pooled_as_the_folder_says(way: str, place: int | None, tmp_path: Path) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    made(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{name}": name == way for name in ("cls_token", "mean_tokens", "lasttoken", "max_tokens")}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16} | modes))
    ids = transformers.AutoTokenizer.from_pretrained(tmp_path)("甲乙丙", return_tensors="pt")
    with torch.inference_mode():
        tokens = transformers.AutoModel.from_pretrained(tmp_path).eval()(**ids).last_hidden_state[0]
    expected = (tokens.mean(dim=0) if place is None else tokens[place]).numpy()
    assert embedder(tmp_path)(["甲乙丙"])[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.parametrize("said", ['{"pooling_mode_max_tokens": true}', "{}", "[]", "{"])
def test_another_pooling_is_refused(said: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    made(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(said)
    with pytest.raises(ModelError, match=r"1_Pooling.config\.json: .*; next: "):
        embedder(tmp_path)
