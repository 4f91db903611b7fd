"""Vectors of sentences by a local model: the mean of its last layer over the tokens of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from huatuo.errors import ModelError, require

MOST_TOKENS = 256
"""Tokens of a text that count; a passage of 400 characters has about as many."""


def embedder(folder: Path) -> Callable[[Sequence[str]], npt.NDArray[np.float64]]:
    """A function from texts to their vectors of length 1, (texts, hidden size), by the encoder in a local folder.

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

    def vectors(texts: Sequence[str]) -> npt.NDArray[np.float64]:
        found = np.zeros((len(texts), model.config.hidden_size))
        with torch.inference_mode():
            for place, text in enumerate(texts):
                ids = tokenizer(text, truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
                if ids["input_ids"].shape[1]:
                    mean = model(**ids).last_hidden_state[0].mean(dim=0).double().numpy()
                    found[place] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return found

    return vectors
