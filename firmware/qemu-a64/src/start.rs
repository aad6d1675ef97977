//! From reset to `main`: floating-point and vector unit, stack, zeroed statics, exception vectors, caches.

use core::arch::{asm, global_asm};

use crate::fault;

global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    // Floating point and vectors must not trap.
    "mrs x0, cpacr_el1",
    "orr x0, x0, #(3 << 20)",
    "msr cpacr_el1, x0",
    "isb",
    "adrp x0, _stack_start",
    "add x0, x0, :lo12:_stack_start",
    "mov sp, x0",
    // Statics that begin as zeros; both ends are multiples of 16.
    "adrp x0, __sbss",
    "add x0, x0, :lo12:__sbss",
    "adrp x1, __ebss",
    "add x1, x1, :lo12:__ebss",
    "2: cmp x0, x1",
    "b.hs 3f",
    "stp xzr, xzr, [x0], #16",
    "b 2b",
    "3: adr x0, vectors",
    "msr vbar_el1, x0",
    "bl {caches}",
    "bl main",
    // Every exception is a fault: there are no interrupts.
    ".balign 2048",
    "vectors:",
    ".rept 16",
    "b {fault}",
    ".balign 128",
    ".endr",
    caches = sym caches,
    fault = sym fault,
);

/// First-level translation table: 1 GB per entry.
#[repr(C, align(4096))]
struct Table([u64; 512]);

/// Where virtual and physical address are the same: a block entry, accessed before.
const BLOCK: u64 = 1 | 1 << 10;
/// Attribute 0 of [`MAIR`], never executed: the machine's devices, below 1 GB.
const DEVICE: u64 = BLOCK | 3 << 53;
/// Attribute 1 of [`MAIR`], inner shareable: RAM, from 1 GB to 4 GB.
const fn ram(gigabyte: u64) -> u64 {
    gigabyte << 30 | BLOCK | 3 << 8 | 1 << 2
}

static TABLE: Table = {
    let mut entries = [0; 512];
    [entries[0], entries[1], entries[2], entries[3]] = [DEVICE, ram(1), ram(2), ram(3)];
    Table(entries)
};

/// Attribute 0: device memory. Attribute 1: normal memory, write-back.
const MAIR: u64 = 0xff00;
/// 39-bit addresses in pages of 4 KB; table walks through the caches; no upper half; 40-bit physical addresses.
const TCR: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32;
/// MMU, data cache, instruction cache.
const SCTLR_ON: u64 = 1 | 1 << 2 | 1 << 12;

/// Turns the MMU on (without it all memory is device memory, which forbids unaligned access and caches), and both caches.
extern "C" fn caches() {
    // SAFETY: the table maps every address to itself, so that nothing moves.
    unsafe {
        asm!(
            "msr mair_el1, {mair}",
            "msr tcr_el1, {tcr}",
            "msr ttbr0_el1, {table}",
            "dsb sy",
            "isb",
            "mrs {scratch}, sctlr_el1",
            "orr {scratch}, {scratch}, {on}",
            "msr sctlr_el1, {scratch}",
            "isb",
            mair = in(reg) MAIR,
            tcr = in(reg) TCR,
            table = in(reg) &raw const TABLE,
            on = in(reg) SCTLR_ON,
            scratch = out(reg) _,
        )
    }
}
