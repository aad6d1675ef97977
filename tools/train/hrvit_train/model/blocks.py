"""The transformer block: attention, diversity-enhancing shortcut, MixCFN, stochastic depth. All maps are `[B, H, W, C]`."""

import torch
import torch.nn.functional as F
from torch import nn

from hrvit_train.group import current
from hrvit_train.model.attention import Attention
from hrvit_train.spec import Spec


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
    """Depthwise 3x3 on the first half of the channels, 5x5 on the second."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.conv_3 = nn.Conv2d(half, half, 3, padding=1, groups=half)
        self.conv_5 = nn.Conv2d(half, half, 5, padding=2, groups=half)

    def forward(self, x):
        low, high = x.permute(0, 3, 1, 2).chunk(2, 1)
        return torch.cat([self.conv_3(low), self.conv_5(high)], 1).permute(0, 2, 3, 1)


class MixCfn(nn.Module):
    """Linear to `ratio` times the channels, mixed depthwise convolution, GELU, linear back."""

    def __init__(self, channels: int, ratio: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, channels * ratio)
        self.conv = MixedDepthwise(channels * ratio)
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
        self.attn = Attention(channels, spec.attention_dim(branch), spec.windows[branch])
        self.des = DiversityShortcut(*spec.des_shape(branch), spec.des_activation)
        self.ffn_norm = nn.LayerNorm(channels)
        self.ffn = MixCfn(channels, spec.ratios[branch])
        self.drop_rate = drop_rate

    def forward(self, x):
        rate = self.drop_rate if self.training else 0.0
        x = x + drop_path(self.attn(self.attn_norm(x)) + self.des(x), rate)
        return x + drop_path(self.ffn(self.ffn_norm(x)), rate)
