"""RP2350 with a W25Q32RV flash, as on the Raspberry Pi Pico 2, from where the boot ROM hands over.

Sources: RP2350 data sheet (RESETS 7.5, CLOCKS 8.1, XOSC 8.2, PLL 8.6, QMI 12.14, POWMAN 6.4), W25Q32RV data sheet (EBh, continuous read), pico-sdk
`src/rp2350/boot_stage2/boot2_w25q080.S`.
"""

from pathlib import Path

from unicorn import arm_const

from machine import ALL, Block, Breach, Line, Machine

FLASH, FLASH_BYTES = 0x1000_0000, 4 << 20
MODEL_AT = 0x1010_0000
VECTORS = FLASH
CRYSTAL = 12_000_000
# Data sheet table 1437 and section 7.3: 150 MHz at the regulator's default of 1.10 V.
SYSTEM_LIMIT = 150_000_000
# W25Q32RV data sheet, AC characteristics: fast read quad I/O.
FLASH_LIMIT = 133_000_000
QUAD_READ, CONTINUOUS = 0xEB, 0xA0


class Atomic(Block):
    """A peripheral whose registers can be written, flipped, set and cleared at four addresses."""

    def __init__(self, name: str, base: int):
        super().__init__(name, base, 0x4000)

    def read_bytes(self, offset: int, size: int) -> int:
        return super().read_bytes(offset & 0xFFF, size)

    def write_bytes(self, offset: int, size: int, value: int) -> None:
        plain, kind = offset & 0xFFC, offset >> 12
        # Narrow writes are repeated over the whole word.
        value = value if size == 4 else (value & 0xFF) * 0x01010101
        old = self.words.get(plain, 0)
        self.write(plain, [value, old ^ value, old | value, old & ~value][kind] & 0xFFFFFFFF)


class Resets(Atomic):
    def __init__(self):
        super().__init__("RESETS", 0x4002_0000)
        self.words[0] = 0x1FFF_FFFF

    def read(self, offset: int) -> int:
        return ~self.words[0] & 0x1FFF_FFFF if offset == 8 else super().read(offset)


class Xosc(Atomic):
    def __init__(self):
        super().__init__("XOSC", 0x4004_8000)

    def read(self, offset: int) -> int:
        enabled = self.words.get(0, 0) >> 12 & 0xFFF == 0xFAB
        return (1 << 31 | 1 << 12) * enabled if offset == 4 else super().read(offset)

    @property
    def stable(self) -> bool:
        return self.read(4) >> 31 == 1


class Pll(Atomic):
    def __init__(self, name: str, base: int, xosc: Xosc):
        super().__init__(name, base)
        self.xosc = xosc
        self.words.update({0: 1, 4: 0x2D, 8: 0, 12: 0x77000})

    @property
    def vco(self) -> int:
        return CRYSTAL // max(self.words[0] & 63, 1) * (self.words[8] & 0xFFF)

    @property
    def locked(self) -> bool:
        return self.xosc.stable and self.words[4] & 0x21 == 0 and self.vco > 0

    @property
    def hertz(self) -> int:
        first, second = self.words[12] >> 16 & 7, self.words[12] >> 12 & 7
        return self.vco // max(first, 1) // max(second, 1) if self.locked and not self.words[4] & 8 else 0

    def read(self, offset: int) -> int:
        return super().read(offset) | self.locked << 31 if offset == 0 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.locked and not 750_000_000 <= self.vco <= 1_600_000_000:
            raise Breach(f"{self.name}: its oscillator at {self.vco} Hz, 750 to 1600 MHz allowed")


class Clocks(Atomic):
    """Reference and system clock; the others only answer that they are selected."""

    def __init__(self, plls: dict[int, Pll], xosc: Xosc):
        super().__init__("CLOCKS", 0x4001_0000)
        self.plls, self.xosc, self.watch = plls, xosc, lambda: None

    @property
    def system(self) -> int:
        control, divider = self.words.get(0x3C, 0), self.words.get(0x40, 0x10000) >> 16 or 0x10000
        if control & 1 == 0:
            return CRYSTAL if self.words.get(0x30, 0) & 3 == 2 else 11_000_000
        source = control >> 5 & 7
        hertz = self.plls[source].hertz if source in self.plls else CRYSTAL
        if not hertz:
            raise Breach("the system clock is taken from a PLL that is not locked")
        return hertz // divider

    def read(self, offset: int) -> int:
        if offset in (0x38, 0x44):
            return 1 << (self.words.get(offset - 8, 0) & (3 if offset == 0x38 else 1))
        return 1 if offset % 12 == 8 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        self.check()

    def check(self) -> None:
        if self.system > SYSTEM_LIMIT:
            raise Breach(f"clk_sys at {self.system} Hz, {SYSTEM_LIMIT} at the regulator's default voltage")
        self.watch()


class Timer(Atomic):
    def __init__(self, name: str, base: int):
        super().__init__(name, base)
        self.now = 0

    def read(self, offset: int) -> int:
        if offset in (0x24, 0x28, 0x08, 0x0C):
            self.now += 5
            return self.now >> (32 if offset in (0x24, 0x08) else 0) & 0xFFFFFFFF
        return super().read(offset)


class Uart(Atomic):
    """PL011: what is sent and received, once it is enabled."""

    def __init__(self, line: Line):
        super().__init__("UART0", 0x4007_0000)
        self.line = line

    def read(self, offset: int) -> int:
        if offset == 0:
            return self.line.take()
        # Nothing to be sent; bit 4: nothing has come.
        return 0x80 | (not self.line.waits()) << 4 if offset == 0x18 else super().read(offset)

    def write_bytes(self, offset: int, size: int, value: int) -> None:
        if offset == 0:
            if self.words.get(0x30, 0) & 0x101 != 0x101:
                raise Breach("UART0 is sent a byte before it is enabled")
            self.line.send(value & 0xFF)
        else:
            super().write_bytes(offset, size, value)


class Sio(Block):
    """Outputs of the pins."""

    LED = 1 << 25
    # GP15, GP14.
    STEP, FRAME = 15, 14

    def __init__(self, machine: Machine):
        super().__init__("SIO", 0xD000_0000)
        self.machine, self.pins = machine, 0
        self.rises = {self.STEP: 0, self.FRAME: 0}

    def write(self, offset: int, value: int) -> None:
        before = self.pins
        self.pins = {0x10: value, 0x18: self.pins | value, 0x20: self.pins & ~value, 0x28: self.pins ^ value}.get(offset, self.pins)
        risen = self.pins & ~before
        if risen & self.LED:
            self.machine.flash()
        for pin in self.rises:
            self.rises[pin] += risen >> pin & 1
        super().write(offset, value)


class Qmi(Atomic):
    """The flash controller and the flash: reads are allowed while both agree on how they are made."""

    def __init__(self, machine: Machine, clocks: Clocks):
        super().__init__("QMI", 0x400D_0000)
        self.machine, self.clocks, self.allowed = machine, clocks, True
        # As the boot ROM leaves it: EBh on four lines, a third of clk_sys, an instruction before each address.
        self.words.update({0x00: 0x01800000, 0x0C: 3 | 1 << 30, 0x10: 2 | 2 << 2 | 2 << 4 | 2 << 6 | 2 << 8 | 1 << 12 | 2 << 14 | 4 << 16, 0x14: QUAD_READ})
        self.continuous = False
        clocks.watch = self.clocked
        self.tuned = False

    @property
    def prefixed(self) -> bool:
        return self.words[0x10] >> 12 & 1 == 1

    @property
    def announces(self) -> bool:
        return self.words[0x14] >> 8 & 0xF0 == CONTINUOUS and self.words[0x10] >> 14 & 3 == 2

    def clocked(self) -> None:
        divider = self.words[0x0C] & 0xFF or 256
        if self.clocks.system // divider > FLASH_LIMIT:
            raise Breach(f"the flash at {self.clocks.system // divider} Hz, {FLASH_LIMIT} at most")

    def write(self, offset: int, value: int) -> None:
        if offset in (0x0C, 0x10, 0x14) and not self.tuned and not self.words[0] & 1 and value != self.words[offset]:
            raise Breach("the window of the flash is set up while reads are possible: direct mode first (RP2350 data sheet 12.14.5)")
        super().write(offset, value)
        self.clocked()
        if offset == 0x10 and not self.prefixed and not self.continuous:
            raise Breach("reads without an instruction, which the flash still expects")
        self.permit()

    def permit(self) -> None:
        """Reads through the cache are made again and again: only what leaves the flash as it is may go on."""
        agreed = self.prefixed != self.continuous and (self.announces == self.continuous)
        allowed = agreed and not self.words[0] & 1
        if allowed != self.allowed:
            self.machine.uc.mem_protect(FLASH, FLASH_BYTES, ALL if allowed else 0)
            self.allowed = allowed

    def one_read(self) -> None:
        """A read past the cache."""
        if self.words[0] & 1:
            raise Breach("a read of the flash while direct mode keeps reads off")
        if self.prefixed == self.continuous:
            raise Breach("a read with an instruction that the flash takes for an address")
        self.continuous, self.tuned = self.announces, True
        self.permit()


class Uncached(Block):
    """The flash past the cache."""

    def __init__(self, machine: Machine, qmi: Qmi):
        super().__init__("flash past the cache", 0x1400_0000)
        self.machine, self.qmi = machine, qmi

    def read_bytes(self, offset: int, size: int) -> int:
        self.qmi.one_read()
        return int.from_bytes(self.machine.uc.mem_read(FLASH + offset, size), "little")


class Board:
    """Pico 2."""

    MODES = ("eb",)
    # Name, and what becomes of a write: block, offset, value to a value, or None where it is lost.
    MUTATIONS = {
        "flash at the processor's clock": lambda block, offset, value: value & ~0xFF | 1 if (block, offset & 0xFFF) == ("QMI", 0x0C) else value,
        "continuous read not announced": lambda block, offset, value: value & 0xFF if (block, offset & 0xFFF) == ("QMI", 0x14) else value,
        "instruction kept after continuous read": lambda block, offset, value: value | 1 << 12 if (block, offset & 0xFFF) == ("QMI", 0x10) else value,
        "set up while reads are possible": lambda block, offset, value: value & ~1 if (block, offset) == ("QMI", 0) else value,
        "PLL undivided": lambda block, offset, value: 1 << 16 | 1 << 12 if (block, offset & 0xFFF) == ("PLL_SYS", 0x0C) else value,
    }

    def __init__(self, elf: Path, model: bytes, debugger: bool, _mode: str):
        machine = self.machine = Machine(arm_const_model(), 0x411F_D210, debugger)
        machine.memory(FLASH, FLASH_BYTES)
        machine.memory(0x2000_0000, 0x8_2000)
        machine.uc.mem_write(FLASH, b"\xff" * FLASH_BYTES)
        machine.load(elf)
        if len(model) > FLASH + FLASH_BYTES - MODEL_AT:
            raise SystemExit(f"the model image has {len(model)} bytes, the flash has room for {FLASH + FLASH_BYTES - MODEL_AT}")
        machine.uc.mem_write(MODEL_AT, model)
        self.line = Line()
        xosc = Xosc()
        plls = {0: Pll("PLL_SYS", 0x4005_0000, xosc), 1: Pll("PLL_USB", 0x4005_8000, xosc)}
        clocks, self.uart, self.sio = Clocks(plls, xosc), Uart(self.line), Sio(machine)
        self.qmi = Qmi(machine, clocks)
        blocks = [xosc, *plls.values(), clocks, Resets(), Timer("TIMER0", 0x400B_0000), Timer("TIMER1", 0x400B_8000), self.uart, self.sio, self.qmi]
        plain = {"IO_BANK0": 0x4002_8000, "IO_QSPI": 0x4003_0000, "PADS_BANK0": 0x4003_8000, "PADS_QSPI": 0x4004_0000, "POWMAN": 0x4010_0000,
                 "WATCHDOG": 0x400D_8000, "TICKS": 0x4010_8000, "ACCESSCTRL": 0x4006_0000, "BOOTRAM": 0x400E_0000, "ROSC": 0x400E_8000, "DMA": 0x5000_0000, "PSM": 0x4001_8000}
        for block in blocks + [Atomic(name, base) for name, base in plain.items()] + [Uncached(machine, self.qmi)]:
            machine.add(block)

    def start(self):
        """Until the end."""
        return self.machine.run(VECTORS)

    def rtt(self) -> bytes:
        """The log for a debugger."""
        return self.machine.rtt(0x2000_0000, 64 << 10)

    def lights(self) -> dict[str, bool]:
        """The LED."""
        return {"good": self.sio.pins >> 25 & 1 == 1}

    def marks(self) -> dict[str, int]:
        """How often the markers rose."""
        return {"step": self.sio.rises[Sio.STEP], "frame": self.sio.rises[Sio.FRAME]}


def arm_const_model() -> int:
    """Unicorn's Cortex-M33."""
    return arm_const.UC_CPU_ARM_CORTEX_M33
