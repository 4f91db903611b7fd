"""Experts compare too: blind sheets with both orders of every pair, and what comes back as verdicts.

Nothing on a sheet says whose answer it is; the key to it, and the secret behind the blind ids, stay beside the sheets.
Each expert's first half holds one order of every pair, drawn by hash, and the second half the other.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from huatuo import store
from huatuo.errors import DataError, InputError
from huatuo.eval.judging.pairs import ORDERS, Side, are_alike, verdict
from huatuo.eval.judging.replies import Read
from huatuo.eval.judging.sources import Pair, shown
from huatuo.files import write_atomic
from huatuo.readers.tables import Flaw, lines
from huatuo.records import Provenance
from huatuo.records_rated import JudgedAnswer, Verdict
from huatuo.store import content_id
from huatuo.text.cells import CELL_CHARS, clean, safe_cell

COLUMNS = ("id", "问题 question", "A", "B", "更好 better (A / B / 平 tie / 无法判断 cannot judge)", "备注 note")
"""The header of a sheet; ``id`` and the fifth and sixth column are read back."""

NOT_RETURNED = "not returned"
"""Why a verdict is missing whose row never came back."""

WORDS = {
    "a": "1", "b": "2", "平": "tie", "平手": "tie", "tie": "tie", "一样": "tie", "=": "tie", "c": "tie",
}  # fmt: skip
"""What is read as a verdict, in lower case."""

CANNOT = frozenset({"无法判断", "cannot judge", "不能判断", "?"})
"""What is read as no verdict."""

_STAGE = "judge sheets"


def write(pairs: Sequence[Pair], annotators: Sequence[str], folder: Path, seed: int) -> list[Path]:
    """The sheets written, one an expert; the key lies in ``folder/key``.

    Two answers that are alike are on no sheet. Raises InputError where a name stands twice or cannot name a file, or no
    pair is left.
    """
    if len(set(annotators)) < len(annotators) or not annotators:
        raise InputError(f"annotators {', '.join(annotators)!r}: expected different names; next: one name a person")
    if strange := [name for name in annotators if any(c in name for c in '/\\:*?"<>|\0')]:
        raise InputError(f"annotator {strange[0]!r} cannot name a file; next: give a plain name")
    asked = [pair for pair in pairs if not are_alike(pair)]
    if not asked:
        raise InputError(f"all {len(pairs)} pairs of answers are alike: there is nothing to compare")
    (folder / "sheets").mkdir(parents=True, exist_ok=True)
    made = []
    secret = _secret(folder)
    key = content_id(_STAGE, str(seed), *annotators, *(p.left.response_id + p.right.response_id for p in asked))
    every = {one.response_id: one for pair in asked for one in pair}
    with store.writing(folder / "key", stage=_STAGE, key=key, seed=seed) as out:
        for answer in shown(list(every.values())):
            out.write("answers", answer)
        for annotator in annotators:
            rows = [list(COLUMNS)]
            for pair, first in _order(asked, annotator, seed):
                blind = _blind(secret, pair, first, annotator)
                empty = Provenance(by="human")
                read = Read(None, NOT_RETURNED)
                out.write("verdicts", verdict(pair, first, annotator, read, "", empty, "human", blind))
                texts = (pair.left, pair.right) if first == "left" else (pair.right, pair.left)
                rows.append([blind, *(_cell(t) for t in (pair.left.question, *(one.text for one in texts))), "", ""])
            made.append(folder / "sheets" / f"{annotator}.csv")
            text = io.StringIO()
            csv.writer(text, lineterminator="\r\n").writerows(rows)
            write_atomic(made[-1], "\ufeff" + text.getvalue())
    return made


def _cell(text: str) -> str:
    cell = safe_cell(clean(text))
    if len(cell) >= CELL_CHARS:
        raise InputError(f"an answer of {len(cell):,} characters does not fit a cell; next: leave its question out")
    return cell


def _secret(folder: Path) -> bytes:
    """The secret of a study, made the first time: sheets that are written again keep their ids.

    Without it an expert who guesses a model's name could compute the id and see that the guess was right.
    """
    path = folder / "secret.txt"
    if not path.exists():
        write_atomic(path, secrets.token_hex(32) + "\n")
        path.chmod(0o600)
    return bytes.fromhex(path.read_text(encoding="utf-8").strip())


def _blind(secret: bytes, pair: Pair, first: Side, annotator: str) -> str:
    text = "\0".join(("blind", annotator, pair.left.response_id, pair.right.response_id, first))
    return hmac.new(secret, text.encode("utf-8"), hashlib.sha256).hexdigest()[:12]


def _order(pairs: Sequence[Pair], annotator: str, seed: int) -> Iterator[tuple[Pair, Side]]:
    """Every pair twice: first one order of all, shuffled by hash, then the other, shuffled anew."""

    def draw(pair: Pair, what: str) -> str:
        return content_id(what, str(seed), annotator, pair.left.response_id, pair.right.response_id)

    begins = {id(pair): ORDERS[int(draw(pair, "side"), 16) % 2] for pair in pairs}
    for half in (0, 1):
        for pair in sorted(pairs, key=lambda pair: draw(pair, f"half {half}")):
            first = begins[id(pair)]
            yield pair, first if not half else ORDERS[1 - ORDERS.index(first)]


def read(folder: Path, paths: Sequence[Path]) -> list[Verdict]:
    """The verdicts of every sheet of the study, those that did not come back as unparsed.

    Raises InputError for a cell that is no verdict, an unknown id, or one that stands twice, with file and row; then
    nothing is taken.
    """
    if not (folder / "key" / "manifest.json").exists():
        raise DataError(f"{folder}: holds no sheets; next: huatuo judge sheets")
    known = {one.id: one for one in store.read(folder / "key", "verdicts", Verdict)}
    found: dict[str, Verdict] = {}
    for path in paths:
        for place, blind, said, note in _rows(path):
            if blind not in known:
                raise InputError(f"{path}: {place}: id {blind!r} is of no sheet in {folder}; next: check the file")
            if blind in found:
                raise InputError(f"{path}: {place}: id {blind!r} stands twice; next: leave one of them out")
            found[blind] = _filled(known[blind], said, note, f"{path}: {place}")
    return [found.get(blind, one) for blind, one in known.items()]


def answers(folder: Path) -> list[JudgedAnswer]:
    """The answers on the sheets of a study."""
    return list(store.read(folder / "key", "answers", JudgedAnswer))


def _rows(path: Path) -> Iterator[tuple[str, str, str, str]]:
    columns: dict[str, int] = {}
    for line in lines(path):
        if isinstance(line, Flaw):
            if line.is_lost:
                raise InputError(f"{path}: {line.place}: {line.message}; next: mend the sheet")
            continue
        number, cells = line
        texts = [(cell if isinstance(cell, str) else str(cell.shown)).strip() for cell in cells]
        if not columns:
            names = [name.split(" ")[0].lower() for name in texts]
            wanted = {"id": "id", "better": "更好", "note": "备注"}
            columns = {key: names.index(name) for key, name in wanted.items() if name in names}
            if not {"id", "better"} <= set(columns):
                raise InputError(f"{path}: no columns id and 更好 in {', '.join(texts)}; next: keep the header")
        elif any(texts):
            values = [
                texts[columns[key]] if columns.get(key, 10**6) < len(texts) else "" for key in ("id", "better", "note")
            ]
            yield f"row {number}", values[0], values[1], values[2]


def _filled(one: Verdict, said: str, note: str, place: str) -> Verdict:
    word = unicodedata.normalize("NFKC", said).strip().strip("。. ").lower()
    if not word:
        return one.model_copy(update={"unparsed": "left empty", "said": note})
    if word in CANNOT:
        return one.model_copy(update={"unparsed": "cannot judge", "said": note})
    if word not in WORDS:
        raise InputError(
            f"{place}: {said!r} is no verdict; expected A, B, 平 (tie) or 无法判断 (cannot judge); next: mend it"
        )
    second = "right" if one.first == "left" else "left"
    winner = {"1": one.first, "2": second, "tie": "tie"}[WORDS[word]]
    return one.model_copy(update={"winner": winner, "unparsed": "", "said": note})
