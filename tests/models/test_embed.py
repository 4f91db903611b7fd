"""Vectors of sentences by a model of a local folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from huatuo.errors import ModelError
from huatuo.models.embed import embedder


def made(folder: Path, kind: str = "Bert", **config: Any) -> None:
    """A small encoder with its tokenizer, in a folder."""
    transformers = pytest.importorskip("transformers")
    words = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", *"甲乙丙丁戊己庚辛"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    config |= {"vocab_size": len(words), "pad_token_id": 1, "hidden_size": 16, "intermediate_size": 16}
    config |= {"num_hidden_layers": 1, "num_attention_heads": 2}
    getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config)).save_pretrained(folder)


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


def counts(folder: Path, most: int) -> bool:
    """Whether a text of 300 words counts to so many tokens, the two signs around it included, and no further."""
    embed, last = embedder(folder), most - 3
    whole = embed(["甲" * 300])[0]
    changed = embed(["甲" * place + "乙" + "甲" * (299 - place) for place in (0, last, last + 1, 299)])
    return (np.abs(changed - whole).max(axis=1) > 1e-6).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("kind", "positions", "most"),
    [
        ("Bert", 64, 64),
        ("Bert", 512, 256),
        ("XLMRoberta", 66, 64),  # positions count from one past that of the padding, which is 1
        ("Roberta", 40, 38),
        ("MPNet", 66, 64),
        ("Electra", 64, 64),
    ],
)
def test_a_text_counts_as_far_as_the_model_has_positions(kind: str, positions: int, most: int, tmp_path: Path) -> None:
    made(tmp_path, kind, max_position_embeddings=positions)
    assert counts(tmp_path, most)


def test_a_text_counts_as_far_as_the_folder_says(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "sentence_bert_config.json"
    for said, most in (({"max_seq_length": 30}, 30), ({"max_seq_length": 500}, 256), ({"max_seq_length": None}, 256)):
        path.write_text(json.dumps(said))
        assert counts(tmp_path, most)
    path.unlink()
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 20}))
    assert counts(tmp_path, 20)


@pytest.mark.parametrize(
    "said", ['{"max_seq_length": "many"}', '{"max_seq_length": 0}', '{"max_seq_length": 2}', "[]", "{"]
)
def test_a_length_that_is_none_is_refused(said: str, tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "sentence_bert_config.json").write_text(said)
    with pytest.raises(ModelError, match=r"sentence_bert_config\.json"):
        embedder(tmp_path)


def modules(folder: Path, *kinds: str, pool: str = "1_Pooling", model: str = "") -> None:
    paths = {"Transformer": model, "Pooling": pool}
    said = [
        {
            "idx": n,
            "name": str(n),
            "path": paths.get(kind, f"{n}_{kind}"),
            "type": f"sentence_transformers.models.{kind}",
        }
        for n, kind in enumerate(kinds)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(said))


def test_modules_are_read_where_the_folder_names_them(tmp_path: Path) -> None:
    made(tmp_path / "plain")
    (tmp_path / "plain" / "1_Pooling").mkdir()
    (tmp_path / "plain" / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    expected = embedder(tmp_path / "plain")(["甲乙丙"])
    for normal in ((), ("Normalize",)):
        folder = tmp_path / f"modules{len(normal)}"
        modules(folder, "Transformer", "Pooling", *normal, pool="7_Pool", model="0_Transformer")
        (tmp_path / "plain").rename(folder / "0_Transformer")
        (folder / "0_Transformer" / "1_Pooling").rename(folder / "7_Pool")
        assert (embedder(folder)(["甲乙丙"]) == expected).all()
        (folder / "7_Pool").rename(folder / "0_Transformer" / "1_Pooling")
        (folder / "0_Transformer").rename(tmp_path / "plain")


@pytest.mark.parametrize(
    "kinds", [("Transformer", "Pooling", "Dense"), ("Transformer",), ("BoW", "Pooling"), (), ("Pooling", "Transformer")]
)
def test_modules_that_are_not_known_are_refused_by_name(kinds: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("transformers")  # and no weights: they are refused before any is read
    modules(tmp_path, *kinds)
    with pytest.raises(
        ModelError, match=rf"modules\.json: a vector is made by {', '.join(kinds) or 'nothing'};.*; next"
    ):
        embedder(tmp_path)


@pytest.mark.parametrize("said", ["{", "[1]", "3", '[{"path": ""}]'])
def test_modules_that_cannot_be_read_are_one_error(said: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "modules.json").write_text(said)
    with pytest.raises(ModelError, match=r"modules\.json: not readable"):
        embedder(tmp_path)


def test_a_pooling_that_is_named_and_missing_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    modules(tmp_path, "Transformer", "Pooling")
    with pytest.raises(ModelError, match=r"1_Pooling.config\.json: not readable"):
        embedder(tmp_path)
