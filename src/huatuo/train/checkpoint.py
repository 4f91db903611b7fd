"""Checkpoints to resume from: whole or not there, newest first, bit for bit, by any number of processes.

A checkpoint is a folder ``step-<number>``: tensors as PyTorch's distributed checkpoint (each process writes what it
holds), the random states of each process, and ``about.json`` with the hash of every file. It is written beside, synced
and renamed; kill -9 at any moment leaves at worst a half folder beside the last whole one.
"""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from huatuo.errors import TrainingError
from huatuo.files import hash_file, sync_folder, write_atomic
from huatuo.train.disk import STEP, checkpoint_said, newest_first
from huatuo.train.ranks import Ranks, own_parameters, random_states, set_random_states

log = logging.getLogger(__name__)

ABOUT = "about.json"
"""What a checkpoint says of itself; written last."""

BESIDE = "writing.new"
"""Name of a checkpoint while it is written."""

WEIGHT = "weight"
"""What the name of a weight begins with; an optimiser's states begin with the optimiser's own word."""

# What the index of a distributed checkpoint is made of; it is a pickle, and nothing else in it is ever called.
_INDEX_PARTS = {
    ("torch.distributed.checkpoint.metadata", name)
    for name in (
        "Metadata", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata", "MetadataIndex",
        "StorageMeta", "_MEM_FORMAT_ENCODING",
    )
} | {
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch", "Size"), ("torch.serialization", "_get_layout"), ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"), ("pathlib._local", "PosixPath"),
}  # fmt: skip


def save(
    folder: Path,
    step: int,
    tensors: dict[str, Tensor],
    about: dict[str, Any],
    keep: int,
    ranks: Ranks,
    prefix: str = STEP,
) -> Path:
    """The checkpoint written for ``step``; all but the ``keep`` newest are removed after it is whole.

    Every process calls it with its parts of the tensors; ``about`` (plain values) is the first one's. Raises
    TrainingError where the disk does not take it; the checkpoints before it stay.
    """
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import save as save_tensors

    beside, target = folder / BESIDE, folder / f"{prefix}-{step:09d}"
    if ranks.is_first:
        shutil.rmtree(beside, ignore_errors=True)
        with checkpoint_said(folder, step):
            beside.mkdir(parents=True)
    ranks.wait()
    own = beside / _random_file(ranks.rank)
    with checkpoint_said(folder, step, sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())):
        with _unsaid():
            save_tensors(tensors, storage_writer=FileSystemWriter(beside, sync_files=True), no_dist=ranks.size == 1)
        kept = io.BytesIO()
        torch.save(random_states(ranks.device), kept)
        with own.open("wb") as file:
            file.write(kept.getvalue())
            file.flush()
            os.fsync(file.fileno())
    mine = [own, *beside.glob(f"__{ranks.rank}_*"), *(beside.glob(".metadata") if ranks.is_first else ())]
    hashes = {
        name: value for part in ranks.gathered({p.name: hash_file(p) for p in mine}) for name, value in part.items()
    }
    if ranks.is_first:
        said = {**about, "environment": environment(ranks), "files": hashes}
        with checkpoint_said(folder, step):
            write_atomic(beside / ABOUT, json.dumps(said, ensure_ascii=False) + "\n")
        sync_folder(beside)
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
        sync_folder(folder)
        for old in newest_first(folder, prefix)[keep:]:
            if old != target:
                shutil.rmtree(old)
    ranks.wait()
    return target


def newest(folder: Path, ranks: Ranks, prefix: str = STEP) -> Path | None:
    """The newest whole checkpoint of a folder; None where there is none. Damaged ones are passed over and named."""
    found = None
    if ranks.is_first:
        for path in newest_first(folder, prefix):
            if _is_whole(path):
                found = path
                break
            log.warning(
                "%s: damaged (a file's hash is not the one written down); an older one is used, where there is any",
                path,
            )
    return ranks.told(found)  # type: ignore[no-any-return]


def about(checkpoint: Path) -> dict[str, Any]:
    """What a whole checkpoint says of itself."""
    found: dict[str, Any] = json.loads((checkpoint / ABOUT).read_text(encoding="utf-8"))
    return found


def put_back(path: Path, model: nn.Module, ranks: Ranks) -> None:
    """Put the weights of a whole checkpoint into the model, and nothing else."""
    _load(path, weights(model), ranks)


def restore(path: Path, model: nn.Module, optimisers: Sequence[torch.optim.Optimizer], ranks: Ranks) -> None:
    """Put weights, optimisers and random states back, split as they are split here.

    Warns where the number of processes, the thread count, torch or the processor's abilities differ.
    """
    saved = _index(path).state_dict_metadata
    tensors = weights(model)
    owners = {id(p): o for o in optimisers for group in o.param_groups for p in group["params"]}
    states: dict[str, list[str]] = {}
    for key in saved:
        state, _, name = key.partition(".")
        if state != WEIGHT:
            states.setdefault(name, []).append(state)
    for name, p in own_parameters(model):
        for state in states.get(name, ()):
            kept = saved[f"{state}.{name}"]
            shape, dtype = tuple(kept.size), kept.properties.dtype
            empty = (
                torch.zeros_like(p.detach(), dtype=dtype)
                if shape == tuple(p.shape)
                else torch.zeros(shape, dtype=dtype)
            )
            empty = empty.to(p.device)
            owners[id(p)].state[p][state] = tensors[f"{state}.{name}"] = empty
    _load(path, tensors, ranks)
    random = path / _random_file(ranks.rank)
    if random.exists():
        set_random_states(torch.load(random, map_location="cpu", weights_only=True), ranks.device)
    before, here = about(path)["environment"], environment(ranks)
    for what in here if ranks.is_first else ():
        if here[what] != before[what]:
            log.warning(
                "resuming with %s = %s, the checkpoint was made with %s: the run goes on, "
                "but its losses will not be bit for bit those of an unbroken run",
                what, here[what], before[what],
            )  # fmt: skip


def weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights that training moves, under their names in a checkpoint."""
    return {f"{WEIGHT}.{name}": p.detach() for name, p in own_parameters(model) if p.requires_grad}


def capture(model: nn.Module, optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Every tensor that the next step depends on: trainable weights and the optimisers' states."""
    names = {id(p): name for name, p in own_parameters(model)}
    states = {
        f"{key}.{names[id(p)]}": value
        for optimiser in optimisers
        for p, kept in optimiser.state.items()
        for key, value in kept.items()
    }
    return weights(model) | states


def environment(ranks: Ranks) -> dict[str, str | int]:
    """What a bit-identical result depends on besides the data: processes, threads, torch, device."""
    device = torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else ""
    return {
        "processes": ranks.size,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "processor": device or torch.backends.cpu.get_cpu_capability(),
    }


# ---------------------------------------------------------------- files


class _IndexUnpickler(pickle.Unpickler):
    """Reads the index of a checkpoint and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class, where an index may hold it."""
        if (module, name) in _INDEX_PARTS or (
            module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in the index of a checkpoint")


def _index(path: Path) -> Any:
    """What tensors a checkpoint holds. Raises TrainingError for one that holds anything else."""
    try:
        with (path / ".metadata").open("rb") as file:
            found = _IndexUnpickler(file).load()
    except (pickle.UnpicklingError, AttributeError, EOFError) as error:
        raise TrainingError(
            f"{path}: not a checkpoint of tensors ({error}); next: remove the folder, an older checkpoint is then used"
        ) from None
    other = [key for key, kept in found.state_dict_metadata.items() if type(kept).__name__ != "TensorStorageMetadata"]
    if other:
        raise TrainingError(f"{path}: holds {other[0]!r}, which is no tensor; next: remove the folder")
    return found


def _load(path: Path, tensors: dict[str, Tensor], ranks: Ranks) -> None:
    """Fill tensors in place from a checkpoint."""
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load as load_tensors

    index = _index(path)

    class Reader(FileSystemReader):
        def read_metadata(self, *_args: Any, **_more: Any) -> Any:
            return index

    absent = [name for name in tensors if name not in index.state_dict_metadata]
    if absent:
        raise TrainingError(
            f"{path}: lacks {absent[0]} and {len(absent) - 1} more; it was made from another model; "
            "next: remove the folder and train again"
        )
    with _unsaid():
        load_tensors(tensors, storage_reader=Reader(path), no_dist=ranks.size == 1)


@contextmanager
def _unsaid() -> Iterator[None]:
    """Without torch's warning that one process saves alone, which is what was asked for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled", category=UserWarning)
        yield


def _random_file(rank: int) -> str:
    return f"random-{rank}.pt"


def _is_whole(path: Path) -> bool:
    """Whether every file of a checkpoint has the hash that was written down."""
    try:
        files = about(path)["files"]
    except (OSError, ValueError, KeyError):
        return False
    return all((path / name).exists() and hash_file(path / name) == value for name, value in files.items())
