#!/usr/bin/env python3
"""Times `hrvit bench` and other runtimes on the same network, alternately in one run, and prints times, times per MAC, memory and ratios.

Every round starts every contender once, one after another, each in a process of its own; a drift of the machine's speed meets all alike, and ratios are
taken within a round. Standard library only, so that this process adds nothing to what it measures. Linux only (memory is read from /proc).
"""

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from contenders import Contender, Failure, contenders, inspect

HRVIT = "hrvit"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, action="append", required=True, metavar="FILE", help="the network for the rivals; may be repeated")
    parser.add_argument("--model", type=Path, required=True, metavar="M.hrvit", help="the same network as an int8 model image")
    parser.add_argument("--size", required=True, metavar="HxW", help="input size, that of the ONNX files")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of each contender (default 1)")
    parser.add_argument("--isa", help="instruction set of hrvit's kernels (default: the fastest here)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds (default 5)")
    parser.add_argument("--frames", type=int, default=3, metavar="N", help="frames that count, per round (default 3)")
    parser.add_argument("--warm-up", type=int, default=1, metavar="N", help="frames before them (default 1)")
    parser.add_argument("--hrvit", type=Path, default=Path(__file__).resolve().parents[2] / "target" / "release" / "hrvit", help="the command to measure")
    parser.add_argument("--rivals", help="comma-separated names of runtimes (default: all that are installed)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's figures here")
    args = parser.parse_args()
    for name in ("threads", "rounds", "frames"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return args


def measure(entrants: list[Contender], rounds: int) -> dict[str, list[dict]]:
    """Reports of every contender in every round. The order turns by one each round, so that none is always first."""
    seen: dict[str, list[dict]] = {entrant.name: [] for entrant in entrants}
    for number in range(rounds):
        turned = entrants[number % len(entrants) :] + entrants[: number % len(entrants)]
        for entrant in turned:
            result = entrant.run()
            seen[entrant.name].append(result)
            print(f"round {number + 1}/{rounds}  {entrant.name}: {result['median_ms']:.1f} ms, {result['peak_rss'] / 1e6:.0f} MB", file=sys.stderr)
    return seen


def summary(entrants: list[Contender], seen: dict[str, list[dict]]) -> list[dict]:
    """Medians over the rounds; ratios to hrvit are medians of each round's ratio."""
    rows = []
    for entrant in entrants:
        own, ours = seen[entrant.name], seen[HRVIT]

        def median(key: str) -> float:
            return statistics.median(result[key] for result in own)

        def ratio(key: str) -> float:
            return statistics.median(a[key] / b[key] for a, b in zip(own, ours))

        figures = {key: median(key) for key in ("median_ms", "ps_per_mac", "peak_rss")}
        smallest = min(result["min_ms"] for result in own)
        times_hrvit = {name: ratio(key) for name, key in {"time": "median_ms", "time_per_mac": "ps_per_mac", "memory": "peak_rss"}.items()}
        version = own[0]["version"]
        rows.append({"name": entrant.name, "version": version, "macs": entrant.macs, **figures, "min_ms": smallest, "times_hrvit": times_hrvit})
    return rows


def table(rows: list[dict]) -> str:
    """Aligned columns; ratios say how many times hrvit's figure it is."""
    head = ["", "median ms", "min ms", "GMAC", "ps/MAC", "peak MB", "time", "time/MAC", "memory"]
    lines = [head]
    for row in rows:
        times = row["times_hrvit"]
        lines.append(
            [
                f"{row['name']} ({row['version']})",
                f"{row['median_ms']:.1f}",
                f"{row['min_ms']:.1f}",
                f"{row['macs'] / 1e9:.3f}",
                f"{row['ps_per_mac']:.1f}",
                f"{row['peak_rss'] / 1e6:.0f}",
                *(f"{times[key]:.2f}x" for key in ("time", "time_per_mac", "memory")),
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths))) for line in lines)


def processor() -> str:
    """The processor's name, as Linux knows it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def main() -> int:
    args = options()
    try:
        network = inspect(args.hrvit, args.model, args.size)
        entrants, skipped = contenders(args, network)
        for line in skipped:
            print(f"SKIPPED {line}", file=sys.stderr)
        if len(entrants) < 2:
            raise Failure("no rival is installed; see tools/peers/README.md")
        load = os.getloadavg()[0]
        seen = measure(entrants, args.rounds)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    rows = summary(entrants, seen)
    threads = "1 thread" if args.threads == 1 else f"{args.threads} threads"
    print(f"{args.size}, {threads}, {args.rounds} rounds of {args.frames} frames; {processor()}, {os.cpu_count()} processors, load {load:.1f} at the start")
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps({"size": args.size, "threads": args.threads, "processor": processor(), "rows": rows, "rounds": seen}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
