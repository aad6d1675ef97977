"""Shared parts of the tests: the repository's data, synthetic weights, a data set of eight frames."""

import importlib.util
import math
import os
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("torch", "numpy", "PIL", "safetensors")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]

needs_torch = unittest.skipIf(MISSING, f"not installed: {', '.join(MISSING)}; see tools/train/README.md")
"""Marks a test that cannot run without the packages of `pyproject.toml`."""
needs_torchvision = unittest.skipIf(importlib.util.find_spec("torchvision") is None, "not installed: torchvision, the extra imagenet; see tools/train/README.md")
"""Marks a test that cannot run without the extra `imagenet`."""


def fnv1a64(text: str) -> int:
    """FNV-1a, 64 bits."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def synthetic(name: str, shape: tuple[int, ...], seed: int):
    """The weights that `tests/data/oracle/README.md` derives from a tensor's name, float32."""
    import numpy as np
    import torch

    count = math.prod(shape)
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(fnv1a64(name) ^ seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    u = ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    if name.endswith("running_mean"):
        values = 0.2 * u
    elif name.endswith("running_var"):
        values = 1 + 0.5 * u
    elif name.endswith("bias"):
        values = 0.1 * u
    elif len(shape) == 1:
        values = 1 + 0.25 * u
    else:
        values = u * math.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def eight_frames(folder: Path) -> Path:
    """A data set in `folder` whose training and validation splits are both the bundled validation frames."""
    for split in ("train", "val"):
        os.symlink(ROOT / "data" / "val", folder / split, target_is_directory=True)
    return folder


def two_classes(folder: Path) -> Path:
    """A classifier's data set in `folder`: eight reddish and eight bluish pictures of noise, the same in both splits."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for name, tint in (("blue", (40, 60, 170)), ("red", (170, 60, 40))):
        for number in range(8):
            pixels = (random.integers(0, 80, (48, 64, 3)) + np.array(tint)).astype(np.uint8)
            for split in ("train", "val"):
                (folder / split / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder
