//! Capabilities of an AArch64 processor on Linux and Android: bits in the auxiliary vector of the
//! process (`AT_HWCAP`, `AT_HWCAP2`; bits as in the kernel's
//! `Documentation/arch/arm64/elf_hwcaps.rst`). It is read from `/proc/self/auxv` by system calls,
//! so that no C library need be linked, nor the standard library.

use core::arch::asm;
use core::ffi::CStr;

/// Programs may read the identification registers of the core.
pub(crate) const CPUID: Capability = Capability { word: AT_HWCAP, bit: 11 };
/// `sdot`.
#[cfg(not(feature = "std"))]
pub(crate) const DOTPROD: Capability = Capability { word: AT_HWCAP, bit: 20 };
/// `fmlal`.
#[cfg(not(feature = "std"))]
pub(crate) const FHM: Capability = Capability { word: AT_HWCAP, bit: 23 };
/// `smmla`.
#[cfg(not(feature = "std"))]
pub(crate) const I8MM: Capability = Capability { word: AT_HWCAP2, bit: 13 };

const AT_HWCAP: u64 = 16;
#[cfg(not(feature = "std"))]
const AT_HWCAP2: u64 = 26;

/// Numbers of system calls, as `include/uapi/asm-generic/unistd.h` has them.
const OPENAT: u64 = 56;
const CLOSE: u64 = 57;
const READ: u64 = 63;
/// `AT_FDCWD`, and the flags `O_RDONLY | O_CLOEXEC`.
const HERE: u64 = -100i64 as u64;
const FLAGS: u64 = 0o2_000_000;

/// Entries that are read: twice what kernels have.
const ENTRIES: usize = 64;

/// A bit of an entry.
#[derive(Clone, Copy)]
pub(crate) struct Capability {
    word: u64,
    bit: u32,
}

/// Whether the processor has it; `false` where the system does not say.
pub(crate) fn has(capability: Capability) -> bool {
    let mut bytes = [0; 16 * ENTRIES];
    let (words, _) = read(c"/proc/self/auxv", &mut bytes).as_chunks();
    let (entries, _) = words.as_chunks();
    entries.iter().any(|[kind, value]| u64::from_ne_bytes(*kind) == capability.word && u64::from_ne_bytes(*value) >> capability.bit & 1 != 0)
}

/// As much of the file as there is room for; nothing where it cannot be read.
pub(crate) fn read<'b>(path: &CStr, bytes: &'b mut [u8]) -> &'b [u8] {
    if cfg!(miri) {
        return &[];
    }
    // SAFETY: the path ends with a zero, and the kernel reads nothing else.
    let file = unsafe { call(OPENAT, [HERE, path.as_ptr() as u64, FLAGS, 0]) };
    if file < 0 {
        return &[];
    }
    let mut done = 0;
    while let Some(room) = bytes.get_mut(done..).filter(|room| !room.is_empty()) {
        // SAFETY: the kernel writes at most as many bytes as there is room for.
        let got = unsafe { call(READ, [file as u64, room.as_mut_ptr() as u64, room.len() as u64, 0]) };
        match usize::try_from(got) {
            Ok(0) | Err(_) => break,
            Ok(got) => done += got,
        }
    }
    // SAFETY: the file was opened above and is not used again.
    unsafe { call(CLOSE, [file as u64, 0, 0, 0]) };
    bytes.get(..done).unwrap_or_default()
}

/// A system call of Linux: what it returns, negative for an error.
///
/// # Safety
/// As the call of this number wants its arguments.
unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    let result: i64;
    // SAFETY: Linux keeps all registers but `x0` and parts of what SVE adds, all of which count as
    // lost; the caller vouches for what the kernel reads and writes.
    unsafe {
        asm!(
            "svc 0",
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x8") number,
            clobber_abi("C"),
            options(nostack, preserves_flags),
        );
    }
    result
}
