"""Settings of the paper (arXiv 2111.01236, section 3.1) as starting points of a recipe; options on the command line win over them."""

_SEGMENTATION = {
    "batch": 16,
    "iterations": 160_000,
    "lr": 6e-5,
    "schedule": "poly",
    "warm_up": 1500,
    "weight_decay": 0.01,
    "drop_path": 0.1,
    "scale": (0.5, 2.0),
    "aspect": 0.0,
    "class_weights": "none",
    "ema": 0.0,
    "evaluate_every": 16_000,
}
"""The paper's optimiser; scales, plain cross-entropy and no average are those of the prior work that it follows (SegFormer, arXiv 2105.15203)."""

PRESETS: dict[str, dict] = {
    "paper-ade20k": {**_SEGMENTATION, "size": (512, 512)},
    "paper-cityscapes": {**_SEGMENTATION, "size": (1024, 1024)},
}
"""Both start from a backbone trained on ImageNet: `--init-backbone`."""
