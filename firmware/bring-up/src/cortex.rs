//! Start-up of the processor itself: Cortex-M55 and its relatives of Armv8.1-M.

use crate::Registers;

const CPUID: u32 = 0xe000_ed00;
const CCR: u32 = 0xe000_ed14;
/// Memory system control of the Cortex-M55.
const MSCR: u32 = 0xe001_e000;
const ICER: u32 = 0xe000_e180;
const ICPR: u32 = 0xe000_e280;
/// Words of 32 interrupts each.
const INTERRUPT_WORDS: u32 = 16;

/// Part numbers of processors with low-overhead loops: M55, M85, M52.
const WITH_LOOPS: [u32; 3] = [0xd22, 0xd23, 0xd24];
const LOW_OVERHEAD_BRANCHES: u32 = 1 << 19;
const CACHES_MAY_BE_ACTIVE: u32 = 3 << 12;

/// Turns on the cache of loop ends and branches (`CCR.LOB`), where the processor has one: without
/// it `le` and `letp` jump like any branch. Debuggers and boot code leave it off.
pub fn loop_cache(registers: &mut impl Registers) {
    let part = registers.load(CPUID) >> 4 & 0xfff;
    if WITH_LOOPS.contains(&part) {
        let ccr = registers.load(CCR);
        registers.store(CCR, ccr | LOW_OVERHEAD_BRANCHES);
        registers.barrier();
    }
}

/// Lets the caches of the Cortex-M55 become active once they are enabled: the boot ROM of the
/// STM32N6 leaves these bits off.
pub fn allow_caches(registers: &mut impl Registers) {
    let mscr = registers.load(MSCR);
    registers.store(MSCR, mscr | CACHES_MAY_BE_ACTIVE);
    registers.barrier();
}

/// Disables every interrupt and forgets those that are pending.
pub fn quieten(registers: &mut impl Registers) {
    for word in 0..INTERRUPT_WORDS {
        registers.store(ICER + 4 * word, u32::MAX);
        registers.store(ICPR + 4 * word, u32::MAX);
    }
    registers.barrier();
}
