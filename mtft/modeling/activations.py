"""How many bytes a packed forward keeps for its backward, per device, from a shape alone."""

from __future__ import annotations

from typing import NamedTuple

from mtft.modeling.cross_entropy import _CHUNK_NUMBERS
from mtft.modeling.shape import ModelShape


class PerToken(NamedTuple):
    """Bytes kept per token of a layer, for each hidden unit, feed-forward unit and attention unit."""

    width: int
    inner: int
    attention: int


class Computing(NamedTuple):
    """In what a training computes.

    Attributes:
        number: Bytes of a number in matrix products: 4, or 2 in bfloat16 and float16.
        residual: Bytes of a number between layers: 4 under autocast, whose norms and sums are float32.
    """

    number: int
    residual: int

    @property
    def autocast(self) -> bool:
        """Whether float32 weights are cast at every use, and the casts kept for the backward pass."""
        return self.number < self.residual


# What a layer of ours keeps, counted in `torch.autograd.graph.saved_tensors_hooks`; the tests count again. BLOOM's in
# two bytes is the 34 per token and unit of Korthikanti et al. 2022, "Reducing Activation Recomputation in Large
# Transformer Models", arXiv 2205.05198, equation 1, without its 5 x heads x length / width: attention weights are
# computed again in the backward pass, as there in section 6. mT5's has other norms, a gated feed-forward layer and
# dropout; its encoder's tokens also pass cross-attention's keys and values.
_BLOOM = {(4, 4): PerToken(68, 0, 0), (2, 2): PerToken(34, 0, 0), (2, 4): PerToken(38, 0, 0)}
_ENCODER = {(4, 4): PerToken(24, 16, 24), (2, 2): PerToken(20, 8, 12), (2, 4): PerToken(30, 8, 12)}
_DECODER = {(4, 4): PerToken(36, 16, 28), (2, 2): PerToken(30, 8, 14), (2, 4): PerToken(36, 8, 14)}
_ENCODER_DROPOUT = {(4, 4): PerToken(32, 20, 24), (2, 2): PerToken(24, 10, 16), (2, 4): PerToken(34, 10, 16)}
_DECODER_DROPOUT = {(4, 4): PerToken(48, 20, 24), (2, 2): PerToken(36, 10, 14), (2, 4): PerToken(42, 10, 14)}


def layer_bytes(shape: ModelShape, tokens: tuple[int, ...], computing: Computing) -> tuple[int, ...]:
    """What one layer keeps, of BLOOM, or of mT5's encoder and decoder.

    Args:
        shape: Of the model.
        tokens: Of a micro-batch: all, or of encoder and decoder.
        computing: In what.
    """
    if shape.family == "bloom":
        return (_of(_BLOOM[computing], shape) * tokens[0],)
    encoder, decoder = (_ENCODER_DROPOUT, _DECODER_DROPOUT) if shape.dropout else (_ENCODER, _DECODER)
    return _of(encoder[computing], shape) * tokens[0], _of(decoder[computing], shape) * tokens[1]


def _of(per_token: PerToken, shape: ModelShape) -> int:
    return (
        per_token.width * shape.width + per_token.inner * shape.inner + per_token.attention * shape.attention
    )


def activation_bytes(
    shape: ModelShape, tokens: tuple[int, ...], computing: Computing, *, checkpointing: bool
) -> int:
    """What all layers keep, with what stands before and after them.

    With gradient checkpointing a layer keeps its input alone, and one layer at a time is computed again.

    Args:
        shape: Of the model.
        tokens: Of a micro-batch: all, or of encoder and decoder.
        computing: In what.
        checkpointing: Whether layers are computed again in the backward pass.

    Source: Korthikanti et al. 2022, arXiv 2205.05198, equations 1 and 6 (there 2 bytes per token and unit).
    """
    each = layer_bytes(shape, tokens, computing)
    counts = (shape.layers, shape.decoder_layers)
    inputs = [computing.residual * shape.width * count for count in tokens]
    # the embeddings' sum and the last norm's input, of each side
    ends = 2 * sum(inputs)
    if not checkpointing:
        return ends + sum(count * size for count, size in zip(counts, each, strict=False))
    return ends + max(each) + sum(count * size for count, size in zip(counts, inputs, strict=False))


def cast_bytes(shape: ModelShape, computing: Computing, *, checkpointing: bool) -> int:
    """What autocast's copies of the weights take: of one layer where layers are computed again, and of the head."""
    if not computing.autocast:
        return 0
    layers = shape.largest_layer if checkpointing else shape.layer_parameters
    return computing.number * (layers + shape.vocabulary * shape.width)


def attention_bytes(
    shape: ModelShape, tokens: tuple[int, ...], longest: tuple[int, ...], computing: Computing
) -> int:
    """The bias for the longest segment, and attention weights while they exist.

    BLOOM's bias is a constant, and its weights stay inside the fused kernel. mT5's bias is learned: its weights
    and their gradient exist for the segments of one group at a time, in float32.

    Args:
        shape: Of the model.
        tokens: Of a micro-batch: all, or of encoder and decoder.
        longest: Tokens of the longest segment: prompt and target, or of each.
        computing: In what.
    """
    if shape.family == "bloom":
        return shape.heads * computing.number * longest[0] ** 2
    biases = 4 * shape.heads * sum(2 * length**2 for length in longest)  # and a gradient of each
    weights = max(count * length for count, length in zip(tokens, longest, strict=True))
    return biases + 3 * 4 * shape.heads * weights


def head_bytes(
    shape: ModelShape, positions: int, computing: Computing, *, weight_number: int, trained: bool
) -> int:
    """The logits of one chunk with their gradient, and the gradient of the head's weight, summed in float32.

    Args:
        shape: Of the model.
        positions: Most targets of a micro-batch, in tokens.
        computing: In what.
        weight_number: Bytes of a number of the weight.
        trained: Whether the weight has a gradient.
    """
    chunk = min(positions, max(64, _CHUNK_NUMBERS // shape.vocabulary))
    # log-probabilities in float32, and the logits where they are not
    copies = 8 if computing.number < 4 else 4
    logits = chunk * shape.vocabulary * (computing.number + copies)
    weight = shape.vocabulary * shape.width * (4 + weight_number)
    return logits + (weight if trained else 0)
