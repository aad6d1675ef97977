"""Settings of the paper (arXiv 2111.01236, section 3.1) as starting points of a recipe; options on the command line win over them."""

_SEGMENTATION = {
    "batch": 16,
    "iterations": 160_000,
    "lr": 6e-5,
    "head_lr": 10.0,
    "schedule": "poly",
    "warm_up": 1500,
    "weight_decay": 0.01,
    "drop_path": 0.1,
    "scale": (0.5, 2.0),
    "aspect": 0.0,
    "colour": 0.3,
    "class_weights": "none",
    "clip": 0.0,
    "ema": 0.0,
    "evaluate_every": 16_000,
}
"""The paper's optimiser; the head's tenfold rate is the public reference's. Scales, colours, plain cross-entropy, no bound on gradients and no average are those of the prior work that it follows (SegFormer, arXiv 2105.15203)."""

_IMAGENET_PICTURES = 1_281_167
_IMAGENET_BATCH = 1024

_CLASSIFICATION = {
    "size": (224, 224),
    "batch": _IMAGENET_BATCH,
    "iterations": 300 * _IMAGENET_PICTURES // _IMAGENET_BATCH,
    "lr": 1e-3,
    "schedule": "cosine",
    "warm_up": 5 * _IMAGENET_PICTURES // _IMAGENET_BATCH,
    "weight_decay": 0.05,
    "drop_path": 0.1,
    "scale": (0.08, 1.0),
    "aspect": 0.2877,
    "label_smoothing": 0.1,
    "mixup": 0.8,
    "cutmix": 1.0,
    "colour": 0.0,
    "rand_augment": 9.0,
    "erasing": 0.25,
    "repeats": 3,
    "clip": 0.0,
    "ema": 0.0,
    "evaluate_every": 10 * _IMAGENET_PICTURES // _IMAGENET_BATCH,
}
"""Settings of DeiT (arXiv 2012.12877, table 9), which the paper follows: 300 epochs, 5 of warm-up, crops of 8 to 100 % of the area and 3:4 to 4:3.

An epoch has as many views as there are pictures: with three views each it sees a third of them, as DeiT's does.
"""

PRESETS: dict[str, dict] = {
    "paper-imagenet": _CLASSIFICATION,
    "paper-ade20k": {**_SEGMENTATION, "size": (512, 512)},
    "paper-cityscapes": {**_SEGMENTATION, "size": (1024, 1024)},
}
"""Segmentors start from a backbone trained on ImageNet: `--init-backbone`."""

HEAD_OF = {"paper-imagenet": "classifier"}
"""Presets that train another head than SegFormer's."""
