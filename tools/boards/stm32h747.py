"""STM32H747XI with two MT25TL01G dies in one package, as on the STM32H747I-DISCO, from a reset.

Sources: RM0399 (PWR 7.4.1 supply, 7.6.2 voltage scaling; RCC 9; FLASH table 17 wait states; QUADSPI 24), DS12930 table 23 (clocks per voltage), MT25TL01G data sheet
(protocols, reset), ST's `stm32h747i_discovery_qspi.c`, QSPI_ResetMemory.
"""

from pathlib import Path

from unicorn import arm_const

from machine import Block, Breach, Line, Machine

MAPPED, MAPPED_BYTES = 0x9000_0000, 128 << 20
MODEL_AT = MAPPED
VECTORS = 0x0800_0000
HSI = 64_000_000
# DS12930 table 23: by voltage scale, with the SMPS; scale 0 is for the LDO alone.
LIMITS = {0: 480_000_000, 1: 400_000_000, 2: 300_000_000, 3: 200_000_000}
# RM0399 table 17: the AXI clock up to which so many wait states suffice at scale 1.
WAIT_STATES = {0: 70_000_000, 1: 140_000_000, 2: 210_000_000, 3: 225_000_000, 4: 240_000_000}
# LED3 on port I, lit when low.
RED = 1 << 14
RESET_ENABLE, RESET, IDENTIFY, QUAD_READ = 0x66, 0x99, 0x9F, 0x6C


class Pwr(Block):
    """Supply, chosen once, and voltage scaling."""

    def __init__(self):
        super().__init__("PWR", 0x5802_4800, 0x400)
        self.words.update({0x0C: 6, 0x18: 1 << 14})
        self.chosen = False

    @property
    def scale(self) -> int:
        return {3: 1, 2: 2, 1: 3}.get(self.words[0x18] >> 14 & 3, 0)

    def read(self, offset: int) -> int:
        if offset == 0x04:
            return 1 << 13 | (self.words[0x18] >> 14 & 3) << 14
        return super().read(offset) | 1 << 13 if offset == 0x18 else super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == 0x0C:
            # RM0399 7.4.1: direct SMPS is SDEN alone.
            if self.chosen and value != self.words[0x0C]:
                raise Breach("PWR: the supply is chosen twice; only a power cycle allows that (RM0399 7.4.1)")
            if value & 7 != 4:
                raise Breach(f"PWR: supply {value & 7:#x}; this board is wired for direct SMPS, 4 (RM0399 table 32)")
            self.chosen = True
        if offset == 0x18 and not self.chosen:
            raise Breach("PWR: voltage scaling before the supply is chosen (RM0399 7.4.1)")
        super().write(offset, value)


class Rcc(Block):
    """PLL1, switch, dividers."""

    def __init__(self, pwr: Pwr):
        super().__init__("RCC", 0x5802_4400, 0x400)
        self.pwr, self.flash = pwr, None
        self.words.update({0x00: 0x83, 0x28: 0x0202_0200, 0x30: 0x0101_0280})

    def read(self, offset: int) -> int:
        word = super().read(offset)
        if offset == 0x00:
            ready = {0: 2, 7: 8, 8: 14, 12: 13, 16: 17, 24: 25, 26: 27, 28: 29}
            for on, flag in ready.items():
                word = word & ~(1 << flag) | (word >> on & 1) << flag
            return word | 1 << 2
        if offset in (0x70, 0x74):
            # Low-speed oscillators: ready once they are on.
            return word & ~2 | (word & 1) << 1
        if offset == 0x10:
            return word & ~0x38 | (word & 7) << 3
        return word

    @property
    def pll(self) -> int:
        divider, factor = self.words[0x28] >> 4 & 63, (self.words[0x30] & 0x1FF) + 1
        return HSI // max(divider, 1) * factor // ((self.words[0x30] >> 9 & 127) + 1)

    @property
    def processor(self) -> int:
        return self.pll if self.words.get(0x10, 0) & 7 == 3 else HSI

    @property
    def bus(self) -> int:
        hpre = self.words.get(0x18, 0) & 15
        return self.processor >> {8: 1, 9: 2, 10: 3, 11: 4}.get(hpre, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == 0x10 and value & 7 == 3 and not self.words[0] >> 24 & 1:
            raise Breach("RCC: switched to PLL1, which is off")
        if offset == 0x28 and self.words[0] >> 24 & 1:
            # Source and first divider hold while PLL1 runs (RM0399 RCC_PLLCKSELR); embassy-stm32 0.6.0 writes zeros there when it stops PLL2 and PLL3.
            value = value & ~0x3F3 | self.words[offset] & 0x3F3
        if offset == 0x30 and self.words[0] >> 24 & 1 and value != self.words[offset]:
            raise Breach("RCC: PLL1 set up while it runs (RM0399 RCC_PLL1DIVR)")
        super().write(offset, value)
        self.check()

    def check(self) -> None:
        limit = LIMITS[self.pwr.scale]
        if self.processor > limit:
            raise Breach(f"the processor at {self.processor} Hz, {limit} at voltage scale {self.pwr.scale} (DS12930 table 23)")
        if self.bus > limit // 2:
            raise Breach(f"AXI at {self.bus} Hz, {limit // 2} at voltage scale {self.pwr.scale}")
        states = self.flash.words.get(0, 0x37) & 15
        if self.bus > WAIT_STATES.get(states, 240_000_000):
            raise Breach(f"AXI at {self.bus} Hz with {states} wait states of the flash (RM0399 table 17)")


class Latency(Block):
    """Wait states of the internal flash. Bits 16 to 19, which the chip lacks, are what a program reads in place of them: a fault that it does not notice by reading."""

    def __init__(self):
        super().__init__("FLASH", 0x5200_2000)
        self.words[0] = 0x37

    def read(self, offset: int) -> int:
        word = super().read(offset)
        shown = word >> 16 & 15
        return word & ~0xF_000F | shown if offset == 0 and shown else word


class Gpio(Block):
    """One port."""

    def __init__(self, machine: Machine, number: int):
        super().__init__(f"GPIO{'ABCDEFGHIJK'[number]}", 0x5802_0000 + 0x400 * number, 0x400)
        self.machine = machine
        self.words[0x00] = 0xFFFF_FFFF
        self.rises = [0] * 16

    def write(self, offset: int, value: int) -> None:
        if offset == 0x18:
            before = self.words.get(0x14, 0)
            self.words[0x14] = (before | value & 0xFFFF) & ~(value >> 16)
            for pin in range(16):
                self.rises[pin] += (self.words[0x14] & ~before) >> pin & 1
            if self.name == "GPIOI" and before & ~self.words[0x14] & RED:
                self.machine.flash()
        else:
            super().write(offset, value)


class Usart(Block):
    """Bytes sent and received, once it is enabled."""

    def __init__(self, line: Line):
        super().__init__("USART1", 0x4001_1000, 0x400)
        self.line = line

    def read(self, offset: int) -> int:
        # Sent and empty, both directions acknowledged; bit 5: a byte has come.
        return 0x0060_00C0 | self.line.waits() << 5 if offset == 0x1C else super().read(offset)

    def read_bytes(self, offset: int, size: int) -> int:
        return self.line.take() if offset == 0x24 else super().read_bytes(offset, size)

    def write_bytes(self, offset: int, size: int, value: int) -> None:
        if offset == 0x28:
            if self.words.get(0, 0) & 9 != 9:
                raise Breach("USART1 is sent a byte before it is enabled")
            self.line.send(value & 0xFF)
        else:
            super().write_bytes(offset, size, value)


class Dies:
    """Both dies, which get the same commands: on one or four lines, at one or both edges of the clock (an instruction always at one)."""

    def __init__(self, lines: int, double: bool):
        self.lines, self.double = lines, double
        self.reset_enabled = self.was_reset = self.identified = False

    def take(self, instruction: int, lines: int) -> bytes:
        """A command on so many lines; what the dies answer, byte for byte in turn."""
        if lines != self.lines:
            self.reset_enabled = False
            return b"\xff" * 6
        enabled, self.reset_enabled = self.reset_enabled, instruction == RESET_ENABLE
        if instruction == RESET and enabled:
            self.lines, self.double, self.was_reset = 1, False, True
        if instruction == IDENTIFY and not self.double:
            self.identified = True
            return bytes([0x20, 0x20, 0xBA, 0xBA, 0x20, 0x20])
        return b"\xff" * 6


class Quadspi(Block):
    """The controller: commands out of its registers."""

    CR, DCR, SR, FCR, DLR, CCR, AR, DR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x20

    def __init__(self, machine: Machine, rcc: Rcc, dies: Dies):
        super().__init__("QUADSPI", 0x5200_5000)
        self.machine, self.rcc, self.dies = machine, rcc, dies
        self.queue, self.done = b"", False

    def read_bytes(self, offset: int, size: int) -> int:
        if offset == self.DR:
            taken, self.queue = self.queue[:size], self.queue[size:]
            return int.from_bytes(taken, "little")
        return super().read_bytes(offset, size)

    def read(self, offset: int) -> int:
        if offset == self.SR:
            return self.done << 1 | (len(self.queue) > 0) << 2 | len(self.queue) << 8
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == self.FCR:
            self.done = self.done and not value >> 1 & 1
            return
        super().write(offset, value)
        if offset == self.CCR and self.words.get(self.CR, 0) & 1:
            self.command(value)

    def command(self, ccr: int) -> None:
        mode, instruction, lines = ccr >> 26 & 3, ccr & 0xFF, [0, 1, 2, 4][ccr >> 8 & 3]
        if lines == 0:
            return
        hertz = self.rcc.bus // ((self.words[self.CR] >> 24) + 1)
        if hertz > 133_000_000:
            raise Breach(f"the flash at {hertz} Hz, 133 MHz at most")
        addressed, data = ccr >> 10 & 3, ccr >> 24 & 3
        if mode == 3:
            return self.map(ccr, instruction, lines)
        if addressed == 0 and (data == 0 or mode == 1):
            answer = self.dies.take(instruction, lines)
            self.queue = answer[: self.words.get(self.DLR, 0) + 1] if data else b""
            self.done = True

    def map(self, ccr: int, instruction: int, lines: int) -> None:
        dies = self.dies
        if not dies.was_reset:
            raise Breach("the flash is read before it was reset out of the mode that it may be in")
        if not dies.identified:
            raise Breach("the flash is read before it was identified")
        if (dies.lines, dies.double) != (lines, bool(ccr >> 31)):
            raise Breach(f"the flash is read on {lines} line(s) while it listens on {dies.lines}, both edges: {dies.double}")
        if instruction != QUAD_READ or ccr >> 12 & 3 != 3 or ccr >> 24 & 3 != 3 or ccr >> 10 & 3 != 1 or ccr >> 18 & 31 != 8:
            raise Breach(f"the flash is read with {ccr:#x}: command 6Ch takes a 32-bit address on one line, 8 idle cycles, data on four")
        if not self.words[self.CR] >> 6 & 1 or self.words[self.DCR] >> 16 & 31 != 26:
            raise Breach("the two dies are not read side by side, 128 MB in all")
        self.machine.uc.mem_protect(MAPPED, MAPPED_BYTES, 1)


class Board:
    """STM32H747I-DISCO; modes are those that an earlier program may have left the flash in."""

    MODES = ("spi", "qpi", "dtr", "qpi-dtr")
    MUTATIONS = {
        "5: no reset on four lines": lambda block, offset, value: value & ~0xFF if (block, offset, value >> 8 & 3, value >> 26 & 3) == ("QUADSPI", 0x14, 3, 0) else value,
        "5: no reset at all": lambda block, offset, value: value & ~0xFF if (block, offset) == ("QUADSPI", 0x14) and value & 0xFF == RESET else value,
        "5: no identification": lambda block, offset, value: value & ~0xFF if (block, offset) == ("QUADSPI", 0x14) and value & 0xFF == IDENTIFY else value,
        "dies one after the other": lambda block, offset, value: value & ~(1 << 6) if (block, offset) == ("QUADSPI", 0x00) else value,
        "mapped at both edges": lambda block, offset, value: value | 1 << 31 if (block, offset) == ("QUADSPI", 0x14) and value >> 26 & 3 == 3 else value,
        "voltage scale 3": lambda block, offset, value: value & ~(3 << 14) | 1 << 14 if (block, offset) == ("PWR", 0x18) else value,
        "supply from the LDO": lambda block, offset, value: value & ~7 | 2 if (block, offset) == ("PWR", 0x0C) else value,
        "no wait states": lambda block, offset, value: value & ~15 | (value & 15) << 16 if (block, offset) == ("FLASH", 0x00) else value,
    }

    def __init__(self, elf: Path, model: bytes, debugger: bool, mode: str):
        machine = self.machine = Machine(arm_const.UC_CPU_ARM_CORTEX_M7, 0x411F_C271, debugger)
        for address, size in [(0x0800_0000, 2 << 20), (0, 64 << 10), (0x2000_0000, 128 << 10), (0x2400_0000, 512 << 10), (0x3800_0000, 64 << 10)]:
            machine.memory(address, size)
        machine.memory(MAPPED, MAPPED_BYTES)
        machine.load(elf)
        machine.uc.mem_write(MODEL_AT, model)
        machine.uc.mem_write(MODEL_AT + MAPPED_BYTES // 2, b"\xff" * 4096)
        machine.uc.mem_protect(MAPPED, MAPPED_BYTES, 0)
        self.line = Line()
        pwr, self.usart, self.ports = Pwr(), Usart(self.line), [Gpio(machine, number) for number in range(11)]
        rcc = Rcc(pwr)
        rcc.flash = Latency()
        quadspi = Quadspi(machine, rcc, Dies(4 if "qpi" in mode else 1, "dtr" in mode))
        plain = {"SYSCFG": 0x5800_0400, "HSEM": 0x5802_6400, "DBGMCU": 0x5C00_1000, "EXTI": 0x5800_0000, "DMA": 0x4002_0000, "MDMA": 0x5200_0000,
                 "TIM": 0x4000_0000, "BDMA": 0x5802_5400, "CRS": 0x4000_8400, "RAMECC": 0x5200_9000}
        # Blocks of less than a page share one.
        machine_pages(machine, [pwr, rcc, self.usart, rcc.flash, quadspi, *self.ports, *(Block(name, base, 0x400) for name, base in plain.items())])

    def start(self):
        """Until the end."""
        return self.machine.run(VECTORS)

    def rtt(self) -> bytes:
        """The log for a debugger."""
        return self.machine.rtt(0x2000_0000, 128 << 10)

    def lights(self) -> dict[str, bool]:
        """LED1 and LED3, lit when low."""
        pins = self.ports[8].words.get(0x14, 0)
        return {"good": not pins >> 12 & 1, "bad": not pins >> 14 & 1}

    def marks(self) -> dict[str, int]:
        """How often the markers rose: PI15, PJ5."""
        return {"step": self.ports[8].rises[15], "frame": self.ports[9].rises[5]}


def machine_pages(machine: Machine, blocks: list[Block]) -> None:
    """Maps whole pages, each of which hands an access on to the block that it belongs to."""
    pages: dict[int, list[Block]] = {}
    for block in blocks:
        for page in range(block.base & ~0xFFF, block.base + block.size, 0x1000):
            pages.setdefault(page, []).append(block)
    for page, within in pages.items():
        machine.page(page, within)
