"""Vectors of sentences by a model of a local folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from huatuo.errors import ModelError
from huatuo.models.embed import embedder


def test_a_local_encoder_gives_each_text_a_vector_of_length_one(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"甲乙丙丁戊己庚辛"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(tmp_path / "vocab.txt"))
    tokenizer.save_pretrained(tmp_path)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
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
