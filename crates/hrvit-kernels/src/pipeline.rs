//! Whether an AArch64 core executes in order. This decides between two loops of its products: one
//! with few instructions, and one whose loads stand far ahead of their use. A core that executes
//! out of order finds the distance itself; one that executes in order waits.
//!
//! The core's identification register (`MIDR_EL1`) says what it is. Without an operating system it
//! is read; Linux and Android let programs read it too (capability `CPUID`). Elsewhere the feature
//! `in-order` decides.
//!
//! A processor may have cores of both kinds, and threads move between them. Linux lists the
//! registers of all cores: one core that executes out of order decides for the shorter loop. It
//! does most of the work there, and would lose more than the small cores gain. Without an operating
//! system the core that asks stands for all.

/// How cores execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipeline {
    OutOfOrder,
    InOrder,
}

impl Pipeline {
    /// How the cores of this processor do.
    pub(crate) fn detect() -> Self {
        let in_order = midr().map_or(cfg!(feature = "in-order"), |midr| is_in_order(midr) && others_are_in_order());
        if in_order { Self::InOrder } else { Self::OutOfOrder }
    }
}

/// The implementer Arm.
const ARM: u64 = 0x41;

/// Its cores that execute in order: Cortex-A34, A53, A35, A55, R82, A510, A520 and A320.
const PARTS: [u64; 8] = [0xd02, 0xd03, 0xd04, 0xd05, 0xd15, 0xd46, 0xd80, 0xd8f];

/// Whether the core with this identification executes in order. Bits 24 to 31 are the implementer,
/// bits 4 to 15 the part.
fn is_in_order(midr: u64) -> bool {
    midr >> 24 & 0xff == ARM && PARTS.contains(&(midr >> 4 & 0xfff))
}

/// The identification of the core that asks, where it may be read.
fn midr() -> Option<u64> {
    #[cfg(target_os = "none")]
    let readable = true;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let readable = crate::auxv::has(crate::auxv::CPUID);
    #[cfg(not(any(target_os = "none", target_os = "linux", target_os = "android")))]
    let readable = false;
    readable.then(|| {
        let value;
        // SAFETY: without an operating system the code runs at EL1 or above, where the register is
        // readable; Linux has said that it is.
        unsafe { core::arch::asm!("mrs {}, midr_el1", out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    })
}

/// Whether every other core whose identification the system shows executes in order.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn others_are_in_order() -> bool {
    (0..MOST_CORES).filter_map(midr_of).all(is_in_order)
}

/// Without an operating system nobody knows the others.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn others_are_in_order() -> bool {
    true
}

/// Cores that are asked for: processors with more of them have none that executes in order.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_CORES: usize = 32;

/// The identification of a core, from Linux' list; none for a core that is not there or is switched
/// off.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn midr_of(core: usize) -> Option<u64> {
    let mut path = *b"/sys/devices/system/cpu/cpu00/regs/identification/midr_el1\0";
    const TENS: usize = b"/sys/devices/system/cpu/cpu".len();
    let digit = |value: usize| b'0' + (value % 10) as u8;
    path[TENS + 1] = digit(core);
    let mut start = 0;
    if core >= 10 {
        path[TENS] = digit(core / 10);
    } else {
        // No digit of tens: what stands before it moves up.
        path.copy_within(..TENS, 1);
        start = 1;
    }
    let mut text = [0; 24];
    let path = core::ffi::CStr::from_bytes_until_nul(path.get(start..)?).ok()?;
    hexadecimal(crate::auxv::read(path, &mut text))
}

/// The number in `0x00000000410fd034` and a line feed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn hexadecimal(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(core::str::from_utf8(text).ok()?.trim().strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_told_apart_by_implementer_and_part() {
        for midr in [0x410f_d034, 0x412f_d050, 0x411f_d040, 0x411f_d461] {
            assert!(is_in_order(midr), "{midr:#x}");
        }
        // Cortex-A72, A76 and A65; A53's part of another implementer; an emulator's own.
        for midr in [0x410f_d083, 0x414f_d0b1, 0x410f_d060, 0x510f_d034, 0x000f_0510] {
            assert!(!is_in_order(midr), "{midr:#x}");
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn what_linux_writes_is_read() {
        assert_eq!(hexadecimal(b"0x00000000410fd034\n"), Some(0x410f_d034));
        assert_eq!(hexadecimal(b""), None);
        assert_eq!(hexadecimal(b"410fd034"), None);
        assert_eq!(midr_of(MOST_CORES + 60), None);
    }
}
