"""Classification: pictures in a folder per class, random views, mixed pairs, smoothed targets, top-1 accuracy (the settings of DeiT, arXiv 2012.12877)."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from hrvit_train import augment, strong
from hrvit_train.data import PICTURES, normalise
from hrvit_train.errors import UserError
from hrvit_train.evaluate import autocast
from hrvit_train.group import ALONE, Group
from hrvit_train.recipe import Recipe

CENTRE = 0.875
"""Part of a picture's shorter side that evaluation looks at."""


class Pictures:
    """One split, a folder with a folder of pictures per class; classes are numbered by name. Pictures are decoded anew each time, by four threads."""

    def __init__(self, folder: Path, classes: int, device: torch.device):
        self.folder, self.classes, self.device = folder, classes, device
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder; a split of a classifier is a folder with a folder of pictures for each class")
        self.names = sorted(path.name for path in folder.iterdir() if path.is_dir())
        if len(self.names) != classes:
            raise UserError(f"{folder} has {len(self.names)} folders, but --classes says {classes}")
        self.files = [(path, label) for label, name in enumerate(self.names) for path in sorted((folder / name).iterdir()) if path.suffix.lower() in PICTURES]
        if not self.files:
            raise UserError(f"{folder}: no {', '.join(PICTURES)} in its folders")
        self.threads = ThreadPoolExecutor(4)

    def __len__(self) -> int:
        return len(self.files)

    def get(self, indices: list[int]) -> list[tuple[torch.Tensor, int]]:
        """The pictures `[3, H, W]` in bytes, and their classes."""
        return list(self.threads.map(self._read, (self.files[i] for i in indices)))

    def _read(self, file: tuple[Path, int]) -> tuple[torch.Tensor, int]:
        path, label = file
        try:
            image = np.array(Image.open(path).convert("RGB"))
        except OSError as error:
            raise UserError(f"reading {path}: {error}") from None
        return torch.from_numpy(image).permute(2, 0, 1).contiguous().to(self.device), label


def view(image: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> torch.Tensor:
    """One normalised crop `[3, h, w]`: a part of the picture's area within `scale`, of an aspect within `aspect`, mirrored or not, in other colours;
    RandAugment and random erasing where the recipe has them."""
    height, width = image.shape[1:]
    area = augment.between(*recipe.scale, generator) * height * width
    aspect = math.exp(augment.between(-recipe.aspect, recipe.aspect, generator))
    rows = min(height, max(1, round(math.sqrt(area / aspect))))
    columns = min(width, max(1, round(math.sqrt(area * aspect))))
    top, left = augment.below(height - rows + 1, generator), augment.below(width - columns + 1, generator)
    crop = image[None, :, top : top + rows, left : left + columns].float()
    pixels = F.interpolate(crop, recipe.size, mode="bilinear", align_corners=False, antialias=True)[0]
    if augment.below(2, generator):
        pixels = pixels.flip(-1)
    if recipe.rand_augment:
        pixels = strong.rand_augment(pixels, recipe.rand_augment, augment.seeds(1, generator)[0])
    pixels = normalise(augment.colour(pixels, recipe.colour, generator))
    return strong.erase(pixels, recipe.erasing, augment.seeds(1, generator)[0]) if recipe.erasing else pixels


def batch(pictures, recipe: Recipe, seeds: list[int], mixing: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
    """Views `[B, 3, h, w]` mixed in pairs; classes of each and of its partner `[B]`, and the weight of the former.

    Neighbours are partners, so that no process needs another's pictures. `mixing` is the seed of the whole batch's mixture: mixup (arXiv 1710.09412)
    or CutMix (arXiv 1905.04899), each half of the time where the recipe has both.
    """
    pixels = torch.stack([view(image, recipe, torch.Generator().manual_seed(seed)) for (image, _), seed in zip(pictures, seeds)])
    classes = torch.tensor([label for _, label in pictures], device=pixels.device)
    strengths = [(cut, strength) for cut, strength in ((False, recipe.mixup), (True, recipe.cutmix)) if strength > 0]
    if not strengths:
        return pixels, classes, classes, 1.0
    random = np.random.default_rng(mixing)
    cut, strength = strengths[random.integers(len(strengths))]
    weight = float(random.beta(strength, strength))
    partner = torch.arange(len(pixels), device=pixels.device) ^ 1
    if not cut:
        return weight * pixels + (1 - weight) * pixels[partner], classes, classes[partner], weight
    height, width = recipe.size
    rows, columns = round(height * math.sqrt(1 - weight)), round(width * math.sqrt(1 - weight))
    top, left = int(random.integers(height - rows + 1)), int(random.integers(width - columns + 1))
    window = (slice(None), slice(None), slice(top, top + rows), slice(left, left + columns))
    mixed = pixels.clone()
    mixed[window] = pixels[partner][window]
    return mixed, classes, classes[partner], 1 - rows * columns / (height * width)


def loss(logits: torch.Tensor, mixed: tuple[torch.Tensor, torch.Tensor, float], smoothing: float, batch: int) -> torch.Tensor:
    """This process's part of the cross entropy with smoothed targets, the mean over `batch` pictures of all processes."""
    own, other, weight = mixed
    each = [F.cross_entropy(logits, classes, label_smoothing=smoothing, reduction="sum") for classes in (own, other)]
    return (weight * each[0] + (1 - weight) * each[1]) / batch


@dataclass
class TopOne:
    """Accuracy over a whole split."""

    right: int
    of: int
    size: tuple[int, int]

    def accuracy(self) -> float:
        """The part of all pictures whose most likely class is right."""
        return self.right / max(self.of, 1)

    def line(self) -> str:
        """For the progress of a run."""
        return f"val top-1 {100 * self.accuracy():.2f} %"

    def to_dict(self, _names: list[str]) -> dict:
        """For JSON."""
        return {"size": list(self.size), "frames": self.of, "top_1": round(self.accuracy(), 5)}

    def table(self, _names: list[str]) -> str:
        """One line."""
        return f"top-1 of {self.of} pictures at {self.size[0]}x{self.size[1]}: {100 * self.accuracy():.2f} %"


def centred(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The middle of a picture as a batch of one: the largest part of `size`'s shape, `CENTRE` of it, resized and normalised."""
    height, width = image.shape[1:]
    factor = CENTRE * min(height / size[0], width / size[1])
    rows, columns = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
    top, left = (height - rows) // 2, (width - columns) // 2
    crop = image[None, :, top : top + rows, left : left + columns].float()
    return normalise(F.interpolate(crop, size, mode="bilinear", align_corners=False, antialias=True))


@torch.no_grad()
def evaluate(model: nn.Module, pictures: Pictures, size: tuple[int, int], group: Group = ALONE) -> TopOne:
    """Top-1 accuracy on the middle of every picture."""
    was_training = model.training
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=pictures.device)
    for index in group.every(len(pictures)):
        image, label = pictures.get([index])[0]
        with autocast(pictures.device):
            right += (model(centred(image, size)).argmax(1) == label).sum()
    model.train(was_training)
    return TopOne(int(group.sum(right)), len(pictures), size)
