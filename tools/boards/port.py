#!/usr/bin/env python3
"""A serial port without a board: prints the name of a pseudo terminal, and sends a file over it again and again, as a board does that is reset again and again."""

import os
import sys
import time
import tty

EXAMPLE = "example: tools/boards/port.py log.defmt"


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(f"{__doc__}\n\n{EXAMPLE}")
    with open(sys.argv[1], "rb") as file:
        log = file.read()
    controller, terminal = os.openpty()
    tty.setraw(terminal)
    print(os.ttyname(terminal), flush=True)
    while True:
        time.sleep(0.5)
        # In pieces, as the bytes of a port come.
        for at in range(0, len(log), 61):
            os.write(controller, log[at : at + 61])
            time.sleep(0.002)


if __name__ == "__main__":
    main()
