"""The transformer block: attention, diversity-enhancing shortcut, MixCFN, stochastic depth. All maps are `[B, H, W, C]`."""

import torch
import torch.nn.functional as F
from torch import nn

from hrvit_train.group import current
from hrvit_train.model.attention import Attention
from hrvit_train.spec import BETWEEN, Spec


class DiversityShortcut(nn.Module):
    """DES: each token, viewed as `[k, p]`, is multiplied by a matrix on either side with a non-linearity between them."""

    def __init__(self, k: int, p: int, activation: str):
        super().__init__()
        self.shape = (k, p)
        self.proj_right = nn.Linear(p, p)
        self.proj_left = nn.Linear(k, k)
        self.activation = {"gelu": F.gelu, "hardswish": F.hardswish}[activation]

    def forward(self, x):
        right = self.proj_right(x.unflatten(-1, self.shape))
        left = self.proj_left(self.activation(right.transpose(-1, -2)))
        return left.transpose(-1, -2).flatten(-2)


class MixedDepthwise(nn.Module):
    """Depthwise convolutions, each on its part of the channels: 3x3 on the first half and 5x5 on the second, or one on all, or none."""

    def __init__(self, channels: int, sides: tuple[int, ...]):
        super().__init__()
        for side in sides:
            part = channels // len(sides)
            self.add_module(f"conv_{side}", nn.Conv2d(part, part, side, padding=side // 2, groups=part))

    def forward(self, x):
        convolutions = list(self.children())
        if not convolutions:
            return x
        parts = x.permute(0, 3, 1, 2).chunk(len(convolutions), 1)
        return torch.cat([convolution(part) for convolution, part in zip(convolutions, parts)], 1).permute(0, 2, 3, 1)


class MixCfn(nn.Module):
    """Linear to `ratio` times the channels, mixed depthwise convolution, GELU, linear back."""

    def __init__(self, channels: int, ratio: int, sides: tuple[int, ...]):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels * ratio)
        self.conv = MixedDepthwise(channels * ratio, sides)
        self.fc2 = nn.Linear(channels * ratio, channels)

    def forward(self, x):
        return self.fc2(F.gelu(self.conv(self.fc1(x))))


def drop_path(x, rate: float):
    """Stochastic depth: zeroes whole samples with probability `rate` and scales the others up, so that the mean stays."""
    if rate == 0:
        return x
    keep = current().rand(x.shape[0], x.device).view(-1, 1, 1, 1) >= rate
    return x * (keep / (1 - rate)).to(x.dtype)


class Block(nn.Module):
    """`x + attn(norm(x)) + des(x)`, then `x + ffn(norm(x))`; the shortcut sees x as it came."""

    def __init__(self, spec: Spec, branch: int, drop_rate: float):
        super().__init__()
        channels = spec.channels[branch]
        self.attn_norm = nn.LayerNorm(channels)
        out = spec.ablation
        self.attn = Attention(channels, spec.attention_dim(branch), spec.windows[branch], not out.no_parallel_path, not out.no_extra_norm, out.own_keys)
        self.des = None if spec.ablation.no_des else DiversityShortcut(*spec.des_shape(branch), spec.des_activation)
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = MixCfn(channels, spec.ratios[branch], BETWEEN[spec.ablation.between])
        self.drop_rate = drop_rate

    def forward(self, x):
        rate = self.drop_rate if self.training else 0.0
        mixed = self.attn(self.attn_norm(x))
        x = x + drop_path(mixed if self.des is None else mixed + self.des(x), rate)
        return x + drop_path(self.ffn(self.ffn_norm(x)), rate)
