from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import sentencepiece

from huatuo.errors import ModelError
from huatuo.models import tokenizers
from model_makers import TEXTS, byte_level, llama_like, sentencepiece_files


def test_characters_come_back_exactly(tmp_path: Path) -> None:
    built = tokenizers.character_tokenizer(TEXTS, tmp_path)
    loaded = tokenizers.load_tokenizer(tmp_path)
    known, dice = sorted(set("".join(TEXTS))), random.Random(1)
    for _ in range(1000):
        text = "".join(dice.choices([*known, "\n", " ", " ,", "\t"], k=dice.randint(1, 60)))
        ids = loaded(text)["input_ids"]
        assert ids == built(text)["input_ids"]
        assert len(ids) == len(text)
        assert loaded.decode(ids) == text


def test_vocabulary_is_by_frequency_then_code_point_whatever_the_order(tmp_path: Path) -> None:
    one = tokenizers.character_tokenizer(["乙乙甲", "丙\n"], tmp_path / "a")
    two = tokenizers.character_tokenizer(iter(["丙\n", "乙乙甲"]), tmp_path / "b")
    assert one.convert_ids_to_tokens(range(len(one))) == ["<pad>", "<eos>", "<unk>", "乙", "\n", "丙", "甲"]
    assert (tmp_path / "a" / "tokenizer.json").read_bytes() == (tmp_path / "b" / "tokenizer.json").read_bytes()
    assert len(two) == 7


def test_an_unknown_character_is_the_unknown_token(tmp_path: Path) -> None:
    tokenizer = tokenizers.character_tokenizer(["甲乙"], tmp_path)
    assert tokenizer("甲丁乙")["input_ids"].count(tokenizer.unk_token_id) == 1


def test_no_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no character"):
        tokenizers.character_tokenizer(["", ""], tmp_path)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"no tokenizer; expected one of tokenizer\.json"):
        tokenizers.load_tokenizer(tmp_path)


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    tokenizers.character_tokenizer(["甲"], tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"broken": 1')
    with pytest.raises(ModelError, match="cannot be loaded"):
        tokenizers.load_tokenizer(tmp_path)


def test_a_tokenizer_without_end_is_refused(tmp_path: Path) -> None:
    byte_level(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("eos_token")
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"no EOS token.*next: set eos_token"):
        tokenizers.load_tokenizer(tmp_path)


def test_pad_may_be_missing_or_equal_the_end(tmp_path: Path) -> None:
    equal = byte_level(tmp_path / "a")
    assert equal.pad_token_id == equal.eos_token_id == tokenizers.pad_id(equal)
    equal.pad_token = None
    assert tokenizers.pad_id(equal) == equal.eos_token_id
    assert tokenizers.pad_id(tokenizers.character_tokenizer(["甲"], tmp_path / "b")) == 0


def test_sentencepiece_agrees_after_loading(tmp_path: Path) -> None:
    tokenizer, dice = llama_like(tmp_path), random.Random(2)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    for _ in range(1000):
        text = "".join(dice.choices("".join(TEXTS) + "䶮😀\n\t", k=dice.randint(1, 40))).replace("<s>", "").lstrip(" ")
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == processor.encode(text), text


def test_a_wrong_option_is_named(tmp_path: Path) -> None:
    """A blank before every text: nothing else would fail, but the ids are not those of training."""
    sentencepiece_files(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "add_prefix_space": False}))
    with pytest.raises(ModelError, match=r'other ids than tokenizer\.model.*set "add_prefix_space": true'):
        tokenizers.load_tokenizer(tmp_path)
    path.write_text(json.dumps(config))
    assert tokenizers.load_tokenizer(tmp_path).eos_token == "</s>"


def test_a_tokenizer_json_of_another_model_is_refused(tmp_path: Path) -> None:
    sentencepiece_files(tmp_path / "a")
    byte_level(tmp_path / "b")
    (tmp_path / "b" / "tokenizer.model").write_bytes((tmp_path / "a" / "tokenizer.model").read_bytes())
    with pytest.raises(ModelError, match=r"on \d+ of \d+ probe texts.*option tokenizer_class"):
        tokenizers.load_tokenizer(tmp_path / "b")
