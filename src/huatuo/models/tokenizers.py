"""Tokenizers: one made of characters for models trained from scratch, and loading one that others made, with proof."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from huatuo.errors import ModelError, require
from huatuo.files import write_atomic
from huatuo.models.originals import is_original

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


CHATGLM_SPECIALS = ("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>")
CHATGLM3_SPECIALS = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
"""Tokens that ChatGLM2 and ChatGLM3 number after those of tokenizer.model, in this order (tokenization_chatglm.py of
both releases; the second line is ChatGLM3's). Written there sop and eop, here as GLM-4 writes them: a word like
misoprostol must not hold a control token."""

BAICHUAN_SPECIALS = ("<reserved_102>", "<reserved_103>", "<reserved_106>", "<reserved_107>")
"""Pieces of tokenizer.model that say who speaks in Baichuan's (the first two) and Baichuan2's chats: special, so that a
typed one stays text."""


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a local folder. No network, no code from the folder.

    Of a release that brings a tokenizer class of its own (`is_original`), it is made from tokenizer.model with options
    that give SentencePiece's ids. Raises ModelError where there is none, where it has no EOS, or where it gives other
    ids than the SentencePiece model beside it. PAD may be missing or equal EOS: masks here never depend on the pad id.
    """
    require("transformers", "train")
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise ModelError(
            f"{folder}: no tokenizer; expected one of {', '.join(TOKENIZER_FILES)}; next: copy the tokenizer "
            "files of the "
            "base model into the folder"
        )
    if not _has_own_class(folder):
        tokenizer = _open(folder, {})
    elif (folder / "tokenizer.json").exists():
        tokenizer = _open_fast(folder)
    else:
        tokenizer = _from_sentencepiece(folder)
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


def _has_own_class(folder: Path) -> bool:
    path = folder / "config.json"
    if not path.exists():
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error}); next: copy the file again") from None
    return isinstance(found, dict) and is_original(found)


def _open_fast(folder: Path) -> Any:
    """The tokenizer.json as it is: config.json names no class that transformers knows."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def _from_sentencepiece(folder: Path) -> Any:
    """A fast tokenizer with the ids of tokenizer.model, its control tokens as tokenizer_config.json names them."""
    model = folder / "tokenizer.model"
    if not model.exists():
        raise ModelError(f"{folder}: no tokenizer.model and no tokenizer.json; next: copy it from the release")
    processor = require("sentencepiece", "train").SentencePieceProcessor(model_file=str(model))
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8")) if _has_config(folder) else {}
    named = {name: _content(config.get(name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    names = {name: text for name, text in named.items() if text}
    names.setdefault("eos_token", processor.id_to_piece(processor.eos_id()) if processor.eos_id() >= 0 else "</s>")
    names.setdefault("unk_token", processor.id_to_piece(processor.unk_id()))
    for prefix in (False, True):
        tokenizer = _as_llama(model, {**names, "add_prefix_space": prefix})
        if not _differences(tokenizer, processor):
            break
    speakers = [mark for mark in BAICHUAN_SPECIALS if processor.piece_to_id(mark) != processor.unk_id()]
    if config.get("tokenizer_class") == "BaichuanTokenizer" and speakers:
        tokenizer.add_special_tokens({"additional_special_tokens": speakers})
    if config.get("tokenizer_class") == "ChatGLMTokenizer":
        wanted = [*CHATGLM_SPECIALS, *(CHATGLM3_SPECIALS if _is_chatglm3(config) else ())]
        tokenizer.add_special_tokens({"additional_special_tokens": wanted})
        numbers = [tokenizer.convert_tokens_to_ids(text) for text in wanted]
        first = processor.get_piece_size()
        if numbers != list(range(first, first + len(wanted))):
            raise ModelError(
                f"{folder}: the control tokens {', '.join(wanted)} have the ids {numbers}; expected {first} and "
                "following, as the release numbers them; next: save a tokenizer.json with the release's own code"
            )
    return tokenizer


def _as_llama(model: Path, options: dict[str, Any]) -> Any:
    """The tokenizer that transformers makes of a tokenizer.model alone, as it does for a LLaMA's folder."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copy(model, Path(place) / model.name)
        about = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": False, "legacy": False, **options}
        (Path(place) / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
        tokenizer = _open(Path(place), {})
    tokenizer.name_or_path = model.parent.name
    return tokenizer


def _content(token: Any) -> str:
    """The text of a token, which tokenizer_config.json gives as a string or as an object."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token or "")


def _is_chatglm3(config: dict[str, Any]) -> bool:
    """Whether the release has tokens of its own for who speaks: ChatGLM3's tokenizer_config.json lists them."""
    return CHATGLM3_SPECIALS[1] in json.dumps(config)


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
