"""The SegFormer head and HRNetV2's classification head."""

import torch
import torch.nn.functional as F
from torch import nn

CLASSIFIER_WIDTHS = (32, 64, 128, 256)
"""Width of the classification head's bottlenecks per branch, before their fourfold expansion."""
CLASSIFIER_FINAL = 2048
"""Channels of the classification head's last convolution."""


class _Pointwise(nn.Module):
    """1x1 convolution with bias, under the name that mmsegmentation gives it."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class _NormedPointwise(nn.Module):
    """1x1 convolution without bias, BatchNorm, ReLU, under mmsegmentation's names."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class SegFormerHead(nn.Module):
    """All branches to one width and to branch 0's size (bilinear), concatenated, mixed, classified: logits at 1/4 of the input."""

    def __init__(self, inputs: tuple[int, ...], width: int, classes: int):
        super().__init__()
        self.convs = nn.ModuleList(_Pointwise(c, width) for c in inputs)
        self.fusion_conv = _NormedPointwise(len(inputs) * width, width)
        self.conv_seg = nn.Conv2d(width, classes, 1)

    def forward(self, maps):
        size = maps[0].shape[2:]
        levels = [F.interpolate(conv(x), size, mode="bilinear", align_corners=False) for conv, x in zip(self.convs, maps)]
        return self.conv_seg(self.fusion_conv(torch.cat(levels, 1)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a fourfold wider end and a projected shortcut."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ClassificationHead(nn.Module):
    """Bottlenecks on every branch, summed from the highest resolution down, then a mean over the map and a linear layer."""

    def __init__(self, inputs: tuple[int, ...], classes: int):
        super().__init__()
        self.incre_modules = nn.ModuleList(nn.Sequential(Bottleneck(c, width)) for c, width in zip(inputs, CLASSIFIER_WIDTHS))
        wide = [4 * width for width in CLASSIFIER_WIDTHS]
        self.downsamp_modules = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in zip(wide, wide[1:])
        )
        self.final_layer = nn.Sequential(nn.Conv2d(wide[-1], CLASSIFIER_FINAL, 1), nn.BatchNorm2d(CLASSIFIER_FINAL), nn.ReLU())
        self.classifier = nn.Linear(CLASSIFIER_FINAL, classes)

    def forward(self, maps):
        first, *rest = (increase(x) for increase, x in zip(self.incre_modules, maps))
        y = first
        for down, level in zip(self.downsamp_modules, rest):
            y = level + down(y)
        return self.classifier(self.final_layer(y).mean((2, 3)))
