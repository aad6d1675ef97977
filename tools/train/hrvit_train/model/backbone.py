"""The backbone: stem, then modules of a fusion of all resolutions and a stage of transformer blocks on each."""

import torch.nn.functional as F
from torch import nn

from hrvit_train.model.blocks import Block
from hrvit_train.spec import Spec


class Stem(nn.Module):
    """Two 3x3 convolutions of stride 2, each with BatchNorm and ReLU."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels // 2, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(channels // 2)
        self.conv2 = nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


def _bring(j: int, i: int, inputs: int, outputs: int) -> nn.Module:
    """The path of input branch `j` to output branch `i`."""
    if i == j:
        return nn.Identity()
    factor = 2 ** abs(i - j)
    pointwise = [nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)]
    if j > i:
        return nn.Sequential(*pointwise, nn.Upsample(scale_factor=factor, mode="nearest"))
    depthwise = nn.Conv2d(inputs, inputs, factor + 1, stride=factor, padding=factor // 2, groups=inputs, bias=False)
    return nn.Sequential(depthwise, nn.BatchNorm2d(inputs), *pointwise)


class Fusion(nn.Module):
    """`out_i = GELU(Σ_j blocks.i.j(in_j))`; may have one output more than inputs. A sparse one sums neighbouring resolutions alone."""

    def __init__(self, inputs: list[int], outputs: list[int], sparse: bool):
        super().__init__()

        def row(i: int, c_out: int) -> nn.ModuleDict:
            sources = [j for j in range(len(inputs)) if not sparse or abs(i - j) <= 1]
            return nn.ModuleDict({str(j): _bring(j, i, inputs[j], c_out) for j in sources})

        self.blocks = nn.ModuleList(row(i, c_out) for i, c_out in enumerate(outputs))

    def forward(self, maps):
        return [F.gelu(sum(path(maps[int(j)]) for j, path in row.items())) for row in self.blocks]


class PatchEmbed(nn.Module):
    """1x1, depthwise 3x3 (or a dense 3x3), LayerNorm: `[B, C_in, H, W]` to `[B, H, W, C]`."""

    def __init__(self, inputs: int, channels: int, dense: bool):
        super().__init__()
        if dense:
            self.proj = nn.Conv2d(inputs, channels, 3, padding=1)
        else:
            self.proj = nn.Sequential(nn.Conv2d(inputs, channels, 1), nn.Conv2d(channels, channels, 3, padding=1, groups=channels))
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Stage(nn.Module):
    """Patch embedding, transformer blocks and LayerNorm on every branch by itself."""

    def __init__(self, spec: Spec, inputs: list[int], counts: tuple[int, ...], drop_rates: list[float]):
        super().__init__()
        outputs = spec.channels[: len(counts)]
        self.patch_embed = nn.ModuleList(PatchEmbed(c_in, c, spec.ablation.dense_embedding) for c_in, c in zip(inputs, outputs))
        self.branches = nn.ModuleList(
            nn.ModuleList(Block(spec, branch, drop_rates[n]) for n in range(count)) for branch, count in enumerate(counts)
        )
        self.norm = nn.ModuleList(nn.LayerNorm(c) for c in outputs)

    def forward(self, maps):
        out = []
        for x, embed, blocks, norm in zip(maps, self.patch_embed, self.branches, self.norm):
            x = embed(x)
            for block in blocks:
                x = block(x)
            out.append(norm(x).permute(0, 3, 1, 2))
        return out


class Backbone(nn.Module):
    """`[B, 3, H, W]` to the four branches `[B, C_b, H / 2^(b+2), W / 2^(b+2)]`.

    The rate of stochastic depth grows linearly from 0 at the first block to `drop_path` at the last, counting along the longest branch of each module.
    """

    def __init__(self, spec: Spec, drop_path: float = 0.0):
        super().__init__()
        self.stem = Stem(spec.stem)
        depth = sum(max(counts) for counts in spec.blocks)
        rates = [drop_path * n / max(depth - 1, 1) for n in range(depth)]
        modules, widths, first = [], [spec.stem], 0
        for counts in spec.blocks:
            outputs = list(spec.channels[: len(counts)])
            fused = widths + outputs[len(widths) :]
            modules.append(Fusion(widths, fused, spec.ablation.sparse_fusion))
            modules.append(Stage(spec, fused, counts, rates[first:]))
            widths, first = outputs, first + max(counts)
        self.features = nn.Sequential(*modules)

    def forward(self, x):
        return self.features([self.stem(x)])
