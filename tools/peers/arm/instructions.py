"""Kinds of vector multiplications of AArch64 instructions, and the counts that the plugin `count.c` writes.

Groups and fields are those of the Arm Architecture Reference Manual, C4.1 ("Data Processing -- Scalar Floating-Point and Advanced SIMD").
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

SINGLE, HALF, HALF_TO_SINGLE = "f32", "f16", "fmlal"
WIDENING, DOT, MATRIX, BFLOAT, SVE, SME = "smull", "sdot", "smmla", "bf16", "SVE", "SME"
USED_FROM = 0.005
"""Share of a frame's instructions from which on a kind of multiplication is named."""


@cache
def multiplies(word: int) -> str | None:
    """The kind of vector multiplication that an instruction is, `SVE` or `SME` for any of theirs; None for every other instruction."""
    unsigned, size, high = word >> 29 & 1, word >> 22 & 3, word >> 12 & 15
    if word >> 25 & 15 == 0b0000 and word >> 31:
        return SME
    if word >> 25 & 15 == 0b0010:
        return SVE
    if word & 0x9F20_0400 == 0x0E20_0400:  # Three registers of the same type.
        opcode = word >> 11 & 31
        if (opcode, unsigned) in ((0b11101, 0), (0b11001, 1)) and size in (0, 2):
            return HALF_TO_SINGLE
        if (opcode == 0b11001 and not unsigned) or (opcode == 0b11011 and unsigned and size < 2):
            return SINGLE if size & 1 == 0 else None
        return None
    if word & 0x9F60_C400 == 0x0E40_0400:  # The same, of half precision: fmla, fmls, fmul, fmulx.
        opcode = word >> 11 & 7
        return HALF if opcode == 0b001 or (opcode == 0b011 and not word >> 23 & 1) else None
    if word & 0x9F20_8400 == 0x0E00_8400:  # The same, later extensions.
        return {
            (0b0010, 2, 0): DOT,
            (0b0010, 2, 1): DOT,
            (0b0011, 2, 0): MATRIX,  # usdot
            (0b0100, 2, 0): MATRIX,
            (0b0100, 2, 1): MATRIX,
            (0b0101, 2, 0): MATRIX,
            (0b1101, 1, 1): BFLOAT,
            (0b1111, 1, 1): BFLOAT,
            (0b1111, 3, 1): BFLOAT,
        }.get((word >> 11 & 15, size, unsigned))
    if word & 0x9F20_0C00 == 0x0E20_0000:  # Results twice as wide as the operands.
        return WIDENING if high in (0b1000, 0b1010, 0b1100) else None
    if word & 0x9F00_0400 == 0x0F00_0000:  # By one element of a vector.
        if high == 0b1110:
            return DOT
        if high == 0b1111:
            return {0: MATRIX, 2: MATRIX, 1: BFLOAT, 3: BFLOAT}[size] if not unsigned else None
        if high in (0b0010, 0b0110, 0b1010):
            return WIDENING
        if high in (0b0001, 0b0101, 0b1001) and size != 1:
            return {0: HALF, 2: SINGLE, 3: None}[size]
        if size == 2 and (high, unsigned) in ((0b0000, 0), (0b0100, 0), (0b1000, 1), (0b1100, 1)):
            return HALF_TO_SINGLE
    return None


@dataclass
class Frame:
    """Instructions of one frame."""

    total: int = 0
    kinds: Counter = field(default_factory=Counter)


def read(lines: Iterable[str]) -> tuple[list[Frame], int]:
    """The frames that the plugin counted, and how many threads the program ever had."""
    frames: list[Frame] = []
    for line in lines:
        first, *words = line.split()
        if first == "frame":
            frames.append(Frame())
        elif first == "threads":
            return frames, int(words[0])
        else:
            runs = int(first)
            frames[-1].total += runs * len(words)
            for word in words:
                if kind := multiplies(int(word, 16)):
                    frames[-1].kinds[kind] += runs
    raise ValueError("the counts end early: the program was killed")


def used(frame: Frame) -> dict[str, float]:
    """Kinds of multiplication that make up a notable share of a frame, the largest first."""
    shares = {kind: count / frame.total for kind, count in frame.kinds.most_common()}
    return {kind: share for kind, share in shares.items() if share >= USED_FROM}
