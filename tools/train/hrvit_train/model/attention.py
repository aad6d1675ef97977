"""Cross-shaped attention (HRViTAttn): horizontal strips for one half of the channels, vertical strips for the other, keys that are the values."""

import torch
import torch.nn.functional as F
from torch import nn


def attend_in_strips(q, k, v, strip: int, dim: int):
    """softmax(q kᵀ / √dim) v within horizontal strips of `strip` full rows, per head.

    `q`, `k`, `v`: `[B, H, W, C]`, C a multiple of `dim`. The last strip may have fewer rows: only real tokens take part.
    """
    batch, rows, columns, channels = q.shape

    def attend(q, k, v, rows: int, strip: int):
        """Strips that fill `rows` exactly."""
        # [B, rows, W, C] -> [B * strips, heads, tokens of a strip, dim]
        q, k, v = (t.reshape(-1, strip * columns, channels // dim, dim).transpose(1, 2) for t in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, rows, columns, channels)

    whole = rows - rows % strip
    parts = []
    if whole:
        parts.append(attend(q[:, :whole], k[:, :whole], v[:, :whole], whole, strip))
    if whole < rows:
        parts.append(attend(q[:, whole:], k[:, whole:], v[:, whole:], rows - whole, rows - whole))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Attention(nn.Module):
    """`[B, H, W, C]` to the same: strips in both directions, a depthwise path over Hardswish(v), Hardswish, projection, BatchNorm."""

    def __init__(self, channels: int, dim: int, strip: int, parallel_path: bool = True, extra_norm: bool = True, own_keys: bool = False):
        super().__init__()
        self.dim, self.strip, self.own_keys = dim, strip, own_keys
        self.to_qkv = nn.Linear(channels, (3 if own_keys else 2) * channels)
        path = (nn.Hardswish(), nn.Conv2d(channels, channels, 3, padding=1, groups=channels))
        self.parallel_conv = nn.Sequential(*path) if parallel_path else None
        self.to_out = nn.Sequential(nn.Linear(channels, channels))
        self.attn_bn = nn.BatchNorm1d(channels) if extra_norm else None
        if self.attn_bn is not None:
            # The residual branch starts silent: a block begins as its shortcut.
            nn.init.zeros_(self.attn_bn.weight)

    def forward(self, x):
        q, *k, v = self.to_qkv(x).chunk(3 if self.own_keys else 2, -1)
        rows, columns = zip(*(t.chunk(2, -1) for t in (q, k[0] if k else v, v)))
        horizontal = attend_in_strips(*rows, self.strip, self.dim)
        vertical = attend_in_strips(*(t.transpose(1, 2) for t in columns), self.strip, self.dim).transpose(1, 2)
        y = torch.cat([horizontal, vertical], -1)
        if self.parallel_conv is not None:
            y = y + self.parallel_conv(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if self.attn_bn is None:
            return self.to_out(y)
        y = self.to_out(F.hardswish(y))
        return self.attn_bn(y.flatten(0, 2)).view_as(y)
