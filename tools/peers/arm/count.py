#!/usr/bin/env python3
"""Instructions that a frame takes with `hrvit` and with other runtimes on an emulated AArch64 processor: same network, same frames, user mode, one thread.

Makes every contender's file from one checkpoint, runs each under `qemu-aarch64` with a plugin that counts, and prints one table (Markdown): millions of
instructions, ratio to our int8, share of pixels with the float network's label, and what the vector multiplications were. Rivals that are not installed are named and
skipped. Instructions are not cycles. README.md says what the first run fetches.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(1, str(HERE.parent))

from contenders import Failure  # noqa: E402

OURS = "hrvit-int8"
NEEDED = {"numpy": "numpy", "PIL": "pillow", "onnx": "onnx", "onnxruntime": "onnxruntime", "torch": "torch", "onnxscript": "onnxscript", "safetensors": "safetensors"}
"""Modules without which nothing can be measured, and their packages."""


@dataclass(frozen=True)
class Contender:
    """A runtime, the file that it reads (a method of `Models`), and what it takes to run it."""

    name: str
    model: str
    runtime: str | None = None
    package: str | None = None
    converter: str | None = None
    feature: str | None = None
    agrees: float = 99.0
    """Share of pixels in percent below which the contender does not compute this network."""


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(OURS, "hrvit_int8", agrees=80),
        Contender("hrvit-fp16", "hrvit_fp16", agrees=98),
        Contender("mnn-fp32", "mnn", "mnn", "mnn", "MNN"),
        Contender("mnn-fp16", "mnn", "mnn_half", "mnn", "MNN", feature="asimdhp", agrees=98),
        Contender("litert-fp32", "litert", "litert", "ai_edge_litert", "litert_torch"),
        Contender("onnxruntime-fp32", "onnx", "onnxruntime", "onnxruntime"),
        Contender("onnxruntime-int8", "onnx_int8", "onnxruntime", "onnxruntime", agrees=80),
    )
}


def options() -> argparse.Namespace:
    example = "example:\n  python3 tools/peers/arm/count.py --processor a76 --contender mnn-fp32 --contender onnxruntime-int8\n  python3 tools/peers/arm/count.py --variant b1 --size 224x224"
    parser = argparse.ArgumentParser(description=__doc__, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processor", action="append", choices=("a53", "a76", "max"), help="may be repeated (default: all); max is without SVE and SME")
    parser.add_argument("--contender", action="append", choices=tuple(CONTENDERS), help=f"may be repeated (default: all); {OURS} always runs")
    parser.add_argument("--variant", default="nano", metavar="NAME", help="backbone: nano, b1, b2 or b3 (default nano)")
    parser.add_argument("--size", default="192x256", metavar="HxW", help="the network's input (default 192x256)")
    parser.add_argument("--weights", type=Path, metavar="CKPT", help="checkpoint (default: the bundled one of nano, else random weights)")
    parser.add_argument("--classes", type=int, metavar="N", help="its classes (default 11 for nano, else 19)")
    parser.add_argument("--frames", type=int, default=2, metavar="N", help="frames of data/val, after one that warms up (default 2)")
    parser.add_argument("--folder", type=Path, default=ROOT / "target/peers-arm", metavar="DIR", help="what is fetched and made (default target/peers-arm)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every frame's counts here")
    args = parser.parse_args()
    if args.frames < 1:
        parser.error("--frames must be at least 1")
    if args.weights and not args.weights.is_file():
        parser.error(f"--weights {args.weights}: no such file")
    try:
        args.height, args.width = map(int, args.size.split("x"))
    except ValueError:
        parser.error(f"--size {args.size}: expected height and width, for example 192x256")
    return args


def chosen(names: list[str] | None) -> tuple[list[Contender], list[str]]:
    """Contenders to run, ours first, and a line for each whose converter is not installed; one that was asked for must be."""
    run, skipped = [], []
    for contender in CONTENDERS.values():
        if names and contender.name not in (OURS, *names):
            continue
        if contender.converter and importlib.util.find_spec(contender.converter) is None:
            line = f"{contender.name}: {contender.converter} is not installed; see tools/peers/arm/README.md"
            if names:
                raise Failure(line)
            skipped.append(line)
        else:
            run.append(contender)
    return run, skipped


def agreement(labels, reference) -> float:
    """Share of pixels with the same label, in percent."""
    return 100 * float((labels == reference).mean())


class Measurement:
    """All that contenders share: the system, the files, the frames."""

    def __init__(self, args: argparse.Namespace):
        from models import RANDOM_CLASSES, TRAINED, Models, Network, build_command, build_engine, frames
        from system import System

        self.system = System(args.folder)
        bundled, classes = TRAINED.get(args.variant, (None, RANDOM_CLASSES))
        weights = args.weights or (bundled if args.classes in (None, classes) else None)
        self.network = Network(args.variant, args.classes or classes, args.height, args.width, weights)
        self.engine = build_engine()
        self.models = Models(self.network, args.folder / "models", build_command())
        self.frames = frames(self.network, args.frames, self.models.onnx(), self.system.own)

    def run(self, processor, contender: Contender) -> dict:
        """One row of the table."""
        import numpy as np
        from accuracy import enlarged
        from instructions import used

        model = getattr(self.models, contender.model)()
        print(f"{processor.name}: {contender.name} ...", file=sys.stderr)
        with tempfile.NamedTemporaryFile(dir=self.system.own, suffix=".npy") as out:
            if contender.runtime is None:
                program = [self.engine, model, self.frames.bytes, out.name]
                counted, threads, said = self.system.run(processor, program)
                version = said.strip()
                labels = np.fromfile(out.name, np.uint8).reshape(-1, self.network.height, self.network.width)
            else:
                program = [self.system.python(), HERE / "runtimes.py", contender.runtime, model, self.frames.floats, out.name]
                counted, threads, _ = self.system.run(processor, program)
                version = self.system.versions()[contender.package]
                labels = np.stack([enlarged(logits).argmax(0) for logits in np.load(out.name)])
        if len(counted) != self.frames.count:
            raise Failure(f"{contender.name} on {processor.name}: {len(counted)} frames between marks, expected {self.frames.count}")
        reference = np.stack([enlarged(logits[0] if logits.ndim == 4 else logits).argmax(0) for logits in self.frames.reference])
        return {
            "processor": processor.name,
            "contender": contender.name,
            "version": version,
            "frames": [frame.total for frame in counted],
            "instructions": statistics.median(frame.total for frame in counted),
            "multiplies": used(counted[-1]),
            "agreement": agreement(labels, reference),
            "threads": threads,
        }


def table(rows: list[dict]) -> str:
    """Markdown; ratios are to our int8 on the same processor."""
    ours = {row["processor"]: row["instructions"] for row in rows if row["contender"] == OURS}
    lines = ["| processor | contender | version | millions of instructions | times ours | agreement, % | multiplies with (share of instructions) |", "|---|---|---|---:|---:|---:|---|"]
    for row in rows:
        kinds = ", ".join(f"`{kind}` {100 * share:.0f} %" for kind, share in row["multiplies"].items())
        ratio = row["instructions"] / ours[row["processor"]]
        cells = [row["processor"], row["contender"], row["version"], f"{row['instructions'] / 1e6:,.1f}", f"{ratio:.2f}", f"{row['agreement']:.2f}", kinds or "-"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def wrong(rows: list[dict]) -> list[str]:
    """A line for each contender whose labels are not this network's."""
    floors = [(row, CONTENDERS[row["contender"]].agrees) for row in rows]
    return [
        f"{row['contender']} on {row['processor']}: {row['agreement']:.2f} % of the pixels have the float network's label, expected {floor} %; its count is of another network"
        for row, floor in floors
        if row["agreement"] < floor
    ]


def measure(args: argparse.Namespace) -> tuple[list[dict], list[str], dict]:
    """Rows, what failed, and what they were measured with."""
    if missing := [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]:
        raise Failure(f"not installed: {', '.join(missing)}; see tools/peers/arm/README.md")
    contenders, skipped = chosen(args.contender)
    for line in skipped:
        print(f"SKIPPED {line}", file=sys.stderr)
    from system import PROCESSORS

    measurement = Measurement(args)
    rows, failed = [], []
    for name in args.processor or PROCESSORS:
        processor = PROCESSORS[name]
        for contender in contenders:
            if contender.feature and contender.feature not in measurement.system.features(processor):
                print(f"SKIPPED {contender.name} on {name}: the processor does not have {contender.feature}", file=sys.stderr)
                continue
            try:
                rows.append(measurement.run(processor, contender))
            except Failure as failure:
                if contender.name == OURS:
                    raise
                failed.append(str(failure))
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    network = measurement.network
    about = {
        "variant": network.variant,
        "size": network.size,
        "classes": network.classes,
        "weights": str(network.weights or "random"),
        "qemu": measurement.system.qemu,
        "commit": commit,
        "python": measurement.system.python().name,
    }
    return rows, failed + wrong(rows), about


def main() -> int:
    args = options()
    try:
        rows, failed, about = measure(args)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    weights = Path(about["weights"]).name
    print(f"{about['variant']} {about['size']}, {about['classes']} classes, weights {weights}, {args.frames} frames; qemu-user {about['qemu']}, {about['python']}, hrvit {about['commit']}\n")
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps({**about, "rows": rows, "failed": failed}, indent=2) + "\n")
    for line in failed:
        print(f"error: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
