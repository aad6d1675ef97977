#!/usr/bin/env python3
"""Quantises a float ONNX file to int8 the way ONNX Runtime recommends for CPUs, so that `compare.py` can time int8 against int8.

Static, QDQ, int8 weights per channel, uint8 activations, ranges from frames (minimum and maximum). Needs `onnxruntime`, `onnx`, `pillow`.
"""

import argparse
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)


def pixels(path: Path, height: int, width: int) -> np.ndarray:
    """A picture resized to the network's input: RGB bytes `[height, width, 3]`."""
    return np.asarray(Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def normalised(rgb: np.ndarray) -> np.ndarray:
    """The network's input from RGB bytes `[height, width, 3]`: float32 `[1, 3, height, width]`."""
    return ((rgb.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]


class Frames(CalibrationDataReader):
    """The pictures of a folder, resized and normalised, one at a time."""

    def __init__(self, folder: Path, height: int, width: int, count: int):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:count]
        if not paths:
            raise SystemExit(f"error: {folder} has no pictures")
        self.paths, self.size = iter(paths), (height, width)

    def get_next(self):
        path = next(self.paths, None)
        return None if path is None else {"x": normalised(pixels(path, *self.size))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="from `python -m hrvit_train export-onnx`")
    parser.add_argument("--calib", type=Path, required=True, metavar="DIR", help="folder of pictures")
    parser.add_argument("--size", required=True, metavar="HxW", help="the network's input")
    parser.add_argument("--count", type=int, default=4, metavar="N", help="pictures to use (default 4)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="int8 ONNX")
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    prepared = args.out.with_suffix(".prepared.onnx")
    quant_pre_process(str(args.onnx), str(prepared), skip_symbolic_shape=True)
    try:
        quantize_static(
            str(prepared),
            str(args.out),
            Frames(args.calib, height, width, args.count),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    finally:
        prepared.unlink(missing_ok=True)
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
