"""Every error that huatuo raises on purpose.

::

    HuatuoError                 names the thing, the place, what was expected and the next step
    ├── RecipeError             the recipe is wrong: file, line, key, nearest known key
    ├── InputError              a file that was handed in is missing, unreadable or malformed
    ├── DataError               a data set on disk is unfinished, damaged, or from a newer version
    │   └── BusyError           another process is writing to the same folder
    ├── ConservationError       a stage lost a record, or accounted for it twice
    ├── StageError              a stage produced nothing, or dropped more than the recipe allows
    ├── FormatError             messages cannot be turned into token ids as asked
    ├── ModelError              a base model, tokenizer, adapter or checkpoint cannot be used
    │   ├── RefusedError        an endpoint refuses for good (key, address, price, money limit)
    │   └── WaitingError        a file with answers has to be brought before the run can go on
    ├── TrainingError           training cannot go on (loss is not a number, nothing to learn)
    └── MissingExtraError       an optional dependency is not installed: says which extra to install

The command line prints ``str(error)`` and exits with 1 (with 75, "try again later", for WaitingError); a programming
error still shows its traceback.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class HuatuoError(Exception):
    """Base of every error with a message meant for the user."""


class RecipeError(HuatuoError):
    """The recipe is wrong; nothing was computed or paid for."""


class InputError(HuatuoError):
    """A file that was handed in is missing, unreadable or malformed as a whole."""


class DataError(HuatuoError):
    """A data set on disk is unfinished, damaged, or written by a newer version."""


class BusyError(DataError):
    """Another process is writing to the same folder."""


class ConservationError(HuatuoError):
    """A stage lost a record or accounted for it twice: a bug in the stage, never ignored."""


class StageError(HuatuoError):
    """A stage produced nothing, or dropped more than the recipe allows."""


class FormatError(HuatuoError):
    """Messages cannot be turned into token ids as asked."""


class ModelError(HuatuoError):
    """A base model, tokenizer, adapter or checkpoint cannot be used."""


class RefusedError(ModelError):
    """An endpoint refuses for good, so that asking again would waste time or money."""


class WaitingError(ModelError):
    """The run waits for a person to bring a file with answers; nothing is wrong."""


class TrainingError(HuatuoError):
    """Training cannot go on."""


class MissingExtraError(HuatuoError):
    """An optional dependency is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """The imported ``module``.

    Raises MissingExtraError, naming the extra to install, where it is absent.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the package {module!r}, which is not installed; next: pip install 'huatuo[{extra}]'"
        ) from error
