"""Who is timed, and how each is started and read. A new runtime is a line in `RUNTIMES` and a function in `worker.py`."""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
"""Rivals that read ONNX: the Python package, and what it is called."""
POLL_SECONDS = 0.02
"""How often a contender's memory is read. The kernel keeps the peak, so only a peak in the very last moment could be missed."""


class Failure(Exception):
    """A contender that cannot be measured."""


@dataclass(frozen=True)
class Contender:
    """One program and the multiply-accumulates that it executes per frame."""

    name: str
    command: list[str]
    macs: int

    def run(self) -> dict:
        """`median_ms` and `min_ms` of a frame, `ps_per_mac` (picoseconds) of the median, `peak_rss` of its process in bytes.

        And `version`: that of a runtime; of hrvit, the instruction set of its kernels.
        """
        output, peak = _output_and_peak(self.command)
        try:
            result = json.loads(output)
            times = {key: float(result[key]) for key in ("median_ms", "min_ms")}
            return {**times, "ps_per_mac": 1e9 * times["median_ms"] / self.macs, "peak_rss": peak, "version": result.get("version") or result["isa"]}
        except (ValueError, KeyError) as error:
            raise Failure(f"{self.name}: {error!r} in its output:\n{output[-500:]}") from None


def _output_and_peak(command: list[str]) -> tuple[str, int]:
    """Standard output of a program, and its largest resident memory in bytes (VmHWM, which starts anew with the program)."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        try:
            child = subprocess.Popen(command, stdout=output, stderr=errors, text=True)
        except OSError as error:
            raise Failure(f"starting {command[0]}: {error}") from None
        peak = 0
        while child.poll() is None:
            peak = max(peak, _high_water(child.pid))
            time.sleep(POLL_SECONDS)
        output.seek(0)
        errors.seek(0)
        if child.returncode:
            raise Failure(f"$ {' '.join(command)}\n{errors.read().strip()[-2000:]}")
        return output.read(), peak


def _high_water(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def inspect(hrvit: Path, model: Path, size: str) -> dict:
    """Costs at `size` of the network in a model image: `macs_as_written`, `macs_folded`."""
    if not hrvit.is_file():
        raise Failure(f"{hrvit} is missing: `cargo build --release --bin hrvit`, or say --hrvit")
    network = json.loads(_output_and_peak([str(hrvit), "inspect", str(model), "--json"])[0])["network"]
    # The network without its image, since an image is inspected at its own size; numbers, strings and lists are the same in JSON and TOML.
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as spec:
        spec.writelines(f"{name} = {json.dumps(value)}\n" for name, value in network["spec"].items())
        spec.flush()
        words = ["--spec", spec.name, "--head", network["head"], "--classes", str(network["classes"]), "--size", size, "--json"]
        return json.loads(_output_and_peak([str(hrvit), "inspect", *words])[0])


def contenders(args: argparse.Namespace, network: dict) -> tuple[list[Contender], list[str]]:
    """hrvit first, then every installed rival on every ONNX file; and a line for each rival that is not installed."""
    counts = ["--threads", str(args.threads), "--frames", str(args.frames), "--warm-up", str(args.warm_up)]
    bench = [str(args.hrvit), "bench", "--json", "--model", str(args.model), "--size", args.size, *counts]
    isa = ["--isa", args.isa] if args.isa else []
    entrants = [Contender("hrvit", bench + isa, network["macs_folded"])]
    skipped = []
    wanted = args.rivals.split(",") if args.rivals else list(RUNTIMES)
    for package in wanted:
        if package not in RUNTIMES:
            raise Failure(f"--rivals {package}: expected some of {', '.join(RUNTIMES)}")
        if importlib.util.find_spec(package) is None:
            if args.rivals:
                raise Failure(f"{package} is not installed: `pip install {package}`")
            skipped.append(f"{RUNTIMES[package]}: not installed (`pip install {package}`)")
            continue
        for onnx in args.onnx:
            worker = [sys.executable, str(Path(__file__).with_name("worker.py")), package, str(onnx), "--size", args.size, *counts]
            entrants.append(Contender(f"{RUNTIMES[package]} {onnx.stem}", worker, network["macs_as_written"]))
    return entrants, skipped
