"""Losses over the pixels that have a label: cross-entropy by class weight, and the Lovász extension of the Jaccard index."""

import torch
import torch.nn.functional as F

from hrvit_train.data import IGNORED
from hrvit_train.group import ALONE, Group


def weighted_cross_entropy(logits: torch.Tensor, classes: torch.Tensor, weights: torch.Tensor | None, group: Group = ALONE) -> torch.Tensor:
    """This process's part of the mean over the labelled pixels of all processes, weighted by class; 0 where there is no labelled pixel."""
    total = F.cross_entropy(logits, classes, weight=weights, ignore_index=IGNORED, reduction="sum")
    labelled = (classes != IGNORED).float()
    if weights is not None:
        labelled = labelled * weights[classes.clamp(max=len(weights) - 1)]
    return total / group.sum(labelled.sum()).clamp(min=1e-6)


def lovasz_softmax(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """1 - IoU of softmax(`logits`), continued to probabilities; mean over the classes that the labels of the batch have.

    Berman et al., arXiv 1705.08790, equation 8: the errors of a class in falling order, each weighted by the IoU that it costs.
    """
    labelled = classes != IGNORED
    truth = classes[labelled]
    probabilities = logits.softmax(1).movedim(1, -1)[labelled]
    losses = []
    for index in truth.unique().tolist():
        member = (truth == index).float()
        errors, order = (member - probabilities[:, index]).abs().sort(descending=True)
        losses.append(errors @ jaccard_steps(member[order]))
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def jaccard_steps(member: torch.Tensor) -> torch.Tensor:
    """The rise of 1 - IoU by each pixel that becomes wrong, in this order; `member` is 1 for pixels of the class."""
    intersection = member.sum() - member.cumsum(0)
    union = member.sum() + (1 - member).cumsum(0)
    return torch.diff(1 - intersection / union, prepend=member.new_zeros(1))
