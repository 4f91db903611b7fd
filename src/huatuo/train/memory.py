"""What training needs, from the shape of a base: memory of each process, term by term, and time as a formula.

The terms follow what `huatuo.train.loop` does on one process and, with several, what `huatuo.train.ranks` shards.
They count tensors; what the allocator wastes is in `USABLE`. Without a GPU nothing of this was measured on one.
`letters` says what the letters of the formulas stand for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from huatuo.recipe import LoraSettings, TrainSettings
from huatuo.train.shapes import Shape

LEARNED_SHARE = 0.5
"""Assumed share of a micro-batch that is learned (HuaTuo's pairs: 47 % of the tokens are answers)."""

GPU_BYTES = 80e9
"""Memory of the GPU that is counted in: 80 GB, as A100 and H100 have."""

USABLE = 0.9
"""Assumed share of it that tensors can fill: the rest is the CUDA context and what the allocator cannot join."""

MOST_GPUS = 64
"""As far as it is counted."""

FP32, BF16 = 4, 2
"""Bytes."""

NF4 = 0.516
"""Bytes of a weight in NF4: 4 bits, 8 more for 64 weights and 32 for 64 x 256 (arXiv 2305.14314, quantised twice)."""


@dataclass(frozen=True)
class Term:
    """One part of the memory of a process."""

    name: str
    bytes: float
    formula: str
    """In the letters of `letters`."""

    @property
    def says(self) -> str:
        """What it is, for people."""
        return SAYS[self.name]


SAYS: Mapping[str, str] = {
    "weights": "every weight, an adapter's too",
    "gradients": "a number for each weight that is trained",
    "AdamW": "two running means for each weight that is trained",
    "Muon": "a running mean for each weight that is trained, two where it is in no matrix",
    "gathered": "layers that all processes put together while they compute, and their gradients before they are split",
    "bf16 copies": "of the matrices, which bf16 multiplies with",
    "activations": "what the forward pass keeps for the backward pass",
    "ALiBi mask": "what is added to the score of every two tokens of a row, for each head",
    "loss": "logits of the learned tokens and their gradient: the fullest moment of a step",
    "backward": "gradients within a layer: the fullest moment of a step",
    "update": "Muon's new directions for the matrices of one shape: the fullest moment of a step",
}
"""What each term is."""


@dataclass(frozen=True)
class Load:
    """What is trained, and by how many."""

    shape: Shape
    settings: TrainSettings
    processes: int = 1
    tokens: int = 0
    """Tokens of a micro-batch, padding included; 0: as many as it may have."""
    learned: int = 0
    """Learned tokens of a micro-batch; 0: `LEARNED_SHARE` of them."""
    row: int = 0
    """Tokens of a row of a micro-batch, padding included; 0: as many as it may have."""

    @property
    def micro_tokens(self) -> int:
        """N."""
        return self.tokens or self.settings.batch_tokens

    @property
    def micro_learned(self) -> int:
        """t."""
        return self.learned or round(self.micro_tokens * LEARNED_SHARE)

    @property
    def row_tokens(self) -> int:
        """W."""
        return self.row or (self.settings.window if self.settings.layout == "bucketed" else self.micro_tokens)

    @property
    def is_bf16(self) -> bool:
        """Whether matrices are multiplied in bf16."""
        return self.settings.precision == "bf16"

    @property
    def is_sharded(self) -> bool:
        """Whether weights are split among processes; in bf16 the hidden states are then bf16 as well."""
        return self.processes > 1

    @property
    def is_four_bit(self) -> bool:
        """Whether the base lies in 4 bits under its adapter."""
        return self.settings.lora is not None and self.settings.lora.base_weights == "nf4"

    @property
    def trained(self) -> int:
        """T."""
        lora = self.settings.lora
        if lora is None:
            return self.shape.parameters
        norms = sum(self.shape.module(name)[1] for name in lora.targets) * self.shape.layers
        return self.shape.adapted(lora.r, lora.targets) + (norms if lora.variant == "dora" else 0)

    @property
    def adapter(self) -> int:
        """Weights that stand beside the base's."""
        return self.trained if self.settings.lora is not None else 0


# ---------------------------------------------------------------- memory


def memory(load: Load) -> list[Term]:
    """Bytes of one process at the fullest moment of a step, term by term."""
    n, trained, all_weights = load.processes, load.trained, load.shape.parameters + load.adapter
    over = "/n" if load.is_sharded else ""
    terms = [
        _weights(load, all_weights),
        Term("gradients", FP32 * trained / n, f"4 T{over}"),
        _optimiser(load),
    ]
    if load.is_sharded:
        terms.append(_gathered(load))
    elif load.is_bf16:
        terms.append(_copies(load))
    terms.append(_kept(load))
    if load.shape.alibi:
        terms.append(_alibi_mask(load))
    terms.append(_passing(load))
    return [term for term in terms if term.bytes]


def _weights(load: Load, count: int) -> Term:
    """All weights, an adapter's too; under QLoRA the matrices of the layers in 4 bits."""
    if not load.is_four_bit:
        return Term("weights", FP32 * count / load.processes, f"4 P{'/n' if load.is_sharded else ''}")
    matrices = load.shape.layers * load.shape.layer_matrices
    return Term("weights", FP32 * (count - matrices) + NF4 * matrices, f"4 (P - layers) + {NF4} layers")


def _optimiser(load: Load) -> Term:
    over = "/n" if load.is_sharded else ""
    if load.settings.optimiser == "adamw":
        return Term("AdamW", 2 * FP32 * load.trained / load.processes, f"8 T{over}")
    matrices = _muon_matrices(load)
    held = FP32 * matrices + 2 * FP32 * (load.trained - matrices)
    return Term("Muon", held / load.processes, f"(4 M + 8 (T - M)){over}")


def _muon_matrices(load: Load) -> int:
    shape = load.shape
    return load.adapter or shape.layers * shape.layer_matrices


def _gathered(load: Load) -> Term:
    """The layer that computes and the next one in full, embedding and head all the time; their gradients before they
    are split: in the precision of the computation, and in fp32 to be summed."""
    shape, width = load.shape, BF16 if load.is_bf16 else FP32
    layer, ends = shape.layer + load.adapter // shape.layers, shape.ends
    trains_base = load.settings.lora is None
    gradient = (layer + ends if trains_base else load.adapter // shape.layers) * (width + FP32)
    formula = f"{width} (2 layer + ends) + {width + FP32} ({'layer + ends' if trains_base else 'adapter of a layer'})"
    return Term("gathered", width * (2 * layer + ends) + gradient, formula)


def _copies(load: Load) -> Term:
    """bf16 copies of the matrices, which autocast makes on one process: of a layer where each is computed again."""
    shape = load.shape
    if load.settings.gradient_checkpointing:
        return Term("bf16 copies", BF16 * (shape.layer_matrices + load.adapter), "2 layer")
    return Term("bf16 copies", BF16 * _copied(load), "2 (layers + head)")


def _copied(load: Load) -> int:
    """Weights in all matrices."""
    shape = load.shape
    return shape.layers * shape.layer_matrices + load.adapter + shape.vocabulary * shape.hidden


def _kept(load: Load) -> Term:
    """What the forward pass keeps for the backward pass."""
    shape, tokens = load.shape, load.micro_tokens
    states = BF16 if load.is_bf16 and load.is_sharded else FP32
    if load.settings.gradient_checkpointing:
        kept = states * tokens * shape.hidden * shape.layers
        return Term("activations", kept, f"{states} N h L, each layer's input")
    per_token, formula = _layer_per_token(load)
    mask, said = _mask(load)
    return Term("activations", shape.layers * (tokens * per_token + mask), f"N L ({formula}){said}")


def _alibi_mask(load: Load) -> Term:
    """The mask of `huatuo.models.alibi`, made once for all layers in the precision of the weights; autocast makes a
    copy of it in bf16 for each layer that keeps what it computed, for one at a time where it is computed again."""
    pairs = load.micro_tokens * load.row_tokens * load.shape.heads
    if load.is_bf16 and load.is_sharded:
        return Term("ALiBi mask", BF16 * pairs, f"{BF16} a N W")
    if not load.is_bf16:
        return Term("ALiBi mask", FP32 * pairs, f"{FP32} a N W")
    again = load.settings.gradient_checkpointing
    copies = BF16 * (1 if again else load.shape.layers)
    return Term("ALiBi mask", (FP32 + copies) * pairs, f"({FP32} + {BF16}{'' if again else ' L'}) a N W")


def _mask(load: Load) -> tuple[float, str]:
    """The mask that keeps the samples of a packed row apart, made for every layer; that of ALiBi does so too."""
    if load.settings.layout != "packed" or load.shape.alibi:
        return 0.0, ""
    width = BF16 if load.is_bf16 else FP32
    return float(width * load.micro_tokens**2), f" + {width} N^2 L"


def _layer_per_token(load: Load) -> tuple[float, str]:
    """Bytes that one layer keeps for each token, and their formula."""
    shape, lora = load.shape, load.settings.lora
    width = BF16 if load.is_bf16 else FP32
    if lora is not None:
        hidden = _hidden_of_adapter(load, lora)
    elif not load.is_bf16:
        hidden = 24.0  # twice: a norm's input, what it normalised, its output; fp32
    elif load.is_sharded:
        hidden = 16.0  # twice: a norm's input in fp32, what it normalised and its output in bf16
    else:
        hidden = 26.0  # twice: a norm's input and what it normalised in fp32; five copies of its outputs in bf16
    keys = shape.queries if load.settings.layout == "packed" else shape.keys  # a mask wants keys for every query
    attention = width * (2 * shape.queries + 2 * keys) + FP32 * shape.heads
    wide = 4 if lora is None or "down_proj" in lora.targets else 3  # gate, up, its activation, their product
    per_token = hidden * shape.hidden + attention + width * wide * shape.feed_forward + 2 * FP32
    extra, said = (0.0, "") if lora is None else _adapter_per_token(load, lora)
    return per_token + extra, f"{hidden:g} h + {width} (2 q + 2 k) + {width * wide} f{said}"


def _hidden_of_adapter(load: Load, lora: LoraSettings) -> float:
    """Bytes for each unit of hidden width where the base is frozen: the inputs of both norms, and their outputs where
    an adapter reads them as they are."""
    if lora.dropout or (load.is_bf16 and not load.is_sharded):
        return 8.0  # each adapter has its own copy
    read = [{"q_proj", "k_proj", "v_proj"} & set(lora.targets), {"gate_proj", "up_proj"} & set(lora.targets)]
    return 8.0 + (BF16 if load.is_bf16 else FP32) * sum(map(bool, read))


def _adapter_per_token(load: Load, lora: LoraSettings) -> tuple[float, str]:
    """What adapters keep: r numbers each; their own copy of the input in bf16; with dropout its mask and its output."""
    width = BF16 if load.is_bf16 else FP32
    states = FP32 if not (load.is_bf16 and load.is_sharded) else BF16
    copied = bool(lora.dropout) or (load.is_bf16 and not load.is_sharded)
    per_input = (width if copied else 0) + (states if lora.dropout else 0)
    inputs = sum(load.shape.module(name)[0] for name in lora.targets)
    extra = float(per_input * inputs + width * lora.r * len(lora.targets))
    return extra, f" + {per_input} inputs of adapters" if per_input else ""


def _passing(load: Load) -> Term:
    """The fuller of two moments: the loss (logits of the learned tokens and their gradient), and the
    backward pass of a layer."""
    shape, tokens, learned = load.shape, load.micro_tokens, load.micro_learned
    width = BF16 if load.is_bf16 else FP32
    logits = (BF16 if load.is_bf16 else 0) + 2 * FP32  # themselves, in fp32, and what becomes their gradient
    loss, of_loss = float(logits * learned * shape.vocabulary), f"{logits} t V"
    backward = 1.0 * tokens * (2 * width * shape.feed_forward + FP32 * shape.hidden)
    said = f"N ({2 * width} f + 4 h)"
    if load.settings.gradient_checkpointing:
        per_token, formula = _layer_per_token(load)
        backward += tokens * per_token + _mask(load)[0]
        said = f"{said} + N ({formula})"
        if load.settings.lora is None and load.is_bf16 and not load.is_sharded:
            loss += BF16 * (_copied(load) - shape.layer_matrices)  # autocast keeps all copies until the loss is there
            of_loss = f"{of_loss} + 2 (other layers + head)"
    if load.settings.lora is None and not load.is_sharded:
        backward += FP32 * shape.vocabulary * shape.hidden  # the head's gradient, before it is added to the others
        said = f"{said} + 4 V h"
    update = _muon_update(load)
    found = max((loss, of_loss), (backward, said), key=lambda one: one[0])
    if update > found[0] + _kept(load).bytes:
        return Term("update", update - _kept(load).bytes, "16 x the matrices of one shape, instead of activations")
    return Term("loss" if found[1] == of_loss else "backward", *found)


def _muon_update(load: Load) -> float:
    """Muon's updates of the matrices of one shape, whole in every process: themselves, stacked, and two products."""
    if load.settings.optimiser != "muon":
        return 0.0
    shape, lora = load.shape, load.settings.lora
    names = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj", *(("gate_proj",) if shape.gated else ()))
    modules = [shape.module(name) for name in (names if lora is None else lora.targets)]
    matrices = modules if lora is None else [(width, lora.r) for module in modules for width in module]
    of_shape = Counter(tuple(sorted(one)) for one in matrices)
    return 4.0 * FP32 * shape.layers * max(rows * columns * n for (rows, columns), n in of_shape.items())


def letters(load: Load) -> dict[str, tuple[float, str]]:
    """What the letters and words of the formulas stand for: a number, and what it counts."""
    shape = load.shape
    return {
        "P": (shape.parameters + load.adapter, "all weights"),
        "T": (load.trained, "weights that are trained"),
        "n": (load.processes, "processes, one on each GPU"),
        "N": (load.micro_tokens, "tokens of a micro-batch, padding included: train.batch_tokens"),
        "t": (load.micro_learned, f"tokens of it that are learned, {LEARNED_SHARE:.0%} assumed"),
        "W": (load.row_tokens, "tokens of a row"),
        "L": (shape.layers, "layers"),
        "h": (shape.hidden, "width of a hidden state"),
        "a": (shape.heads, "heads of attention"),
        "q": (shape.queries, "width of a token's queries, all heads"),
        "k": (shape.keys, "width of its keys, and of its values"),
        "f": (shape.feed_forward, "width of the feed-forward"),
        "V": (shape.vocabulary, "tokens of the vocabulary"),
        "M": (_muon_matrices(load), "weights in the matrices that Muon trains"),
        "layer": (shape.layer, "weights of a layer"),
        "layers": (shape.layers * shape.layer_matrices, "weights in the matrices of all layers"),
        "head": (shape.vocabulary * shape.hidden, "weights of the head"),
        "ends": (shape.ends, "weights of embedding, head and last norm"),
    }


def total(terms: Iterable[Term]) -> float:
    """Bytes of all terms."""
    return sum(term.bytes for term in terms)


def fewest(shape: Shape, settings: TrainSettings, gpu_bytes: float = GPU_BYTES) -> int | None:
    """The smallest number of GPUs on which each has room; None where `MOST_GPUS` are not enough."""
    counts = range(1, MOST_GPUS + 1)
    return next((n for n in counts if total(memory(Load(shape, settings, n))) <= USABLE * gpu_bytes), None)


def host_bytes(shape: Shape) -> float:
    """Bytes of the processor's memory that the first process fills with the whole base in fp32: while it reads it, and
    again when weights of several processes are gathered to be saved. The others get their parts from it and read
    nothing."""
    return float(FP32 * shape.parameters)


# ---------------------------------------------------------------- time


def flops_per_token(shape: Shape, settings: TrainSettings, learned: float = LEARNED_SHARE) -> tuple[float, str]:
    """FLOP to train one token, and the formula. Two for each weight in the forward pass, two for the gradient of its
    input, two for its own (not where it is frozen); two more where activations are computed again. The head works on
    the share of tokens that is learned only; attention between tokens is left out, as windows here are short beside
    6 h."""
    passes = 4 if settings.lora else 6
    again = 2 if settings.gradient_checkpointing else 0
    body = shape.layers * shape.layer_matrices
    head = shape.vocabulary * shape.hidden * learned
    return (passes + again) * body + passes * head, f"{passes + again} layers + {passes} x {learned:g} V h"
