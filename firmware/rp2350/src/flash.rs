//! The flash, read faster than the boot ROM leaves it.

use embassy_rp::pac::{
    PADS_QSPI, QMI,
    pads::vals::Drive,
    qmi::vals::{AddrWidth, DataWidth, DummyLen, DummyWidth, PrefixLen, PrefixWidth, SuffixLen, SuffixWidth},
};

/// Quad input and output fast read.
const QUAD_READ: u8 = 0xeb;
/// Sent behind an address: the next read has no instruction.
const CONTINUOUS: u8 = 0xa0;
/// Divides 150 MHz to 75; the flash (W25Q32RV) reads so at up to 133 MHz.
const DIVIDER: u8 = 2;
/// Half cycles from an edge to where data is sampled.
const SAMPLED: u8 = 2;
/// Address at which reads pass the cache by.
const UNCACHED: *const u32 = 0x1400_0000 as *const u32;

/// Doubles the rate if the boot ROM reads by quad input and output: half the divider, and no
/// instruction before each address. Values are those of pico-sdk's
/// `src/rp2350/boot_stage2/boot2_w25q080.S`. Elsewhere it changes nothing, since quad reads need a
/// bit of the flash that only a write of it sets.
pub fn read_faster() {
    // Read by whoever looks: nothing is fetched in between.
    let boot = QMI.mem(0);
    if boot.rcmd().read().prefix() == QUAD_READ && boot.rfmt().read().addr_width() == AddrWidth::Q {
        critical_section::with(|_| configure());
    }
}

/// Runs in SRAM: while it works, the flash cannot be read.
#[inline(never)]
#[unsafe(link_section = ".data.configure")]
fn configure() {
    let window = QMI.mem(0);
    // Direct mode keeps reads off; the last one has ended when it is no longer busy.
    QMI.direct_csr().modify(|w| w.set_en(true));
    while QMI.direct_csr().read().busy() {}
    PADS_QSPI.gpio(0).modify(|w| {
        w.set_drive(Drive::_8M_A);
        w.set_slewfast(true);
    });
    for line in 1..5 {
        PADS_QSPI.gpio(line).modify(|w| w.set_schmitt(false));
    }
    window.timing().write(|w| {
        w.set_cooldown(1);
        w.set_rxdelay(SAMPLED);
        w.set_clkdiv(DIVIDER);
    });
    window.rcmd().write(|w| {
        w.set_prefix(QUAD_READ);
        w.set_suffix(CONTINUOUS);
    });
    window.rfmt().write(|w| {
        w.set_prefix_width(PrefixWidth::S);
        w.set_addr_width(AddrWidth::Q);
        w.set_suffix_width(SuffixWidth::Q);
        w.set_dummy_width(DummyWidth::Q);
        w.set_data_width(DataWidth::Q);
        w.set_prefix_len(PrefixLen::_8);
        w.set_suffix_len(SuffixLen::_8);
        w.set_dummy_len(DummyLen::_16);
    });
    QMI.direct_csr().modify(|w| w.set_en(false));
    // One read with the instruction; the flash expects none from then on.
    // SAFETY: the first word of the flash.
    unsafe { UNCACHED.read_volatile() };
    window.rfmt().modify(|w| w.set_prefix_len(PrefixLen::NONE));
}
