//! A library without an operating system must say what a panic does, although none can happen:
//! `cargo xtask capi` searches the linked program for ways to one.

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        // SAFETY: an undefined instruction, for the processor's fault handler.
        #[cfg(target_arch = "arm")]
        unsafe {
            core::arch::asm!("udf #0", options(nomem, nostack));
        }
    }
}
