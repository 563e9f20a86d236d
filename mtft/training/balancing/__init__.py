"""Loss balancing: weights of groups that are known before a step's first forward; see docs/loss_balancing.md."""

from mtft.training.balancing.choose import method_of
from mtft.training.balancing.method import Measured, Method

__all__ = ["Measured", "Method", "method_of"]
