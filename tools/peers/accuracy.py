#!/usr/bin/env python3
"""Compares 8 bits of `hrvit quantize` and of other quantisers on the same network: logits SQNR and agreement with float, on frames that calibrated none of them.

Every contender calibrates with the same folder (`hrvit` holds a fifth of it out) and is compared with the float network by one measure, that of docs/quantiser.md: over the
classes that float picks somewhere, each pixel's mean taken off both, and each class's mean over the set off the signal; agreement is of the pixels of the input's size. Needs
`onnxruntime`, `onnx`, `pillow`, and `nncf` for NNCF's transformer preset; what is not installed is named and left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from quantise_onnx import Frames, normalised, pixels


def pictures(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"error: {folder} has no pictures")
    return paths


def tensor(path: Path, height: int, width: int) -> np.ndarray:
    return normalised(pixels(path, height, width))


def enlarged(logits: np.ndarray) -> np.ndarray:
    """`[classes, h, w]` four times as large, bilinear between the centres of pixels."""
    for axis in (1, 2):
        size = logits.shape[axis]
        at = np.clip((np.arange(4 * size) + 0.5) / 4 - 0.5, 0, size - 1)
        low = at.astype(int)
        high = np.minimum(low + 1, size - 1)
        share = (at - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        logits = (1 - share) * np.take(logits, low, axis) + share * np.take(logits, high, axis)
    return logits


def figures(float_logits: list[np.ndarray], found: list[np.ndarray]) -> dict[str, float]:
    """SQNR in dB of what decides, and the share of pixels with float's label in percent."""
    exact, other = (np.stack(all).transpose(0, 2, 3, 1).reshape(-1, all[0].shape[0]).astype(np.float64) for all in (float_logits, found))
    picked = np.unique(exact.argmax(1))
    exact, other = exact[:, picked], other[:, picked]
    exact, other = (logits - logits.mean(1, keepdims=True) for logits in (exact, other))
    noise = ((exact - other) ** 2).sum()
    signal = ((exact - exact.mean(0)) ** 2).sum()
    same = [(enlarged(a).argmax(0) == enlarged(b).argmax(0)).mean() for a, b in zip(float_logits, found)]
    return {"sqnr_db": float(10 * np.log10(signal / noise)), "agreement": 100 * float(np.mean(same))}


def outputs(model: Path, frames: list[np.ndarray]) -> list[np.ndarray]:
    network = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return [network.run(None, {"x": frame})[0][0] for frame in frames]


FRAMES_IN_MEMORY = 32
"""Frames of a percentile: ONNX Runtime keeps every activation of all of them until the last."""


def onnx_runtime(args: argparse.Namespace, size: tuple[int, int], method: CalibrationMethod, out: Path) -> None:
    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(str(args.onnx), str(prepared), skip_symbolic_shape=True)
    percentile = method == CalibrationMethod.Percentile
    count = len(pictures(args.calib))
    quantize_static(
        str(prepared),
        str(out),
        Frames(args.calib, *size, min(count, FRAMES_IN_MEMORY) if percentile else count),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=method,
        extra_options={"CalibPercentile": 99.99} if percentile else {},
    )


def nncf_transformer(args: argparse.Namespace, size: tuple[int, int], out: Path) -> None:
    os.environ["NNCF_CI"] = "1"  # no usage data
    import nncf
    import onnx

    frames = [tensor(path, *size) for path in pictures(args.calib)]
    model = nncf.quantize(
        onnx.load(args.onnx),
        nncf.Dataset(frames, lambda frame: {"x": frame}),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(frames),
    )
    onnx.save(model, out)


def hrvit(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """The same figures by the command, of the float network and the image that it makes."""
    image = folder / "hrvit.hrvit"
    network = ["--variant", args.variant, "--classes", str(args.classes), "--size", args.size]
    subprocess.run([args.hrvit, "quantize", "--weights", args.weights, *network, "--calib", args.calib, "--out", image], check=True, stdout=subprocess.DEVNULL)
    command = [args.hrvit, "eval", "--model", image, "--weights", args.weights, "--data", args.data, "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {"sqnr_db": found["logits_sqnr_db"], "agreement": 100 * found["pixel_agreement"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="float network, from `python -m hrvit_train export-onnx`")
    parser.add_argument("--weights", type=Path, required=True, metavar="CKPT", help="the checkpoint that it was made from")
    parser.add_argument("--variant", default="nano", metavar="NAME", help="its variant (default nano)")
    parser.add_argument("--classes", type=int, default=11, metavar="N", help="its classes (default 11)")
    parser.add_argument("--size", default="192x256", metavar="HxW", help="its input (default 192x256)")
    parser.add_argument("--calib", type=Path, required=True, metavar="DIR", help="frames that calibrate")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="frames that judge: a folder with images/ and labels/")
    parser.add_argument("--hrvit", default="hrvit", metavar="PATH", help="the command (default: hrvit in PATH)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    frames = [tensor(path, height, width) for path in pictures(args.data / "images")]
    exact = outputs(args.onnx, frames)
    rivals = {
        "ONNX Runtime, MinMax": lambda out: onnx_runtime(args, (height, width), CalibrationMethod.MinMax, out),
        "ONNX Runtime, Percentile 99.99": lambda out: onnx_runtime(args, (height, width), CalibrationMethod.Percentile, out),
        "NNCF, transformer preset": lambda out: nncf_transformer(args, (height, width), out),
    }
    table = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, quantise) in enumerate(rivals.items()):
            out = Path(folder) / f"{number}.onnx"
            print(f"{name} ...", file=sys.stderr)
            try:
                quantise(out)
            except ModuleNotFoundError as missing:
                print(f"{name}: left out, {missing}", file=sys.stderr)
                continue
            table[name] = figures(exact, outputs(out, frames))
        print("hrvit ...", file=sys.stderr)
        table["hrvit, int8"] = hrvit(args, Path(folder))
    print("| quantiser | logits SQNR, dB | agreement, % |\n|---|---:|---:|")
    for name, found in table.items():
        print(f"| {name} | {found['sqnr_db']:.1f} | {found['agreement']:.2f} |")
    if args.json:
        args.json.write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
