"""Random views of labelled frames: scale and aspect, crop, mirror image, colour."""

import math

import torch
import torch.nn.functional as F

from hrvit_train.data import normalise
from hrvit_train.recipe import Recipe


def between(low: float, high: float, generator: torch.Generator) -> float:
    """A random number in `[low, high)`."""
    return low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64).item()


def below(count: int, generator: torch.Generator) -> int:
    """A random number of 0 to `count - 1`."""
    return int(torch.randint(count, (), generator=generator))


def view(image: torch.Tensor, label: torch.Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """One normalised crop `[3, h, w]` and its labels `[h, w]` (int64).

    The scale is drawn log-uniformly; the frame is never made smaller than the crop, so no pixel is invented.
    """
    height, width = recipe.size
    scale = math.exp(between(math.log(recipe.scale[0]), math.log(recipe.scale[1]), generator))
    aspect = math.exp(between(-recipe.aspect, recipe.aspect, generator))
    rows = max(height, round(image.shape[1] * scale))
    columns = max(width, round(image.shape[2] * scale * aspect))
    pixels = F.interpolate(image[None].float(), (rows, columns), mode="bilinear", align_corners=False, antialias=True)[0]
    classes = F.interpolate(label[None, None].float(), (rows, columns), mode="nearest-exact")[0, 0].long()
    top, left = below(rows - height + 1, generator), below(columns - width + 1, generator)
    pixels = pixels[:, top : top + height, left : left + width]
    classes = classes[top : top + height, left : left + width]
    if below(2, generator):
        pixels, classes = pixels.flip(-1), classes.flip(-1)
    return normalise(colour(pixels, recipe.colour, generator)), classes


def colour(pixels: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Contrast, brightness and saturation, each up to `strength` (0 leaves the picture alone)."""
    gain, shift, saturation = (between(-strength, strength, generator) for _ in range(3))
    pixels = pixels * (1 + gain) + 80 * shift
    grey = pixels.mean(0, keepdim=True)
    return (grey + (pixels - grey) * (1 + saturation)).clamp(0, 255)


def seeds(count: int, generator: torch.Generator) -> list[int]:
    """Seeds of `count` views: each is drawn by itself, so that processes need not make each other's."""
    return torch.randint(2**62, (count,), generator=generator).tolist()


def batch(frames, recipe: Recipe, seeds: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """A view of every frame by its seed: `[B, 3, h, w]` and `[B, h, w]`."""
    views = (view(image, label, recipe, torch.Generator().manual_seed(seed)) for (image, label), seed in zip(frames, seeds))
    pixels, classes = zip(*views)
    return torch.stack(pixels), torch.stack(classes)
