"""RandAugment (arXiv 1909.13719) and random erasing (arXiv 1708.04896) by torchvision, with the settings of DeiT (arXiv 2012.12877)."""

from contextlib import contextmanager

import torch

from hrvit_train.data import MEAN
from hrvit_train.errors import UserError

OPERATIONS = 2
"""Operations that RandAugment draws for a picture."""
CHANCE = 0.5
"""Chance that one of them is carried out."""
SPREAD = 0.5
"""Standard deviation of its magnitude."""
LARGEST = 10
"""The largest magnitude."""
FINENESS = 10
"""Steps of a magnitude in one unit."""
ERASED = (0.02, 1 / 3)
"""Parts of a picture's area that may be erased."""
ERASED_ASPECT = (0.3, 1 / 0.3)
"""Aspects of the erased rectangle."""


def _transforms():
    try:
        from torchvision.transforms import v2
    except ImportError as error:
        raise UserError(f"--rand-augment and --erasing need torchvision: pip install -e '.[imagenet]' ({error})") from None
    return v2


@contextmanager
def _seeded(seed: int, device: torch.device):
    """Inside, the global generators, which torchvision draws from, give the numbers of `seed`; outside they go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def rand_augment(pixels: torch.Tensor, magnitude: float, seed: int) -> torch.Tensor:
    """RGB in [0, 255], `[3, H, W]`, after up to `OPERATIONS` random operations of about this magnitude (0 to `LARGEST`); what moves in is grey."""
    v2 = _transforms()
    pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    with _seeded(seed, pixels.device):
        for _ in range(OPERATIONS):
            if torch.rand(()).item() < CHANCE:
                drawn = min(max(magnitude + SPREAD * torch.randn(()).item(), 0.0), LARGEST)
                pixels = v2.RandAugment(1, round(FINENESS * drawn), FINENESS * LARGEST + 1, "bilinear", [round(mean) for mean in MEAN])(pixels)
    return pixels.float()


def erase(pixels: torch.Tensor, chance: float, seed: int) -> torch.Tensor:
    """Normalised `[3, H, W]`, by this chance with a rectangle of normal noise."""
    transform = _transforms().RandomErasing(chance, ERASED, ERASED_ASPECT, value="random")
    with _seeded(seed, pixels.device):
        return transform(pixels)
