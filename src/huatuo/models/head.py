"""A model whose output head, and on request its last layer, is applied to chosen positions only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Self

from torch import Tensor, nn

from huatuo.errors import ModelError

WORTH = 0.5
"""The last layer is trimmed where at most this share of the positions is chosen: gathering has a price too."""


class ChosenHead:
    """The model with its head applied to chosen positions only.

    Logits are the largest tensor of a small model, and at most positions nobody looks at them. A hook on the head
    leaves those out for every architecture, layout and adapter, whatever its inner names are. What the last layer does
    after its keys and values are known serves the same positions only, so it can be left out too.
    """

    worth = WORTH

    def __init__(self, model: nn.Module):
        self.model = model
        self.trims = False
        """Whether the parts that were hooked with ``trim`` are trimmed at this moment."""
        self._chosen: Tensor | None = None

    @contextmanager
    def attached(self, trim: bool = False) -> Iterator[Self]:
        """Hook the head for the length of the block; ``trim``: the last layer's feed-forward and the output of its
        attention too, where the model has them under their usual names, for as long as ``trims`` is set.

        Raises ModelError for a model without an output head.
        """
        get = getattr(self.model, "get_output_embeddings", None)
        head = get() if get is not None else None
        if not isinstance(head, nn.Module):
            raise ModelError(
                f"{type(self.model).__name__} has no output head; expected a causal language model; "
                "next: name a model of that kind"
            )
        with ExitStack() as stack:
            stack.callback(head.register_forward_pre_hook(self._select).remove)
            for part in _last_parts(self.model) if trim else ():
                stack.callback(_Trimmed(self, part).remove)
            yield self

    @property
    def chosen(self) -> Tensor | None:
        """The places chosen at this moment, in the flattened (rows x columns) input; None: all."""
        return self._chosen

    def _select(self, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._chosen is None:
            return inputs
        hidden = inputs[0]  # (rows, columns, width)
        return (hidden.reshape(-1, hidden.shape[-1]).index_select(0, self._chosen)[None], *inputs[1:])

    def output(self, chosen: Tensor | None, **inputs: Any) -> Any:
        """What the model returns, its logits of shape (1, chosen, vocabulary).

        ``chosen``: places in the flattened (rows x columns) input, as int64 on the model's device; None: all of them.
        """
        self._chosen = chosen
        try:
            return self.model(**inputs)
        finally:
            self._chosen = None


def _last_parts(model: Any) -> list[nn.Module]:
    """The feed-forward and the attention's output projection of the last layer, where they have their usual names."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = getattr(getattr(inner, "model", None), "layers", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return []
    last = layers[-1]
    parts = (getattr(last, "mlp", None), getattr(getattr(last, "self_attn", None), "o_proj", None))
    return [part for part in parts if isinstance(part, nn.Module)]


class _Trimmed:
    """A module that works position by position, given the chosen positions only; zeros stand at the others."""

    def __init__(self, head: ChosenHead, module: nn.Module):
        self._head = head
        self._shape: tuple[int, int] | None = None
        self._hooks = [module.register_forward_pre_hook(self._gather), module.register_forward_hook(self._scatter)]

    def remove(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()

    def _gather(self, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        chosen, self._shape = self._head.chosen, None
        if chosen is None or not self._head.trims or len(inputs) != 1 or inputs[0].dim() != 3:
            return inputs
        rows, columns, width = inputs[0].shape
        if len(chosen) > self._head.worth * rows * columns:
            return inputs
        self._shape = (rows, columns)
        return (inputs[0].reshape(-1, width).index_select(0, chosen)[None],)

    def _scatter(self, _module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        if self._shape is None:
            return output
        rows, columns = self._shape
        full = output.new_zeros((rows * columns, output.shape[-1]))
        return full.index_copy_(0, self._head.chosen, output[0]).view(rows, columns, -1)
