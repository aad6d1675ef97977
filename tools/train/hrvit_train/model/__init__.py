"""HRViT in PyTorch; tensor names are those of the public reference implementation, so its checkpoints load by name.

Feature maps between modules are `[B, C, H, W]`; inside the blocks of a stage they are `[B, H, W, C]`, so that linear layers and norms see channels last.
"""

from torch import nn

from hrvit_train.errors import UserError
from hrvit_train.model.backbone import Backbone
from hrvit_train.model.heads import ClassificationHead, SegFormerHead
from hrvit_train.spec import Spec

HEADS = ("segformer", "classifier")
"""Heads that can sit on top of the backbone."""


class Segmentor(nn.Module):
    """Backbone and SegFormer head: `[B, 3, H, W]` normalised to logits `[B, classes, H / 4, W / 4]`."""

    def __init__(self, spec: Spec, classes: int, drop_path: float = 0.0):
        super().__init__()
        self.backbone = Backbone(spec, drop_path)
        self.decode_head = SegFormerHead(spec.channels, spec.head_width, classes)

    def forward(self, x):
        return self.decode_head(self.backbone(x))


class Classifier(Backbone):
    """Backbone and HRNetV2's classification head: `[B, 3, H, W]` normalised to logits `[B, classes]`."""

    def __init__(self, spec: Spec, classes: int, drop_path: float = 0.0):
        super().__init__(spec, drop_path)
        self.head = ClassificationHead(spec.channels, classes)

    def forward(self, x):
        return self.head(super().forward(x))


def build(spec: Spec, head: str, classes: int, drop_path: float = 0.0) -> nn.Module:
    """The network that `spec`, `head` (one of `HEADS`) and the number of classes describe, with fresh weights."""
    kinds = {"segformer": (Segmentor, 256), "classifier": (Classifier, 32767)}
    if head not in kinds:
        raise UserError(f"head {head!r}: expected one of {', '.join(HEADS)}")
    kind, most = kinds[head]
    if not 1 <= classes <= most:
        raise UserError(f"classes = {classes}: expected 1 to {most} for {head}")
    return kind(spec.validate(), classes, drop_path)
