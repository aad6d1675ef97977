"""Labelled frames: a folder with `images/` and `labels/`, paired by file stem; the value of a label pixel is its class."""

import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from hrvit_train.errors import UserError
from hrvit_train.group import ALONE, Group

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
IGNORED = 255
"""Label of a pixel that is no class."""
PICTURES = (".jpg", ".jpeg", ".png")


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """RGB in [0, 255], `[..., 3, H, W]`, to what the network sees."""
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (MEAN, STD))
    return (pixels - mean) / std


def to_input(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """`[3, H, W]` bytes as a batch of one, resized to `size` (bilinear, antialiased) and normalised."""
    return normalise(F.interpolate(image[None].float(), size, mode="bilinear", align_corners=False, antialias=True))


class Frames:
    """One split of a data set, `[3, H, W]` bytes and `[H, W]` class indices per frame.

    Up to `cache_bytes` of decoded pictures are kept on `device`; a larger split is decoded anew each time, by four threads.
    """

    def __init__(self, folder: Path, classes: int, device: torch.device, cache_bytes: int = 4 << 30):
        self.folder, self.classes, self.device = folder, classes, device
        self.pairs = _pairs(folder)
        self.threads = ThreadPoolExecutor(4)
        with Image.open(self.pairs[0][0]) as first:
            width, height = first.size
        self.cache: list | None = None
        if len(self.pairs) * height * width * 4 <= cache_bytes:
            self.cache = list(self.threads.map(self._read, self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)

    def get(self, indices: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The frames and labels with these indices."""
        if self.cache is not None:
            return [self.cache[i] for i in indices]
        return list(self.threads.map(self._read, (self.pairs[i] for i in indices)))

    def pixels_per_class(self, group: Group = ALONE) -> torch.Tensor:
        """How many label pixels each class has, `[classes]`, float64."""
        counts = torch.zeros(self.classes, dtype=torch.float64, device=self.device)
        for index in group.every(len(self)):
            label = self.get([index])[0][1].flatten()
            counts += torch.bincount(label[label < self.classes].long(), minlength=self.classes)
        return group.sum(counts)

    def _read(self, pair: tuple[Path, Path]) -> tuple[torch.Tensor, torch.Tensor]:
        image_path, label_path = pair
        try:
            image = np.array(Image.open(image_path).convert("RGB"))
            label_image = Image.open(label_path)
            label = np.array(label_image)
        except OSError as error:
            raise UserError(f"reading {image_path} and its label: {error}") from None
        if label_image.mode not in ("L", "P"):
            raise UserError(f"{label_path}: mode {label_image.mode}; a label is an 8-bit grey or palette picture of class indices")
        if label.shape != image.shape[:2]:
            raise UserError(f"{label_path}: {label.shape[1]}x{label.shape[0]}, but its frame is {image.shape[1]}x{image.shape[0]}")
        label = np.where(label < self.classes, label, IGNORED).astype(np.uint8)
        return torch.from_numpy(image).permute(2, 0, 1).contiguous().to(self.device), torch.from_numpy(label).to(self.device)


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Frames and their labels, sorted by name."""
    images = folder / "images"
    if not images.is_dir():
        raise UserError(f"{images} is not a folder; a split is a folder with images/ and labels/")
    pairs = []
    for image in sorted(path for path in images.iterdir() if path.suffix.lower() in PICTURES):
        label = folder / "labels" / f"{image.stem}.png"
        if not label.is_file():
            raise UserError(f"{label} is missing: every frame needs a label of the same name")
        pairs.append((image, label))
    if not pairs:
        raise UserError(f"{images} has no {', '.join(PICTURES)}")
    return pairs


class Sampler:
    """Draws every index once before any is drawn again, in an order that follows from the generator.

    With `repeats` (repeated augmentation, arXiv 1902.05509) a batch has that many views of each frame, as far from one another as its size allows:
    they are no neighbours, and processes share them.
    """

    def __init__(self, count: int, generator: torch.Generator, repeats: int = 1):
        self.count, self.generator, self.repeats = count, generator, repeats
        self.left: list[int] = []

    def draw(self, number: int) -> list[int]:
        """The next `number` indices: of `number / repeats` frames, rounded up."""
        drawn = []
        while len(drawn) * self.repeats < number:
            if not self.left:
                self.left = torch.randperm(self.count, generator=self.generator).tolist()
            drawn.append(self.left.pop())
        return (drawn * self.repeats)[:number]


def class_names(path: Path | None, classes: int) -> list[str]:
    """Names from a TOML file of `[[class]]` tables with `name`, like `data/camvid11.toml`; numbers without one."""
    if path is None:
        return [str(n) for n in range(classes)]
    try:
        names = [entry["name"] for entry in tomllib.loads(path.read_text())["class"]]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UserError(f"reading {path}: {error!r}; expected [[class]] tables with a name") from None
    if len(names) != classes:
        raise UserError(f"{path} names {len(names)} classes, the network has {classes}")
    return names
