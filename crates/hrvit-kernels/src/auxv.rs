//! Capabilities of an AArch64 processor on Linux and Android, for builds without the standard library: bits in the auxiliary vector of the process
//! (`AT_HWCAP`, `AT_HWCAP2`; bits as in the kernel's `Documentation/arch/arm64/elf_hwcaps.rst`). It is read from `/proc/self/auxv` by three system calls, so that
//! no C library need be linked.

use core::arch::asm;

/// `sdot`.
pub(crate) const DOTPROD: Capability = Capability { word: AT_HWCAP, bit: 20 };
/// `fmlal`.
pub(crate) const FHM: Capability = Capability { word: AT_HWCAP, bit: 23 };
/// `smmla`.
pub(crate) const I8MM: Capability = Capability { word: AT_HWCAP2, bit: 13 };

const AT_HWCAP: u64 = 16;
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
    if cfg!(miri) {
        return false;
    }
    let mut entries = [[0u64; 2]; ENTRIES];
    read(&mut entries);
    let entry = entries.iter().find(|[kind, _]| *kind == capability.word);
    entry.is_some_and(|[_, value]| value >> capability.bit & 1 != 0)
}

/// Reads as many entries as there are room and file; the others stay 0, which is the kind of the last.
fn read(entries: &mut [[u64; 2]; ENTRIES]) {
    let path = c"/proc/self/auxv";
    // SAFETY: the path ends with a zero, and the kernel reads nothing else.
    let file = unsafe { call(OPENAT, [HERE, path.as_ptr() as u64, FLAGS, 0]) };
    if file < 0 {
        return;
    }
    let (mut done, size) = (0, size_of_val(entries));
    while done < size {
        // SAFETY: the kernel writes at most as many bytes as are left of the entries, whose bits may have any value.
        let got = unsafe { call(READ, [file as u64, entries.as_mut_ptr() as u64 + done as u64, (size - done) as u64, 0]) };
        match usize::try_from(got) {
            Ok(0) | Err(_) => break,
            Ok(got) => done += got,
        }
    }
    // SAFETY: the file was opened above and is not used again.
    unsafe { call(CLOSE, [file as u64, 0, 0, 0]) };
}

/// A system call of Linux: what it returns, negative for an error.
///
/// # Safety
/// As the call of this number wants its arguments.
unsafe fn call(number: u64, arguments: [u64; 4]) -> i64 {
    let result: i64;
    // SAFETY: Linux keeps all registers but `x0` and parts of what SVE adds, all of which count as lost; the caller vouches for what the kernel reads and writes.
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
