"""With a model of a local folder, passages that say the same in other words are found; without it they are not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from huatuo import store
from huatuo.corpus import bulk
from huatuo.corpus.semantic import LEXICAL, MODEL, kind_of
from huatuo.errors import DataError, InputError, ModelError
from huatuo.recipe_curate import CorpusSettings

pytestmark = pytest.mark.slow

HALF = 60
WORDS = [chr(0x4E00 + 37 * number) for number in range(2 * HALF)]
"""The second half of them means the same as the first, word by word."""

OTHER_WORDS = str.maketrans(dict(zip(WORDS[:HALF], WORDS[HALF:], strict=True)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder to which two words that mean the same are the same."""
    return encoder(tmp_path_factory.mktemp("encoder"), 3)


def encoder(folder: Path, seed: int, **config_: Any) -> Path:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]) + "\n", encoding="utf-8")
    transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(special) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        **config_,
    )
    made = transformers.BertModel(config)
    with torch.no_grad():
        words = made.embeddings.word_embeddings.weight[len(special) :]
        words[HALF:] = words[:HALF]
    made.save_pretrained(folder)
    return folder


def texts(count: int, seed: int) -> dict[str, str]:
    dice = random.Random(seed)
    return {f"a{n:04}": "".join(dice.choices(WORDS[:HALF], k=dice.randint(45, 60))) for n in range(count)}


def written(path: Path, rows: dict[str, str]) -> Path:
    lines = [json.dumps({"id": name, "text": text}, ensure_ascii=False) for name, text in rows.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def go(source: Path, out: Path, **more: Any) -> dict[str, str]:
    """The reason and witness of each passage that a run drops, by its text."""
    given: dict[str, Any] = {"sources": [{"name": "s", "path": str(source), "id": "id"}], "semantic": 100}
    done = list(bulk.curate(CorpusSettings.model_validate(given | more), out))
    assert [one.stage for one in done] == list(bulk.VERSIONS)
    rows = [row for batch in store.read_batches(out / "kept", "kept") for row in batch.to_pylist()]
    names = {row["id"]: row["normal"] for row in rows}
    return {row["normal"]: f"{row['reason'].partition(':')[0]} {names.get(row['witness'], '')}" for row in rows}


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """1,000 texts, and 200 of them again in other words."""
    first = texts(1000, 5)
    again = list(first.items())[::5]
    return first | {f"b{name}": text.translate(OTHER_WORDS) for name, text in again}


@pytest.mark.parametrize("engine", ["here", "pool:2"])
def test_what_is_said_in_other_words_goes_with_its_source_as_witness(
    engine: str, said: dict[str, str], model: Path, tmp_path: Path
) -> None:
    found = go(written(tmp_path / "in.jsonl", said), tmp_path / "out", semantic_model=model, engine=engine)
    gone = {text: reason for text, reason in found.items() if reason.strip()}
    assert len(gone) == 200
    for name, text in said.items():
        if name.startswith("b"):
            source = said[name[1:]]
            pair = {text: f"semantic_duplicate {source}", source: f"semantic_duplicate {text}"}
            assert sum(found[one] == reason for one, reason in pair.items()) == 1  # the later by its id


def test_without_the_model_they_stay(said: dict[str, str], tmp_path: Path) -> None:
    assert not any(map(str.strip, go(written(tmp_path / "in.jsonl", said), tmp_path / "out").values()))


def test_another_model_judges_anew_and_the_same_one_does_not(said: dict[str, str], model: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", dict(list(said.items())[:120]))
    keys = []
    for seed in (1, 1, 2):
        folder = tmp_path / f"model{seed}"
        folder.mkdir(exist_ok=True)
        encoder(folder, seed)
        go(source, tmp_path / "out", semantic_model=folder)
        keys.append(store.read_manifest(tmp_path / "out" / "kept").key)
    assert keys[0] == keys[1] != keys[2]
    inputs = {entry.name: entry.digest for entry in store.read_manifest(tmp_path / "out" / "kept").inputs}
    kind_of.cache_clear()
    assert inputs["model2"] == kind_of(tmp_path / "model2").removeprefix(MODEL)


def test_the_next_corpus_is_compared_by_the_model_and_by_no_other(model: Path, tmp_path: Path) -> None:
    first = texts(300, 6)
    again = {name: text.translate(OTHER_WORDS) for name, text in list(first.items())[:40]}
    table = {"earlier": tmp_path / "bands", "semantic_model": model}
    go(written(tmp_path / "one.jsonl", first), tmp_path / "one", **table)
    second = written(tmp_path / "two.jsonl", {f"z{name}": text for name, text in again.items()} | texts(20, 7))
    found = go(second, tmp_path / "two", **table)
    assert {text for text, reason in found.items() if reason.strip() == "semantic_duplicate"} == {*again.values()}
    assert len(found) == 60
    for other in (None, encoder_of(tmp_path / "other")):
        with pytest.raises(DataError, match=rf"with vectors of '{MODEL}.*semantic_model as the earlier runs did"):
            go(second, tmp_path / "three", earlier=tmp_path / "bands", semantic_model=other)


def encoder_of(folder: Path) -> Path:
    folder.mkdir()
    return encoder(folder, 9)


def test_a_model_of_fewer_positions_than_a_passage_has_tokens_judges_by_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    model = encoder(tmp_path / "short", 3, max_position_embeddings=32)
    rows = texts(40, 8)
    end = "".join(WORDS[:20])
    again = {f"b{name}": text[:40].translate(OTHER_WORDS) + end for name, text in rows.items()}
    found = go(written(tmp_path / "in.jsonl", rows | again), tmp_path / "out", semantic_model=model)
    assert sum(reason.startswith("semantic_duplicate") for reason in found.values()) == 40
    with pytest.raises(ModelError, match="Dense"):
        (model / "modules.json").write_text(
            json.dumps([{"type": f"x.{n}"} for n in ("Transformer", "Pooling", "Dense")])
        )
        go(tmp_path / "in.jsonl", tmp_path / "other", semantic_model=model)
    assert not (tmp_path / "other").exists()


def test_a_folder_without_a_model_is_one_error_before_anything_is_made(said: dict[str, str], tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", said)
    (tmp_path / "empty").mkdir()
    for folder, error in ((tmp_path / "nowhere", InputError), (tmp_path / "empty", ModelError)):
        with pytest.raises(error, match=folder.name):
            go(source, tmp_path / "out", semantic_model=folder)
    assert not (tmp_path / "out").exists()
    assert kind_of(None) == LEXICAL


def test_a_model_that_nothing_asks_is_refused() -> None:
    with pytest.raises(ValueError, match="semantic_model is named, but semantic is 0"):
        CorpusSettings(semantic_model=Path("model"))
