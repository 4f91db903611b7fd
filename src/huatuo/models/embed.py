"""Vectors of sentences by a local model: its last layer over the tokens of a text, pooled as its folder says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from huatuo.errors import ModelError, require

MOST_TOKENS = 256
"""Tokens of a text that count; a passage of 400 characters has about as many."""


def embedder(folder: Path) -> Callable[[Sequence[str]], npt.NDArray[np.float64]]:
    """A function from texts to their vectors of length 1, (texts, hidden size), by the encoder in a local folder.

    They are the mean over the tokens, or the first or last token's where the folder says so as sentence-transformers
    writes it (``1_Pooling/config.json``).
    Texts are computed one by one, so that the vector of a text does not depend on its neighbours. Raises ModelError
    where the folder holds no model with its tokenizer, MissingExtraError without torch and transformers.
    """
    torch, transformers = require("torch", "train"), require("transformers", "train")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder}: no sentence-embedding model could be loaded ({str(error).splitlines()[0]}); expected a local "
            "folder with config.json, weights and tokenizer; next: download it beforehand and name its path"
        ) from None

    pooled = _pooling(folder)

    def vectors(texts: Sequence[str]) -> npt.NDArray[np.float64]:
        found = np.zeros((len(texts), model.config.hidden_size))
        with torch.inference_mode():
            for place, text in enumerate(texts):
                ids = tokenizer(text, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
                if ids["input_ids"].shape[1]:
                    vector = pooled(model(**ids).last_hidden_state[0]).double().numpy()
                    found[place] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return found

    return vectors


def _pooling(folder: Path) -> Callable[[Any], Any]:
    """What makes one vector of those of the tokens. Raises ModelError for a way that is not known here."""
    path = folder / "1_Pooling" / "config.json"
    if not path.exists():
        return lambda tokens: tokens.mean(dim=0)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        ways = {
            name.removeprefix("pooling_mode_") for name, on in said.items() if name.startswith("pooling_mode_") and on
        }
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: not readable ({error}); next: get the model's folder again") from None
    known: dict[str, Callable[[Any], Any]] = {
        "mean_tokens": lambda tokens: tokens.mean(dim=0),
        "cls_token": lambda tokens: tokens[0],
        "lasttoken": lambda tokens: tokens[-1],
    }
    if len(ways) != 1 or not ways <= known.keys():
        raise ModelError(
            f"{path}: pools by {', '.join(sorted(ways)) or 'nothing'}; expected one of {', '.join(known)}; next: use a "
            "model that pools so"
        )
    return known[ways.pop()]
