"""A Cortex-M processor of Unicorn with registers that Python answers, loaded with an unmodified ELF."""

import array
import fcntl
import os
import select
import struct
import termios
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import unicorn
from unicorn import arm_const

PAGE = 0x1000
# Read, write and fetch of memory that is there.
ALL = unicorn.UC_PROT_ALL


class Breach(Exception):
    """The program did what the chip, the flash or the manual does not allow."""


class Stuck(Exception):
    """The program neither ends nor sleeps within the time that it is given."""


@dataclass
class Ended:
    """How a program ended: by a debugger's exit code; without a debugger asleep, blinking, or by a reset that it asked for."""

    code: int | None
    blinks: bool = False
    begins_again: bool = False


class Block:
    """Registers of one peripheral. A register without a method is plain memory, zero at first."""

    def __init__(self, name: str, base: int, size: int = PAGE):
        self.name, self.base, self.size = name, base, size
        self.words: dict[int, int] = {}

    def read(self, offset: int) -> int:
        return self.words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self.words[offset] = value

    def read_bytes(self, offset: int, size: int) -> int:
        """Narrow reads take their part of a word."""
        word = self.read(offset & ~3)
        return word >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write_bytes(self, offset: int, size: int, value: int) -> None:
        """Narrow writes change their part of a word."""
        if size == 4:
            return self.write(offset, value)
        shift, mask = 8 * (offset & 3), (1 << 8 * size) - 1
        self.write(offset & ~3, self.read(offset & ~3) & ~(mask << shift) | (value & mask) << shift)


class Line:
    """The other end of a serial port: a record of the bytes sent, or also a pseudo terminal."""

    def __init__(self):
        self.sent = bytearray()
        self.controller: int | None = None
        self.terminal = -1
        self.pending = b""

    def open(self) -> str:
        """Makes the pseudo terminal; its name."""
        self.controller, self.terminal = os.openpty()
        tty.setraw(self.terminal)
        return os.ttyname(self.terminal)

    def drain(self, seconds: int) -> None:
        """Returns when all that was sent has been read: a pseudo terminal loses the rest when it is closed."""
        end, unread = time.monotonic() + seconds, array.array("i", [0])
        while self.controller is not None and time.monotonic() < end:
            fcntl.ioctl(self.terminal, termios.FIONREAD, unread)
            if unread[0] == 0:
                return
            time.sleep(0.05)

    def send(self, byte: int) -> None:
        self.sent.append(byte)
        if self.controller is not None:
            os.write(self.controller, bytes([byte]))

    def waits(self) -> bool:
        """Whether a byte has come."""
        if not self.pending and self.controller is not None and select.select([self.controller], [], [], 0)[0]:
            self.pending = os.read(self.controller, 4096)
        return bool(self.pending)

    def take(self) -> int:
        """The byte that has come; zero if none has."""
        if not self.waits():
            return 0
        byte, self.pending = self.pending[0], self.pending[1:]
        return byte


class Core(Block):
    """System control space: what programs read of it, and whether a debugger listens."""

    DHCSR, ICSR, VTOR, AIRCR, CCR, CPUID, MPU_TYPE = 0xDF0, 0xD04, 0xD08, 0xD0C, 0xD14, 0xD00, 0xD90

    def __init__(self, cpuid: int, debugger: bool):
        super().__init__("system control space", 0xE000E000)
        self.words = {self.CPUID: cpuid, self.DHCSR: int(debugger), self.CCR: 0x200, self.MPU_TYPE: 16 << 8, 0xD78: 0x09000003, 0xD7C: 0x80000003, 0xD80: 0}
        self.resets = 0
        self.at_reset: Callable[[], None] = lambda: None

    def write(self, offset: int, value: int) -> None:
        if offset == self.AIRCR and value >> 16 == 0x05FA and value & 4:
            self.resets += 1
            self.at_reset()
        if offset != self.DHCSR:
            super().write(offset, value)


class Cycles(Block):
    """The debug hardware's cycle counter: advances whenever it is read."""

    def __init__(self):
        super().__init__("DWT", 0xE0001000)

    def read(self, offset: int) -> int:
        if offset == 4:
            self.words[4] = (self.words.get(4, 0) + 1000) & 0xFFFFFFFF
        return super().read(offset)


class Machine:
    """Processor, memory and registers."""

    # So many times on, and an LED blinks.
    FLASHES = 3

    def __init__(self, model: int, cpuid: int, debugger: bool):
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(model)
        self.core = Core(cpuid, debugger)
        self.core.at_reset = self.uc.emu_stop
        # Whether a blinking LED is the end.
        self.blinking_ends = True
        self.breach: str | None = None
        self.code: int | None = None
        self.flashes = 0
        # A program that is neither done nor asleep after so many seconds is stuck.
        self.seconds = 600
        self.tamper: Callable[[str, int, int], int | None] = lambda block, offset, value: value
        self.add(self.core)
        self.add(Cycles())
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)
        self.uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid)

    def memory(self, address: int, size: int, allowed: int = ALL) -> None:
        """Memory at `address`; `allowed` says for what."""
        self.uc.mem_map(address, size, allowed)

    def add(self, block: Block) -> None:
        """Registers of whole pages."""
        self.page(block.base, [block], block.size)

    def page(self, base: int, blocks: list[Block], size: int = PAGE) -> None:
        """Registers of blocks that share a page. Addresses that none of them has are plain memory."""
        rest = Block(f"page {base:#x}", base, size)

        def at(offset: int) -> tuple[Block, int]:
            address = base + offset
            block = next((block for block in blocks if block.base <= address < block.base + block.size), rest)
            return block, address - block.base

        def read(_uc, offset: int, width: int, _data) -> int:
            block, within = at(offset)
            return self._guarded(lambda: block.read_bytes(within, width)) or 0

        def write(_uc, offset: int, width: int, value: int, _data) -> None:
            block, within = at(offset)
            kept = self.tamper(block.name, within, value)
            if kept is not None:
                self._guarded(lambda: block.write_bytes(within, width, kept))

        self.uc.mmio_map(base, size, read, None, write, None)

    def load(self, elf: Path) -> None:
        """Segments where they are loaded: at their physical addresses."""
        data = elf.read_bytes()
        if data[:4] != b"\x7fELF":
            raise SystemExit(f"{elf}: not an ELF file")
        header, = struct.unpack_from("<I", data, 28)
        size, count = struct.unpack_from("<HH", data, 42)
        for at in range(header, header + size * count, size):
            kind, offset, _, physical, length, _, _, _ = struct.unpack_from("<8I", data, at)
            if kind == 1 and length:
                self.uc.mem_write(physical, data[offset : offset + length])

    def rtt(self, ram: int, size: int) -> bytes:
        """Contents of the first buffer towards a debugger (SEGGER RTT: an identification of 16 bytes, two counts, then name, buffer, size, written, read, flags)."""
        block = bytes(self.uc.mem_read(ram, size)).find(b"SEGGER RTT\0")
        if block < 0:
            return b""
        _, buffer, _, written, _, _ = struct.unpack("<6I", self.uc.mem_read(ram + block + 24, 24))
        return bytes(self.uc.mem_read(buffer, written))

    def run(self, vectors: int) -> Ended:
        """Starts as after a reset, with the vector table at `vectors`, until the program ends or sleeps."""
        stack, entry = struct.unpack("<II", self.uc.mem_read(vectors, 8))
        self.uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self.core.words[Core.VTOR] = vectors
        try:
            self.uc.emu_start(entry | 1, 0xFFFFFFFF, self.seconds * 1_000_000)
        except unicorn.UcError as error:
            if self.breach is None and self.code is None:
                at = self.uc.reg_read(arm_const.UC_ARM_REG_PC)
                raise Breach(f"{error} at {at:#x}, called from {self.uc.reg_read(arm_const.UC_ARM_REG_LR):#x}") from error
        if self.breach is not None:
            raise Breach(self.breach)
        if self.code is not None:
            return Ended(self.code)
        if self.core.resets:
            return Ended(None, begins_again=True)
        if self.flashes >= self.FLASHES and self.blinking_ends:
            return Ended(None, blinks=True)
        at = self.uc.reg_read(arm_const.UC_ARM_REG_PC)
        # `wfi` ends the emulation behind itself.
        if bytes(self.uc.mem_read(at - 2, 2)) == b"\x30\xbf":
            return Ended(None)
        raise Stuck(f"still running after {self.seconds} s, at {at:#x}")

    def stop(self, why: str) -> None:
        """Ends the emulation with a breach; the first one counts."""
        self.breach = self.breach or why
        self.uc.emu_stop()

    def flash(self) -> None:
        """The LED for errors went on; a program that shows its end does nothing else."""
        self.flashes += 1
        if self.flashes >= self.FLASHES and self.blinking_ends:
            self.uc.emu_stop()

    def _guarded(self, work):
        try:
            return work()
        except Breach as breach:
            self.stop(str(breach))
            return 0

    def _interrupt(self, uc, number: int, _data) -> None:
        at = uc.reg_read(arm_const.UC_ARM_REG_PC)
        operation, argument = uc.reg_read(arm_const.UC_ARM_REG_R0), uc.reg_read(arm_const.UC_ARM_REG_R1)
        # A breakpoint; semihosting's operation exit_extended with reason and code.
        if number == 7 and bytes(uc.mem_read(at, 2)) == b"\xab\xbe" and operation == 0x20:
            if not self.core.words[Core.DHCSR] & 1:
                return self.stop("a breakpoint without a debugger: lockup")
            _, self.code = struct.unpack("<II", uc.mem_read(argument, 8))
            return uc.emu_stop()
        return self.stop(f"exception {number} at {at:#x}, called from {uc.reg_read(arm_const.UC_ARM_REG_LR):#x}")

    def _invalid(self, uc, access: int, address: int, size: int, _value, _data) -> bool:
        at = uc.reg_read(arm_const.UC_ARM_REG_PC)
        kinds = {unicorn.UC_MEM_FETCH_PROT: "fetched", unicorn.UC_MEM_READ_PROT: "read", unicorn.UC_MEM_WRITE_PROT: "written"}
        what = kinds.get(access, "accessed, although nothing is there")
        self.stop(f"{address:#x} {what} by the instruction at {at:#x}")
        return False
