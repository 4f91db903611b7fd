"""Tokenizers: one made of characters for models trained from scratch, and loading one that others made, with proof."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from huatuo.errors import ModelError, require
from huatuo.files import write_atomic

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
"""Special tokens of a character tokenizer, with ids 0, 1 and 2. It has no BOS."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
"""A folder with none of these holds no tokenizer."""

_PROBES = (
    "你好",
    "怎么保持健康？",
    "患者每日服用某药 30mg，一日 1 次。",
    "<问>：累了怎么办\n<答>：多休息。",
    "Take 2 tablets (500 mg) twice daily.",
    "two  blanks  inside  ",
    "line\nbreak\n\nand tab\tend",
    "β受体阻滞剂 ≤ 5 μg/L，37.5℃",
    "生僻字：䶮𠮷𪚥 😀",
    "全角ＡＢＣ１２３，。",
    "CD4+T细胞/HIV-1",
    "1. 一\n2. 二",
    "。",
    "a",
)
"""Texts on which a loaded tokenizer is compared with SentencePiece itself. None begins with a blank: fast tokenizers
merge it with SentencePiece's own, and no message begins with one here (`huatuo.models.formats`)."""


def character_tokenizer(texts: Iterable[str], folder: Path) -> Any:
    """A fast Hugging Face tokenizer with one token per character of the texts, saved to the folder.

    The vocabulary is sorted by frequency, then code point, so the same texts give the same ids in any order. Line ends
    and blanks are characters like any other: decoding gives back the text. Raises ModelError where the texts are empty.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    if not counts:
        raise ModelError(
            "a character tokenizer needs texts, and there is no character in them; next: look at the pairs"
        )
    characters = sorted(counts, key=lambda c: (-counts[c], c))
    vocabulary = {token: i for i, token in enumerate([PAD, EOS, UNKNOWN, *characters])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
    save_tokenizer(tokenizer, folder)
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer to a folder so that older and newer transformers find its class."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("tokenizer_class") == "TokenizersBackend":  # a name that transformers 4 does not know
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_atomic(path, json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a local folder. No network, no code from the folder.

    Raises ModelError where there is none, where it has no EOS, or where it gives other ids than the SentencePiece model
    beside it. PAD may be missing or equal EOS: masks here never depend on the pad id.
    """
    require("transformers", "train")
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise ModelError(
            f"{folder}: no tokenizer; expected one of {', '.join(TOKENIZER_FILES)}; next: copy the tokenizer "
            "files of the "
            "base model into the folder"
        )
    tokenizer = _open(folder, {})
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError(
            f"{folder}: {type(tokenizer).__name__} is not a fast tokenizer; expected tokenizer.json; next: "
            "convert it once "
            "with transformers and save it"
        )
    if (folder / "tokenizer.model").exists():
        _compare_with_sentencepiece(tokenizer, folder)
    if tokenizer.eos_token is None:
        raise ModelError(
            f"{folder}: the tokenizer has no EOS token, so an answer could not end; next: set eos_token in "
            "tokenizer_config.json to the token that ends a text in this model"
        )
    return tokenizer


def pad_id(tokenizer: Any) -> int:
    """Id to fill up rows with: PAD, or EOS where there is none. Attention masks hide it either way."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


def _open(folder: Path, options: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{folder}: the tokenizer cannot be loaded ({first}); expected files of a Hugging Face tokenizer that "
            "needs no "
            "code of its own; next: pip install 'huatuo[train]' (sentencepiece, protobuf), or save a tokenizer.json"
        ) from error


def _differences(tokenizer: Any, processor: Any) -> list[str]:
    return [p for p in _PROBES if tokenizer(p, add_special_tokens=False)["input_ids"] != processor.encode(p)]


def _compare_with_sentencepiece(tokenizer: Any, folder: Path) -> None:
    """Without this, a wrong guess of the class puts a blank before every text, and nothing fails but the answers."""
    processor = require("sentencepiece", "train").SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    wrong = _differences(tokenizer, processor)
    if not wrong:
        return
    advice = "convert tokenizer.model anew, or remove it if the model was trained with tokenizer.json"
    for name, value in (("add_prefix_space", False), ("add_prefix_space", True), ("legacy", True), ("legacy", False)):
        try:
            mended = not _differences(_open(folder, {name: value}), processor)
        except ModelError:
            continue  # this option does not fit the class; the next may
        if mended:
            advice = f'set "{name}": {json.dumps(value)} in tokenizer_config.json, which makes them equal'
            break
    else:
        wanted = json.loads((folder / "tokenizer_config.json").read_text()) if _has_config(folder) else {}
        advice += f"; tokenizer_class is {wanted.get('tokenizer_class', 'not stated')} (option tokenizer_class)"
    raise ModelError(
        f"{folder}: {type(tokenizer).__name__} gives other ids than tokenizer.model on {len(wrong)} of "
        f"{len(_PROBES)} probe "
        f"texts, for example {wrong[0]!r}; expected the same ids; next: {advice}"
    )


def _has_config(folder: Path) -> bool:
    return (folder / "tokenizer_config.json").exists()
