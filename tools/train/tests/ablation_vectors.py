"""Logits of networks without some of the paper's techniques, for the Rust reference: `python -m tests.ablation_vectors` writes
`tests/data/ablations.safetensors` at the repository's root."""

import dataclasses

from tests.support import ROOT, synthetic

FILE = ROOT / "tests" / "data" / "ablations.safetensors"
SEED = 1
CLASSES = 5
CASES: dict[str, dict] = {
    "no_des": {"no_des": True},
    "no_parallel_path": {"no_parallel_path": True},
    "sparse_fusion": {"sparse_fusion": True},
    "between_3x3": {"between": "3x3"},
    "between_5x5": {"between": "5x5"},
    "between_nothing": {"between": "nothing"},
    "no_extra_norm": {"no_extra_norm": True},
    "own_keys": {"own_keys": True},
    "dense_embedding": {"dense_embedding": True},
    "together": {"own_keys": True, "dense_embedding": True, "no_des": True, "no_parallel_path": True, "no_extra_norm": True, "sparse_fusion": True, "between": "nothing"},
}
"""Each technique alone, and all together."""


def frame():
    """The picture that all cases see, `[64, 96, 3]` bytes."""
    import torch

    return (torch.arange(64 * 96 * 3).view(64, 96, 3) * 37 % 251).to(torch.uint8)


def logits(case: str):
    """The logits of a case with synthetic weights, `[1, CLASSES, 16, 24]`."""
    import torch

    from hrvit_train.checkpoint import COUNTER, load_weights
    from hrvit_train.data import normalise
    from hrvit_train.model import build
    from hrvit_train.spec import VARIANTS, Ablation

    spec = dataclasses.replace(VARIANTS["nano"], ablation=Ablation(**CASES[case]))
    model = build(spec, "segformer", CLASSES).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    load_weights(model, {name: synthetic(name, shape, SEED) for name, shape in shapes.items()}, case)
    with torch.no_grad():
        return model(normalise(frame().permute(2, 0, 1)[None].float()))


def main() -> None:
    import torch
    from safetensors.torch import save_file

    tensors = {case: logits(case).contiguous() for case in CASES}
    save_file(tensors, FILE, {"made_with": "tools/train/tests/ablation_vectors.py", "torch": str(torch.__version__), "seed": str(SEED), "variant": "nano"})


if __name__ == "__main__":
    main()
