"""Exponential moving average of a network: weights and BatchNorm statistics."""

import copy

import torch
from torch import nn


class Average:
    """`model` is the average, ready for evaluation; `update` moves it towards the network that is trained."""

    def __init__(self, source: nn.Module, decay: float):
        self.model = copy.deepcopy(source).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, source: nn.Module, iteration: int) -> None:
        """After iteration `iteration` (from 0). The decay is `min(decay, (1 + n) / (10 + n))`, so that early averages forget the random start."""
        n = iteration + 1
        decay = min(self.decay, (1 + n) / (10 + n))
        ours, theirs = self.model.state_dict(), source.state_dict()
        floats = [name for name, tensor in ours.items() if tensor.dtype.is_floating_point]
        torch._foreach_lerp_([ours[name] for name in floats], [theirs[name] for name in floats], 1 - decay)
        for name in ours.keys() - set(floats):
            ours[name].copy_(theirs[name])
