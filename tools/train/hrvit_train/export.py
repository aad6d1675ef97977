"""Files for others: float16 weights with their birth certificate, and ONNX."""

import hashlib
import json
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

import hrvit_train
from hrvit_train.checkpoint import COUNTER, replace_file
from hrvit_train.classify import TopOne
from hrvit_train.errors import UserError
from hrvit_train.evaluate import Score
from hrvit_train.loop import Run


def half_precision(model: nn.Module) -> dict[str, torch.Tensor]:
    """All tensors but BatchNorm's counters, float16, in main memory; a value that float16 cannot hold is an error."""
    tensors = {name: tensor.half().cpu().contiguous() for name, tensor in model.state_dict().items() if not name.endswith(COUNTER)}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(f"{name}: not finite in float16; the training has diverged")
    return tensors


def write_weights(run: Run, out: Path, score: Score | TopOne | None, names: list[str], val_frames: int) -> dict:
    """Writes the average as float16 safetensors to `out` and its birth certificate to `out` with `.json`; returns the certificate."""
    tensors = half_precision(run.average.model)
    content = safetensors.torch.save(tensors, {"made_with": f"hrvit_train {hrvit_train.__version__}"})
    replace_file(out, lambda fresh: fresh.write_bytes(content))
    device = run.train.device
    certificate = {
        "weights": out.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "network": {"spec": run.task.spec.to_dict(), "head": run.task.head, "classes": run.task.classes},
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "dtype": "float16",
        "data": {"train": run.train.folder.resolve().parent.name, "train_frames": len(run.train), "val_frames": val_frames},
        "origin": run.origin,
        "recipe": run.recipe.to_dict(),
        "iterations": run.iteration,
        "minutes": round(run.seconds / 60, 2),
        "finished": run.finished(),
        "val": None if score is None else score.to_dict(names),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "hrvit_train": hrvit_train.__version__,
    }
    text = json.dumps(certificate, indent=2) + "\n"
    replace_file(out.with_suffix(".json"), lambda fresh: fresh.write_text(text))
    return certificate


def write_onnx(model: nn.Module, size: tuple[int, int], out: Path) -> None:
    """The network as trained, float32, batch 1: input `x` `[1, 3, H, W]` normalised, output `y`; needs the extra `onnx`."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error}; export-onnx needs `pip install 'hrvit-train[onnx]'`") from None
    example = torch.zeros(1, 3, *size)
    program = torch.onnx.export(model.eval(), (example,), dynamo=True, input_names=["x"], output_names=["y"], verbose=False)
    for node in program.model.graph:
        node.metadata_props.clear()  # Stack traces, as large as the weights.
    out.parent.mkdir(parents=True, exist_ok=True)
    program.save(str(out), external_data=False)
