"""Cross-shaped attention (HRViTAttn): horizontal strips for one half of the channels, vertical strips for the other, keys that are the values."""

import torch
import torch.nn.functional as F
from torch import nn


def attend_in_strips(q, v, strip: int, dim: int):
    """softmax(q vᵀ / √dim) v within horizontal strips of `strip` full rows, per head.

    `q`, `v`: `[B, H, W, C]`, C a multiple of `dim`. The last strip may have fewer rows: only real tokens take part.
    """
    batch, rows, columns, channels = q.shape

    def attend(q, v, rows: int, strip: int):
        """Strips that fill `rows` exactly."""
        # [B, rows, W, C] -> [B * strips, heads, tokens of a strip, dim]
        q, v = (t.reshape(-1, strip * columns, channels // dim, dim).transpose(1, 2) for t in (q, v))
        return F.scaled_dot_product_attention(q, v, v).transpose(1, 2).reshape(batch, rows, columns, channels)

    whole = rows - rows % strip
    parts = []
    if whole:
        parts.append(attend(q[:, :whole], v[:, :whole], whole, strip))
    if whole < rows:
        parts.append(attend(q[:, whole:], v[:, whole:], rows - whole, rows - whole))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Attention(nn.Module):
    """`[B, H, W, C]` to the same: strips in both directions, a depthwise path over Hardswish(v), Hardswish, projection, BatchNorm."""

    def __init__(self, channels: int, dim: int, strip: int):
        super().__init__()
        self.dim, self.strip = dim, strip
        self.to_qkv = nn.Linear(channels, 2 * channels)
        self.parallel_conv = nn.Sequential(nn.Hardswish(), nn.Conv2d(channels, channels, 3, padding=1, groups=channels))
        self.to_out = nn.Sequential(nn.Linear(channels, channels))
        self.attn_bn = nn.BatchNorm1d(channels)
        # The residual branch starts silent: a block begins as its shortcut.
        nn.init.zeros_(self.attn_bn.weight)

    def forward(self, x):
        q, v = self.to_qkv(x).chunk(2, -1)
        (q_rows, q_columns), (v_rows, v_columns) = q.chunk(2, -1), v.chunk(2, -1)
        horizontal = attend_in_strips(q_rows, v_rows, self.strip, self.dim)
        vertical = attend_in_strips(q_columns.transpose(1, 2), v_columns.transpose(1, 2), self.strip, self.dim).transpose(1, 2)
        local = self.parallel_conv(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = self.to_out(F.hardswish(torch.cat([horizontal, vertical], -1) + local))
        return self.attn_bn(y.flatten(0, 2)).view_as(y)
