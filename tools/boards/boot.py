#!/usr/bin/env python3
"""Boots an unmodified program of a board in Unicorn, with models of PLL, flash controller and flash that refuse what the chips do not allow.

The exit status says how this command ended; what the program did is printed as JSON: its exit code with a debugger, or that it sleeps without one, what it sent over
the serial port (to a file), its LEDs, and the first breach of a rule of the chips."""

import argparse
import json
import sys
from pathlib import Path

try:
    import unicorn  # noqa: F401
except ImportError:
    sys.exit("this python has no module unicorn: run target/boards/bin/python (tools/boards/README.md), or pip install -r tools/boards/requirements.txt")

import rp2350
import stm32h747
from machine import Breach, Ended, Stuck

BOARDS = {"rp2350": rp2350.Board, "stm32h747i-disco": stm32h747.Board}

EXAMPLE = """example:
  target/boards/bin/python tools/boards/boot.py stm32h747i-disco target/firmware/thumbv7em-none-eabihf/release/selftest --model target/demo/nano.hrvit --mode qpi
  target/boards/bin/python tools/boards/boot.py rp2350 --list"""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", choices=sorted(BOARDS))
    parser.add_argument("elf", type=Path, nargs="?", metavar="ELF", help="the program")
    parser.add_argument("--model", type=Path, metavar="FILE", help="model image in the board's flash (default: none, the flash is blank)")
    parser.add_argument("--mode", metavar="MODE", help="what an earlier program left the flash in (default: as after power-on)")
    parser.add_argument("--no-debugger", action="store_true", help="nobody is attached: the program must not end in a breakpoint")
    parser.add_argument("--mutation", metavar="NAME", help="a fault that is put into what the program writes")
    parser.add_argument("--serial", type=Path, metavar="FILE", help="where to write what the program sends over its serial port")
    parser.add_argument("--port", action="store_true", help="make a pseudo terminal that is the serial port, print its name first, and wait for somebody to open it")
    parser.add_argument("--past-blinking", action="store_true", help="a blinking LED is not the end: programs with feature repeat reset the board later")
    parser.add_argument("--seconds", type=int, metavar="N", help="a program that then neither ended nor sleeps is stuck (default 600)")
    parser.add_argument("--list", action="store_true", help="print the board's modes and mutations instead")
    args = parser.parse_args()
    board = BOARDS[args.board]
    if not args.list and args.elf is None:
        parser.error("which program? give its ELF file")
    if args.mode is not None and args.mode not in board.MODES:
        parser.error(f"--mode {args.mode}: the flash of this board knows {', '.join(board.MODES)}")
    if args.mutation is not None and args.mutation not in board.MUTATIONS:
        parser.error(f"--mutation {args.mutation}: this board knows {', '.join(board.MUTATIONS)}")
    return args


def main() -> None:
    args = options()
    kind = BOARDS[args.board]
    if args.list:
        print(json.dumps({"modes": kind.MODES, "mutations": list(kind.MUTATIONS)}))
        return
    model = args.model.read_bytes() if args.model else b""
    board = kind(args.elf, model, not args.no_debugger, args.mode or kind.MODES[0])
    if args.seconds:
        board.machine.seconds = args.seconds
    if args.mutation:
        board.machine.tamper = kind.MUTATIONS[args.mutation]
    if args.port:
        print(board.line.open(), flush=True)
    board.machine.blinking_ends = not args.past_blinking
    outcome: dict = {"code": None, "sleeps": False, "blinks": False, "begins_again": False, "breach": None, "stuck": False}
    try:
        ended = board.start()
        outcome |= {"code": ended.code, "blinks": ended.blinks, "begins_again": ended.begins_again}
        outcome["sleeps"] = ended == Ended(None)
    except (Breach, Stuck) as found:
        outcome |= {"breach": str(found), "stuck": isinstance(found, Stuck)}
    board.line.drain(30)
    if args.serial:
        args.serial.write_bytes(board.line.sent)
    logged = board.rtt()
    outcome["same_log"] = logged != b"" and bytes(board.line.sent).startswith(logged)
    print(json.dumps(outcome | {"lights": board.lights(), "marks": board.marks(), "sent": len(board.line.sent)}))


if __name__ == "__main__":
    main()
