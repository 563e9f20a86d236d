"""How much memory a training takes on each device, from a model's shape and the settings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mtft.errors import ConfigError, nearest
from mtft.modeling.activations import Computing, activation_bytes, attention_bytes, cast_bytes, head_bytes
from mtft.modeling.shape import ModelShape

# the names of the files in recipes/accelerate
_OFFLOADING = ("fsdp", "zero1", "zero2", "zero3")
STRATEGIES = ("ddp", *_OFFLOADING, *(f"{name}_offload" for name in _OFFLOADING))
PRECISIONS = ("bf16", "fp16", "fp32")
OPTIMIZERS = ("adamw", "adafactor")
# DeepSpeed's defaults, in numbers: what is reduced at once, and what ZeRO-3 keeps gathered
_REDUCED_AT_ONCE = 500_000_000
_GATHERED_AT_ONCE = 1_000_000_000


@dataclass(frozen=True)
class Setup:
    """What decides the memory, beside the model.

    Attributes:
        strategy: One of `STRATEGIES`.
        processes: One device each.
        precision: One of `PRECISIONS`.
        optimizer: One of `OPTIMIZERS`.
        capacities: Tokens of a pack or of the longest row: all, or of encoder and decoder.
        slots: Packs, or rows, of a micro-batch.
        longest: Tokens of the longest example: prompt and target, or of each; default: as the capacities.
        checkpointing: Whether layers are computed again in the backward pass.
        trained: Parameters that train, default all.
    """

    strategy: str = "ddp"
    processes: int = 1
    precision: str = "bf16"
    optimizer: str = "adamw"
    capacities: tuple[int, ...] = (2048,)
    slots: int = 1
    longest: tuple[int, ...] = ()
    checkpointing: bool = False
    trained: int | None = None

    def check(self, shape: ModelShape) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: A word is unknown, or a number out of range.
        """
        words = {"strategy": STRATEGIES, "precision": PRECISIONS, "optimizer": OPTIMIZERS}
        for name, known in words.items():
            value = getattr(self, name)
            if value not in known:
                raise ConfigError(
                    f"The {name} must be one of {', '.join(known)}.",
                    found=f"`{value}`",
                    remedy=nearest(value, known),
                )
        if min(self.processes, self.slots, *self.capacities) < 1:
            raise ConfigError("Processes, slots and capacities must be at least 1.", found=self)
        if self.trained is not None and self.trained < 0:
            raise ConfigError("The weights that train must be at least 0.", found=self.trained)
        sides = 1 if shape.family == "bloom" else 2
        if len(self.capacities) != sides:
            raise ConfigError(
                f"A pack of {shape.family} has {sides} capacit{'y' if sides == 1 else 'ies'}.",
                found=" ".join(map(str, self.capacities)),
            )

    @property
    def number(self) -> int:
        """Bytes of a number in matrix products."""
        return 4 if self.precision == "fp32" else 2

    @property
    def stage(self) -> int:
        """Of ZeRO; 0 without DeepSpeed."""
        return int(self.strategy[4]) if self.strategy.startswith("zero") else 0

    @property
    def offloads(self) -> bool:
        """Whether main memory is used."""
        return self.strategy.endswith("_offload")


@dataclass(frozen=True)
class Memory:
    """Bytes of one process, by what they hold.

    Attributes:
        device: On the device: weights, gradients, optimizer, buffers, activations, head.
        host: In main memory: weights, gradients, optimizer.
    """

    device: dict[str, int] = field(default_factory=dict)
    host: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All on the device."""
        return sum(self.device.values())

    @property
    def host_total(self) -> int:
        """All in main memory."""
        return sum(self.host.values())


def estimate(shape: ModelShape, setup: Setup) -> Memory:
    """The memory of one process at its peak, the end of a forward pass of full packs.

    Not counted: the device's own context, fragmentation, the evaluation, and files read or written.

    Args:
        shape: Of the model.
        setup: Everything else.

    Raises:
        ConfigError: The setup is impossible.

    Source: Rajbhandari et al. 2020, "ZeRO", arXiv 1910.02054, section 3.1 and figure 1 (2 bytes a weight, 2 a
        gradient, 12 of optimiser; divided by the processes from stage 3, 2 and 1 on); Ren et al. 2021,
        "ZeRO-Offload", arXiv 2101.06840, section 3 (what lies in main memory); `mtft.modeling.activations`.
    """
    setup.check(shape)
    states = _zero_states(shape, setup) if setup.stage else _torch_states(shape, setup)
    tokens = tuple(setup.slots * capacity for capacity in setup.capacities)
    # DeepSpeed casts the model itself; elsewhere autocast casts float32 weights where they are used
    computing = Computing(setup.number, setup.number if setup.stage else 4)
    sharded = setup.strategy.startswith("fsdp")
    casts = 0 if sharded else cast_bytes(shape, computing, checkpointing=setup.checkpointing)
    parts = {
        "activations": activation_bytes(shape, tokens, computing, checkpointing=setup.checkpointing)
        + attention_bytes(shape, tokens, setup.longest or setup.capacities, computing)
        + casts,
        "head": head_bytes(
            shape,
            tokens[-1],
            computing,
            weight_number=setup.number if setup.stage else 4,
            trained=setup.trained is None,
        ),
    }
    return Memory(states.device | parts, states.host)


def estimates(shape: ModelShape, setup: Setup, strategies: Sequence[str] = STRATEGIES) -> dict[str, Memory]:
    """The same setup under several strategies."""
    return {name: estimate(shape, replace(setup, strategy=name)) for name in strategies}


def _torch_states(shape: ModelShape, setup: Setup) -> Memory:
    """Float32 weights, whole in every process or sharded."""
    trained = shape.parameters if setup.trained is None else setup.trained
    sharded = setup.strategy.startswith("fsdp")
    share = setup.processes if sharded else 1
    held = {
        "weights": 4 * shape.parameters // share,
        "gradients": 4 * trained // share,
        "optimizer": _moments(shape, setup, trained) // share,
    }
    if not sharded:
        # DDP reduces in buckets of its own, as large as all gradients
        return Memory(held | {"buffers": 4 * trained if setup.processes > 1 else 0})
    # what is outside the layers stays whole from the forward pass on, and two layers are gathered at a time
    whole = setup.number * (shape.embeddings + 2 * shape.largest_layer)
    buffers = {"buffers": whole + 4 * shape.largest_layer if setup.processes > 1 else whole}
    return Memory(buffers, held) if setup.offloads else Memory(held | buffers)


def _zero_states(shape: ModelShape, setup: Setup) -> Memory:
    """Weights in the precision, and a float32 copy with the optimiser's state, partitioned."""
    trained = shape.parameters if setup.trained is None else setup.trained
    share = setup.processes
    weights = setup.number * shape.parameters // (share if setup.stage == 3 else 1)
    gradients = setup.number * trained // (share if setup.stage >= 2 else 1)
    # a partition is flat: Adafactor finds no rows and columns
    moments = (4 if setup.optimizer == "adafactor" else 8) * trained
    optimizer = (4 * trained + moments) // share
    buffers = setup.number * min(trained, _REDUCED_AT_ONCE)
    if setup.stage == 3:
        buffers += setup.number * min(shape.parameters, _GATHERED_AT_ONCE)
    device = {"weights": weights, "gradients": gradients, "optimizer": optimizer, "buffers": buffers}
    if not setup.offloads:
        return Memory(device)
    moved = ("optimizer", "gradients", "weights")[: setup.stage]
    host = {name: device.pop(name) for name in moved}
    return Memory(device, host)


def _moments(shape: ModelShape, setup: Setup, trained: int) -> int:
    """Adam's two, or Adafactor's one factored into rows and columns, in float32.

    Source: Kingma and Ba 2015, arXiv 1412.6980; Shazeer and Stern 2018, "Adafactor", arXiv 1804.04235, section 3.
    """
    if setup.optimizer == "adamw":
        return 8 * trained
    return 4 * shape.rows_and_columns if setup.trained is None else 4 * trained
