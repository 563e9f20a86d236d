"""Peak memory of the output layer's loss and its gradients, in chunks against all logits at once.

    python benchmarks/head_memory.py [--json FILE] [--rows 256 512 1024 2048 4096]

Both sides read the same hidden states of so many target positions, whose ids are spread over the whole vocabulary,
in float32 on the CPU. The peer is what models of the library do: a linear layer, then PyTorch's cross-entropy. Each
measurement is a process of its own (Linux only); counted is by how much its resident memory at its peak exceeds that
before the forward, so inputs and libraries are out and both gradients are in. Loss and gradients are compared first.
`value` is ours over the peer's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from mtft.modeling import LossOptions, chunked_cross_entropy

TOLERANCE = 1e-5  # of a tensor's largest entry
MEBIBYTE = 2**20


class Head(NamedTuple):
    """What the loss is computed from: (rows, width), (vocabulary, width), (rows,) and (rows,)."""

    hidden: Tensor
    weight: Tensor
    targets: Tensor
    token_weights: Tensor


def head(rows: int, vocabulary: int, width: int) -> Head:
    draw = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, width, generator=draw).requires_grad_()
    weight = torch.empty(vocabulary, width).normal_(std=width**-0.5, generator=draw).requires_grad_()
    targets = torch.randint(vocabulary, (rows,), generator=draw)
    return Head(hidden, weight, targets, torch.rand(rows, generator=draw) / rows)


def chunked(inputs: Head, options: LossOptions) -> Tensor:
    return chunked_cross_entropy(*inputs, options=options)[0]


def full(inputs: Head, options: LossOptions) -> Tensor:
    logits = F.linear(inputs.hidden, inputs.weight)
    smoothing = options.label_smoothing
    losses = F.cross_entropy(logits, inputs.targets, reduction="none", label_smoothing=smoothing)
    if options.z_loss:
        losses = losses + options.z_loss * torch.logsumexp(logits, dim=1) ** 2
    return (losses * inputs.token_weights).sum()


SIDES = {"ours": chunked, "peer": full}


def resident(field: str) -> int:
    """`VmRSS`, what is resident now, or `VmHWM`, the most since the start or the last reset, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def measure(side: str, inputs: Head, options: LossOptions) -> tuple[int, dict[str, np.ndarray]]:
    """Bytes that forward and backward add at their peak, and what they found.

    That is the loss, the gradient of `hidden`, and the gradient of `weight` times a fixed vector.
    """
    small = head(4, 100, inputs.hidden.shape[1])
    SIDES[side](small, options).backward()  # what the first call loads is not counted
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets VmHWM
    loss = SIDES[side](inputs, options)
    loss.backward()
    added = resident("VmHWM") - before
    probe = torch.randn(inputs.weight.shape[1], generator=torch.Generator().manual_seed(0))
    hidden, weight = inputs.hidden.grad, inputs.weight.grad
    assert hidden is not None
    assert weight is not None
    found = {"loss": loss.detach(), "hidden": hidden, "weight": weight @ probe}
    return added, {name: tensor.numpy() for name, tensor in found.items()}


def agree(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    """Whether loss and gradients are the same within the tolerance."""
    errors = {name: np.abs(ours[name] - other).max() / np.abs(other).max() for name, other in theirs.items()}
    print("# largest errors: " + ", ".join(f"{name} {error:.1e}" for name, error in errors.items()))
    return all(error <= TOLERANCE for error in errors.values())


def measured_apart(side: str, rows: int, chosen: argparse.Namespace) -> tuple[int, dict[str, np.ndarray]]:
    """`measure` in a new process."""
    names = ("vocabulary", "width", "label_smoothing", "z_loss")
    settings = [f"--{name}={getattr(chosen, name)}" for name in names]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.npz"
        asked = ["--measure", side, "--rows", str(rows), "--json", str(file)]
        subprocess.run([sys.executable, __file__, *asked, *settings], check=True)
        with np.load(file) as found:
            tensors = {name: found[name] for name in found.files}
    return int(tensors.pop("added")), tensors


def claim(rows: int, chosen: argparse.Namespace) -> Claim:
    ours, mine = measured_apart("ours", rows, chosen)
    peer, theirs = measured_apart("peer", rows, chosen)
    equal = agree(mine, theirs)
    return Claim(f"head_memory_{rows}", ours / MEBIBYTE, peer / MEBIBYTE, ours / peer, "x", equal)


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", metavar="FILE", help="write the claims there")
    parser.add_argument("--rows", type=int, nargs="+", default=[256, 512, 1024, 2048, 4096])
    parser.add_argument("--vocabulary", type=int, default=250_112, help="mT5's")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--label_smoothing", type=float, default=0.0)
    parser.add_argument("--z_loss", type=float, default=0.0)
    parser.add_argument(
        "--measure", choices=sorted(SIDES), help=argparse.SUPPRESS
    )  # in the process of its own
    chosen = parser.parse_args(arguments)
    options = LossOptions(chosen.label_smoothing, chosen.z_loss)
    if chosen.measure:
        inputs = head(chosen.rows[0], chosen.vocabulary, chosen.width)
        added, tensors = measure(chosen.measure, inputs, options)
        np.savez(chosen.json, added=added, **tensors)
        return []
    claims = [claim(rows, chosen) for rows in chosen.rows]
    print(f"# MiB added at the peak; vocabulary {chosen.vocabulary:,}, width {chosen.width}, {options}")
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
