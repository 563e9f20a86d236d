"""Models: built-in sizes, loading and saving, and the target-only loss of BLOOM and mT5."""

from mtft.modeling.building import SIZES, ModelSize, build_model
from mtft.modeling.choice_trees import ChoiceTrees, choice_trees
from mtft.modeling.cross_entropy import chunked_cross_entropy
from mtft.modeling.families import TargetBloom, TargetMT5
from mtft.modeling.generic import has_own_forward, target_logits, weighted_target_loss
from mtft.modeling.head import TargetHead, TargetLoss, set_loss_options
from mtft.modeling.loading import LoadedModel, family_of, load_model, merge_adapter, save_model
from mtft.modeling.loss_options import BACKENDS, LossOptions
from mtft.modeling.own_forward import with_trees
from mtft.modeling.tags import add_tags

__all__ = [
    "BACKENDS",
    "SIZES",
    "ChoiceTrees",
    "LoadedModel",
    "LossOptions",
    "ModelSize",
    "TargetBloom",
    "TargetHead",
    "TargetLoss",
    "TargetMT5",
    "add_tags",
    "build_model",
    "choice_trees",
    "chunked_cross_entropy",
    "family_of",
    "has_own_forward",
    "load_model",
    "merge_adapter",
    "save_model",
    "set_loss_options",
    "target_logits",
    "weighted_target_loss",
    "with_trees",
]
