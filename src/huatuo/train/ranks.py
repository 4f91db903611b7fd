"""Training on several processes: PyTorch's own sharding (FSDP2), started by ``torchrun``.

Every process plans the same steps, so what a step learns does not depend on how many there are: only which process
computes which micro-batch does. One process is the same code with nobody to wait for.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from huatuo.errors import HuatuoError, TrainingError
from huatuo.train.pack import Integers
from huatuo.train.stopping import stopping_together

PATIENCE = timedelta(days=7)
"""How long a process waits for the first, which makes everything that training reads before it starts."""

CPU = torch.device("cpu")

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen from one of them."""

    rank: int = 0
    """Number of this process."""
    size: int = 1
    """How many there are."""
    device: torch.device = CPU
    """Where this process computes."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes what the run leaves behind."""
        return self.rank == 0

    def sums(self, *values: float) -> list[float]:
        """Each value summed over the processes, in fp64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """The value of each process, by rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value)
        return found

    def told(self, value: Any = None) -> Any:
        """What the first process says, at every process; the others' own values do not count."""
        if self.size == 1:
            return value
        said = [value]
        torch.distributed.broadcast_object_list(said, src=0)
        return said[0]

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process makes; at the others the same, its parameters without their numbers (on ``meta``).

        So one process of all reads the weights of a base. An error with a message for the user is raised by all.
        """
        if self.size == 1:
            return make()
        try:
            made: T | HuatuoError | None = make() if self.is_first else None
        except HuatuoError as error:
            made = error
        said = self.told(without_numbers(made) if self.is_first else None)
        found: Any = made if self.is_first else pickle.loads(said)  # which this program wrote, in its first process
        if isinstance(found, HuatuoError):
            raise found
        return found  # type: ignore[no-any-return]

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()


def device_of(wanted: str, local_rank: int = 0) -> torch.device:
    """Where training computes: a GPU of this machine where there is one and the recipe does not say ``cpu``.

    Raises TrainingError where it says ``cuda`` and there is none for this process.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise TrainingError(
            f'train.device = "{wanted}": process {local_rank} of this machine found {torch.cuda.device_count()} GPUs; '
            'next: start as many processes as there are GPUs (torchrun --nproc_per_node), or set train.device = "cpu"'
        )
    return torch.device("cuda", local_rank)


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """This process among those that ``torchrun`` started; alone otherwise.

    Where one fails all end, each with its error.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks(device=device_of(device))
        return
    here = device_of(device, int(os.environ.get("LOCAL_RANK", "0")))
    if here.type == "cuda":
        torch.cuda.set_device(here)
    torch.distributed.init_process_group("gloo" if here.type == "cpu" else "cuda:nccl,cpu:gloo", timeout=PATIENCE)
    rank = torch.distributed.get_rank()
    with stopping_together(rank):
        yield Ranks(rank, torch.distributed.get_world_size(), here)
    torch.distributed.destroy_process_group()  # not after an error: it might wait for a process that is gone


# ---------------------------------------------------------------- who computes what


def dealt(micro_batches: Sequence[Integers], lengths: Integers, ranks: Ranks) -> list[tuple[Integers, bool]]:
    """This process's micro-batches of a step, and whether each counts; every process gets the same number.

    Sharded layers are gathered by all processes at once, so all must run as often. Micro-batches are halved until
    there is one for each; where the last round lacks some, one is run again and counts nothing.
    """
    if ranks.size == 1:
        return [(micro, True) for micro in micro_batches]
    parts = list(micro_batches)
    while len(parts) % ranks.size:
        largest = max(range(len(parts)), key=lambda k: (len(parts[k]) > 1, int(lengths[parts[k]].sum()), -k))
        if len(parts[largest]) < 2:
            break
        half = len(parts[largest]) // 2
        parts[largest : largest + 1] = [parts[largest][:half], parts[largest][half:]]
    parts.sort(key=lambda part: -int(lengths[part].sum()))  # those of one round take about as long
    rounds = -(-len(parts) // ranks.size)
    places = [turn * ranks.size + ranks.rank for turn in range(rounds)]
    return [(parts[place], True) if place < len(parts) else (parts[0], False) for place in places]


# ---------------------------------------------------------------- sharding


class _Frame(pickle.Pickler):
    """Pickles parameters as their shapes; a parameter that stands in two places still does after reading."""

    def reducer_override(self, thing: Any) -> Any:
        """How a parameter is made again; everything else as usual."""
        if isinstance(thing, nn.Parameter):
            return _empty, (tuple(thing.shape), thing.dtype, thing.requires_grad)
        return NotImplemented


def _empty(shape: tuple[int, ...], dtype: torch.dtype, requires_grad: bool) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=dtype, device="meta"), requires_grad)


def without_numbers(thing: Any) -> bytes:
    """Anything as a pickle in which parameters are shapes only; buffers (RoPE's frequencies) are in it as they are."""
    found = io.BytesIO()
    _Frame(found).dump(thing)
    return found.getvalue()


def sharded(model: nn.Module, ranks: Ranks, precision: str) -> nn.Module:
    """The model on its device, its weights, gradients and optimiser states split among the processes.

    Numbers come from the first process, layer by layer: a layer is split before the next is sent, so that no device
    ever holds more than one in full. With several processes and ``bf16``, weights are gathered in bf16 (half the
    traffic) and gradients summed in fp32.
    """
    if ranks.size == 1:
        return model.to(ranks.device)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
    from torch.distributed.tensor import DTensor

    mesh = init_device_mesh(ranks.device.type, (ranks.size,))
    gathered = torch.bfloat16 if precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=gathered, reduce_dtype=torch.float32 if gathered else None)
    for part in (*blocks(model), model):
        for parameter in part.parameters():
            if not isinstance(parameter, DTensor):  # of the whole model, what no layer has
                _fill(parameter, ranks)
        fully_shard(part, mesh=mesh, mp_policy=policy)
    return model


@torch.no_grad()
def _fill(parameter: nn.Parameter, ranks: Ranks) -> None:
    """Put the first process's numbers into a parameter, on this process's device."""
    if ranks.is_first:
        full = parameter.detach().to(ranks.device).contiguous()
    else:
        full = torch.empty(parameter.shape, dtype=parameter.dtype, device=ranks.device)
    torch.distributed.broadcast(full, src=0)
    if ranks.is_first:
        parameter.data = full
    else:  # the parameter stays the same object, so that tied ones stay tied
        torch.utils.swap_tensors(parameter, nn.Parameter(full, parameter.requires_grad))  # type: ignore[no-untyped-call]


def blocks(model: Any) -> list[nn.Module]:
    """The blocks that transformers says must not be split; else the members of the longest list of modules."""
    inner: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
    names = set(getattr(inner, "_no_split_modules", None) or ())
    found = [module for module in inner.modules() if type(module).__name__ in names]
    if found:
        return found
    lists = [list(module) for module in inner.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len, default=[])


def own_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Every parameter by name, as the optimisers know it: of several processes, this one's part.

    A forward pass without a backward pass (an evaluation) leaves what no layer has, embedding, head and norm, gathered:
    copies, which no optimiser knows and into which nothing must be put. They are let go here.
    """
    if torch.distributed.is_initialized():
        from torch.distributed.fsdp import FSDPModule

        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
    return list(model.named_parameters())


def whole(tensor: Tensor) -> Tensor:
    """A tensor in full, wherever its parts are; every process must ask for it at the same time."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_weights(model: nn.Module, ranks: Ranks) -> dict[str, Any] | None:
    """All weights by name in the first process's memory, empty in the others; None where the model has them itself."""
    if ranks.size == 1:
        return None
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))


def part_of(full: Tensor, like: Tensor) -> Tensor:
    """The part of a full tensor, known to every process, that belongs to this one: split as ``like`` is."""
    mesh = getattr(like, "device_mesh", None)
    if mesh is None:
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full, mesh, like.placements, src_data_rank=None)  # type: ignore[attr-defined]


def random_states(device: torch.device) -> dict[str, Any]:
    """The states of the generators that a step may draw from, as a checkpoint may hold them."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    found: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached],
    }
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def set_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Put the generators back."""
    torch.set_rng_state(states["torch"])
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
