"""Files of weights, and what a run leaves behind to go on from."""

import hashlib
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from hrvit_train.errors import UserError

WRAPPERS = ("state_dict_ema", "state_dict", "model")
"""Keys under which other programs put the tensors."""
COUNTER = "num_batches_tracked"
"""End of the names of BatchNorm's counters, which no network needs."""
FORMAT = 2
"""Version of resumable checkpoints."""
BACKBONE = "backbone."
"""Start of the names of a segmentor's backbone; in a classifier, these tensors have names without it."""
CLASSIFIER_HEAD = "head."
"""Start of the names of a classifier's head."""


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.safetensors`, `.pth` or resumable checkpoint (whose average is taken), in float32, without counters."""
    try:
        if path.suffix == ".safetensors":
            found = safetensors.torch.load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
            found = found.get("average") or next((found[key] for key in WRAPPERS if key in found), found)
    except (OSError, RuntimeError, AttributeError, pickle.UnpicklingError, safetensors.SafetensorError) as error:
        raise UserError(f"reading {path}: {error}") from None
    tensors = {name.removeprefix("module."): tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    return {name: tensor.float() for name, tensor in tensors.items() if not name.endswith(COUNTER)}


def load_weights(model: nn.Module, weights: dict[str, torch.Tensor], origin: str) -> None:
    """Puts `weights` into `model`; a missing, extra or misshapen tensor is an error that names it."""
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    problems = [f"{name}: missing, expected shape {list(shape)}" for name, shape in wanted.items() if name not in weights]
    problems += [f"{name}: not part of this network" for name in weights if name not in wanted]
    problems += [
        f"{name}: shape {list(tensor.shape)}, expected {list(wanted[name])}"
        for name, tensor in weights.items()
        if name in wanted and tensor.shape != wanted[name]
    ]
    if problems:
        more = f"\n  and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise UserError(f"{origin} does not fit the network (check variant, head and classes):\n  " + "\n  ".join(problems[:8]) + more)
    model.load_state_dict(weights, strict=False)


@dataclass(frozen=True)
class Origin:
    """Weights that a run starts from instead of random ones."""

    file: Path
    backbone_only: bool
    sha256: str
    weights: dict[str, torch.Tensor]

    @staticmethod
    def read(file: Path, backbone_only: bool) -> "Origin":
        """The weights in `file`: a segmentor's, or, for a backbone alone, also a classifier's."""
        weights = read_weights(file)
        return Origin(file, backbone_only, hashlib.sha256(file.read_bytes()).hexdigest(), weights)

    def load(self, model: nn.Module) -> None:
        """Puts the weights into the segmentor `model`; with a backbone alone, its head stays as it is."""
        if not self.backbone_only:
            return load_weights(model, self.weights, str(self.file))
        segmentor = any(name.startswith(BACKBONE) for name in self.weights)
        wanted = [name for name in self.weights if (name.startswith(BACKBONE) if segmentor else not name.startswith(CLASSIFIER_HEAD))]
        load_weights(model.backbone, {name.removeprefix(BACKBONE): self.weights[name] for name in wanted}, str(self.file))

    def to_dict(self) -> dict:
        """For the birth certificate."""
        return {"weights": self.file.name, "sha256": self.sha256, "part": "backbone" if self.backbone_only else "all"}


def replace_file(path: Path, write) -> None:
    """Calls `write` with the path of a new file beside `path` and renames it over `path` once it is complete and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(fresh)
        with open(fresh, "rb") as file:
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def save_run(path: Path, state: dict) -> None:
    """Writes a resumable checkpoint; a run that dies meanwhile leaves the previous one."""
    replace_file(path, lambda fresh: torch.save({"format": FORMAT, **state}, fresh))


def load_run(path: Path) -> dict:
    """A resumable checkpoint, tensors in main memory."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(f"reading {path}: {error}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is no run to resume (format {FORMAT}); to start from weights, use --init")
    return state


def random_state() -> dict:
    """The global generators of main memory and of this process's GPU, which stochastic depth draws from; alike in all processes."""
    return {"cpu": torch.get_rng_state(), "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []}


def restore_random_state(state: dict) -> None:
    """The inverse of `random_state`."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state(state["cuda"][0])
