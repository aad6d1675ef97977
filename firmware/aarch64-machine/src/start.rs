//! From reset, or from a firmware, at exception level 3, 2 or 1, to `main` at level 1. Sets up
//! floating-point and vector unit, stack, zeroed statics, exception vectors, caches.

use core::{
    arch::{asm, global_asm},
    cell::UnsafeCell,
};

use crate::fault;

global_asm!(
    ".section .text.start, \"ax\"",
    ".global _start",
    "_start:",
    // One core works; the others sleep, without an interrupt that wakes them.
    "mrs x0, mpidr_el1",
    "and x0, x0, #0xff",
    "cbz x0, 5f",
    "4: wfi",
    "b 4b",
    "5: mrs x0, currentel",
    "cmp x0, #(2 << 2)",
    "b.lo 8f",
    "b.eq 7f",
    // Level 3, without an earlier firmware. Caches take part in coherence before they are on
    // (Cortex-A53 TRM, CPUECTLR_EL1.SMPEN). No level above 1 traps a program's instructions.
    "mrs x0, midr_el1",
    "ubfx x0, x0, #4, #12",
    "mov x1, #0xd03",
    "cmp x0, x1",
    "b.ne 6f",
    "mrs x0, s3_1_c15_c2_1",
    "orr x0, x0, #(1 << 6)",
    "msr s3_1_c15_c2_1, x0",
    // Lower levels are not secure, and execute 64-bit code.
    "6: mov x0, #0x531",
    "msr scr_el3, x0",
    "msr cptr_el3, xzr",
    "msr mdcr_el3, xzr",
    "mov x0, #0x3c9",
    "msr spsr_el3, x0",
    "adr x0, 7f",
    "msr elr_el3, x0",
    "isb",
    "eret",
    // Level 2, where a Raspberry Pi's firmware starts programs.
    "7: mov x0, #(1 << 31)",
    "msr hcr_el2, x0",
    "mov x0, #0x33ff",
    "msr cptr_el2, x0",
    "mrs x0, pmcr_el0",
    "ubfx x0, x0, #11, #5",
    "msr mdcr_el2, x0",
    "mrs x0, cnthctl_el2",
    "orr x0, x0, #3",
    "msr cnthctl_el2, x0",
    "msr cntvoff_el2, xzr",
    // The state of level 1 is defined at a reset alone: MMU and caches off, all reserved bits
    // as they must be.
    "ldr x0, =0x30d00800",
    "msr sctlr_el1, x0",
    "mov x0, #0x3c5",
    "msr spsr_el2, x0",
    "adr x0, 8f",
    "msr elr_el2, x0",
    "isb",
    "eret",
    "8:",
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

/// Half gigabytes that addresses of 32 bits reach.
const BLOCKS: usize = 8;

/// Second-level translation table in pages of 64 KB: half a gigabyte an entry.
#[repr(C, align(64))]
struct Table(UnsafeCell<[u64; BLOCKS]>);

// SAFETY: written once, before the MMU reads it; one core runs.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([0; BLOCKS]));

/// Block entry whose virtual and physical address are the same, accessed before.
const fn block(at: u64) -> u64 {
    at << 29 | 1 | 1 << 10
}

/// Attribute 0 of [`MAIR`], never executed: devices.
const fn device(at: u64) -> u64 {
    block(at) | 3 << 53
}

/// Attribute 1 of [`MAIR`], inner shareable: RAM.
const fn ram(at: u64) -> u64 {
    block(at) | 3 << 8 | 1 << 2
}

unsafe extern "C" {
    /// In the linker script, as an address: bit n says that the n-th half gigabyte is devices.
    static _devices: u8;
}

/// Attribute 0: device memory. Attribute 1: normal memory, write-back.
const MAIR: u64 = 0xff00;
/// 32-bit addresses in pages of 64 KB; table walks through the caches; no upper half; 40-bit
/// physical addresses.
const TCR: u64 = 32 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 14 | 1 << 23 | 2 << 32;
/// MMU, data cache, instruction cache.
const SCTLR_ON: u64 = 1 | 1 << 2 | 1 << 12;

/// Turns the MMU on (without it all memory is device memory, which forbids unaligned access and
/// caches), and both caches.
extern "C" fn caches() {
    let devices = (&raw const _devices).addr() as u64;
    let entries = core::array::from_fn(|at| if devices >> at & 1 == 1 { device(at as u64) } else { ram(at as u64) });
    // SAFETY: the MMU is off, and nobody else looks at the table.
    unsafe { *TABLE.0.get() = entries };
    // SAFETY: the table maps every address to itself, so that nothing moves.
    unsafe {
        asm!(
            "tlbi vmalle1",
            "ic iallu",
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
