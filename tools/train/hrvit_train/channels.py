"""How uneven channels are: the largest magnitude of a channel over that of the median channel, for weights and for what modules put out."""

from dataclasses import dataclass

import torch
from torch import nn

from hrvit_train.data import Frames, to_input

KINDS = (nn.Conv2d, nn.Linear, nn.LayerNorm, nn.BatchNorm2d)
"""Modules whose weights and outputs are measured."""


@dataclass
class Ratio:
    """Of one module: channels that are all zero do not count."""

    module: str
    kind: str
    weights: float
    outputs: float


def ratio(peaks: torch.Tensor) -> float:
    """The largest of `peaks`, one a channel, over the median of those above 0; 1 where none is."""
    alive = peaks[peaks > 0]
    return float(alive.max() / alive.median()) if len(alive) else 1.0


def by_channel(values: torch.Tensor, dim: int) -> torch.Tensor:
    """The largest magnitude of each index of `dim`."""
    values = values.abs().movedim(dim, 0)
    return values.reshape(len(values), -1).amax(1)


@torch.no_grad()
def measure(model: nn.Module, frames: Frames, size: tuple[int, int], count: int) -> list[Ratio]:
    """Of every convolution, linear layer and norm, on the first `count` frames resized to `size`."""
    model.eval()
    modules = {name: module for name, module in model.named_modules() if isinstance(module, KINDS)}
    peaks: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(module: nn.Module, _inputs, output: torch.Tensor) -> None:
            # Channels are the last dimension of tokens, the second of images.
            found = by_channel(output, -1 if isinstance(module, (nn.Linear, nn.LayerNorm)) else 1)
            peaks[name] = torch.maximum(peaks[name], found) if name in peaks else found

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    for index in range(min(count, len(frames))):
        image, _ = frames.get([index])[0]
        model(to_input(image, size))
    for hook in hooks:
        hook.remove()
    return [
        Ratio(name, type(module).__name__, ratio(by_channel(module.weight, 0)), ratio(peaks[name]))
        for name, module in modules.items()
        if name in peaks and module.weight is not None
    ]


def table(ratios: list[Ratio], worst: int) -> str:
    """Median and largest ratio of each kind of module, then the `worst` modules by their outputs."""
    lines = [f"{'kind':<12}{'count':>6}  {'weights: median':>16}{'largest':>9}  {'outputs: median':>16}{'largest':>9}"]
    for kind in sorted({ratio.kind for ratio in ratios}):
        of_kind = [ratio for ratio in ratios if ratio.kind == kind]
        weights, outputs = (torch.tensor([getattr(one, part) for one in of_kind]) for part in ("weights", "outputs"))
        lines.append(f"{kind:<12}{len(of_kind):>6}  {weights.median():>16.2f}{weights.max():>9.2f}  {outputs.median():>16.2f}{outputs.max():>9.2f}")
    for one in sorted(ratios, key=lambda one: -one.outputs)[:worst]:
        lines.append(f"{one.module}: weights {one.weights:.2f}, outputs {one.outputs:.2f}")
    return "\n".join(lines)
