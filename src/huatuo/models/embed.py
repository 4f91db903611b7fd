"""Vectors of sentences by a local model: its last layer over the tokens of a text, pooled as its folder says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from huatuo.errors import ModelError, require

MOST_TOKENS = 256
"""Tokens of a text that count; a passage of 400 characters has about as many. Fewer where the model takes fewer."""

MODULES = (("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize"))
"""What ``modules.json`` of sentence-transformers may name, one after the other; vectors have length 1 in any case."""

Pooled = Callable[[Any], Any]


class Layout(NamedTuple):
    """How a folder makes a vector of a text."""

    model: Path
    """Folder of weights and tokenizer."""
    pooled: Pooled
    """Makes one vector of those of the tokens."""
    longest: int
    """Tokens that the folder itself says a text may have."""


def embedder(folder: Path) -> Callable[[Sequence[str]], npt.NDArray[np.float64]]:
    """A function from texts to their vectors of length 1, (texts, hidden size), by the encoder in a local folder.

    They are the mean over the tokens, or the first or last token's where the folder says so as sentence-transformers
    writes it (``modules.json``, ``1_Pooling/config.json``). A text counts up to `MOST_TOKENS`, or as many as the
    model's positions, its tokenizer and its folder allow.
    Texts are computed one by one, so that the vector of a text does not depend on its neighbours. Raises ModelError
    where the folder holds no model with its tokenizer, or modules that are not known here; MissingExtraError without
    torch and transformers.
    """
    torch, transformers = require("torch", "train"), require("transformers", "train")
    layout = layout_of(folder)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(layout.model, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(layout.model, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder}: no sentence-embedding model could be loaded ({str(error).splitlines()[0]}); expected a local "
            "folder with config.json, weights and tokenizer; next: download it beforehand and name its path"
        ) from None

    most = min(MOST_TOKENS, layout.longest, tokenizer.model_max_length, positions(model))
    if most <= (signs := tokenizer.num_special_tokens_to_add()):
        raise ModelError(
            f"{folder}: takes {most} tokens of a text, of which {signs} are signs of its own; expected more; next: "
            "mend max_seq_length of sentence_bert_config.json, or get the folder again"
        )

    def vectors(texts: Sequence[str]) -> npt.NDArray[np.float64]:
        found = np.zeros((len(texts), model.config.hidden_size))
        with torch.inference_mode():
            for place, text in enumerate(texts):
                ids = tokenizer(text, truncation=True, max_length=most, return_tensors="pt")
                if ids["input_ids"].shape[1]:
                    vector = layout.pooled(model(**ids).last_hidden_state[0]).double().numpy()
                    found[place] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return found

    return vectors


def positions(model: Any) -> int:
    """Tokens that a loaded model has positions for; no limit (`sys.maxsize`) where it names none.

    Models of RoBERTa's kind (XLM-R, MPNet, CamemBERT) count positions from one past that of the padding, so that 514
    of them are 512 tokens: the table of their positions names the padding's row.
    """
    said = getattr(model.config, "max_position_embeddings", None)
    most = said if isinstance(said, int) and said > 0 else sys.maxsize
    for name, table in model.named_modules():
        if name.rpartition(".")[2] == "position_embeddings" and hasattr(table, "num_embeddings"):
            padding = getattr(table, "padding_idx", None)
            most = min(most, table.num_embeddings - (0 if padding is None else padding + 1))
    return most


def layout_of(folder: Path) -> Layout:
    """How a folder makes vectors, by ``modules.json`` where there is one. Raises ModelError for modules, a pooling and
    a length that are not known here."""
    path, pooling = folder / "modules.json", folder / "1_Pooling" / "config.json"
    if not path.exists():
        return Layout(folder, _pooling(pooling) if pooling.exists() else _mean, _longest(folder))
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        modules = [(str(one["type"]).rpartition(".")[2], str(one.get("path") or "")) for one in said]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not readable ({error}); next: get the model's folder again") from None
    kinds = tuple(kind for kind, _ in modules)
    if kinds not in MODULES:
        raise ModelError(
            f"{path}: a vector is made by {', '.join(kinds) or 'nothing'}; expected Transformer, Pooling and perhaps "
            "Normalize: what the others do to a vector is not known here; next: use a model of these modules alone"
        )
    inner = folder / modules[0][1]
    return Layout(inner, _pooling(folder / modules[1][1] / "config.json"), _longest(inner))


def _longest(folder: Path) -> int:
    """Tokens of a text as ``sentence_bert_config.json`` says; no limit where it says nothing."""
    path = folder / "sentence_bert_config.json"
    if not path.exists():
        return sys.maxsize
    try:
        longest = json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: not readable ({error}); next: get the model's folder again") from None
    if longest is None:
        return sys.maxsize
    if not isinstance(longest, int) or longest < 1:
        raise ModelError(f"{path}: max_seq_length is {longest!r}; expected a number of tokens; next: mend the file")
    return longest


def _mean(tokens: Any) -> Any:
    return tokens.mean(dim=0)


def _pooling(path: Path) -> Pooled:
    """What makes one vector of those of the tokens. Raises ModelError for a way that is not known here."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        ways = {
            name.removeprefix("pooling_mode_") for name, on in said.items() if name.startswith("pooling_mode_") and on
        }
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: not readable ({error}); next: get the model's folder again") from None
    known: dict[str, Pooled] = {
        "mean_tokens": _mean,
        "cls_token": lambda tokens: tokens[0],
        "lasttoken": lambda tokens: tokens[-1],
    }
    if len(ways) != 1 or not ways <= known.keys():
        raise ModelError(
            f"{path}: pools by {', '.join(sorted(ways)) or 'nothing'}; expected one of {', '.join(known)}; next: use a "
            "model that pools so"
        )
    return known[ways.pop()]
