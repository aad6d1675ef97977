"""Intersection over union of a network on labelled frames."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from hrvit_train.data import Frames, to_input
from hrvit_train.group import ALONE, Group


@dataclass
class Score:
    """Quality over a whole split, from the confusion matrix `[label, prediction]` in pixels."""

    confusion: torch.Tensor
    size: tuple[int, int]
    frames: int

    def iou(self) -> list[float | None]:
        """Per class; `None` for a class that neither labels nor predictions have."""
        hits = self.confusion.diag()
        union = self.confusion.sum(0) + self.confusion.sum(1) - hits
        return [int(h) / int(u) if u else None for h, u in zip(hits, union)]

    def miou(self) -> float:
        """Mean over the classes that occur."""
        known = [value for value in self.iou() if value is not None]
        return sum(known) / len(known) if known else 0.0

    def accuracy(self) -> float:
        """The part of all labelled pixels that is right."""
        return int(self.confusion.diag().sum()) / max(int(self.confusion.sum()), 1)

    def line(self) -> str:
        """For the progress of a run."""
        return f"val mIoU {100 * self.miou():.2f} %  pixel accuracy {100 * self.accuracy():.2f} %"

    def to_dict(self, names: list[str]) -> dict:
        """For JSON."""
        iou = {name: None if value is None else round(value, 5) for name, value in zip(names, self.iou())}
        return {"size": list(self.size), "frames": self.frames, "miou": round(self.miou(), 5), "pixel_accuracy": round(self.accuracy(), 5), "iou": iou}

    def table(self, names: list[str]) -> str:
        """One line per class, worst last, and the means."""
        width = max(len(name) for name in [*names, "pixel accuracy"])
        rows = sorted(zip(self.iou(), names), key=lambda row: -1 if row[0] is None else -row[0])
        lines = [f"{name:<{width}}  {'absent' if value is None else f'{100 * value:6.2f}'}" for value, name in rows]
        means = [f"{'mean IoU':<{width}}  {100 * self.miou():6.2f}", f"{'pixel accuracy':<{width}}  {100 * self.accuracy():6.2f}"]
        head = f"{f'class, {self.frames} frames':<{width}}  IoU, % at {self.size[0]}x{self.size[1]}"
        return "\n".join([head, *lines, "-" * (width + 8), *means])


@torch.no_grad()
def evaluate(model: nn.Module, frames: Frames, size: tuple[int, int], group: Group = ALONE) -> Score:
    """Frames resized to `size` (bilinear, antialiased), logits back to the labels (bilinear); the whole split in one confusion matrix."""
    was_training = model.training
    model.eval()
    device, classes = frames.device, frames.classes
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    for index in group.every(len(frames)):
        image, label = frames.get([index])[0]
        pixels = to_input(image, size)
        with autocast(device):
            logits = model(pixels)
        prediction = F.interpolate(logits.float(), label.shape, mode="bilinear", align_corners=False).argmax(1)[0]
        valid = label < classes
        confusion += torch.bincount(label[valid].long() * classes + prediction[valid], minlength=classes * classes)
    model.train(was_training)
    group.sum(confusion)
    return Score(confusion.view(classes, classes).cpu(), size, len(frames))


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 arithmetic where it is fast: on GPUs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
