//! The checker finds a breach of every rule.

mod model;

use bring_up::{Registers, RegistersExt, pac};
use model::{Board, Boot, CCR, RAMCFG, flash::Mode, rules::Rule};

/// Port N's pins, domain and controller, as the start-up leaves them.
fn connect(board: &mut Board) {
    board.store(pac::RCC.ahb4ensr().as_ptr().addr() as u32, 1 << 13);
    board.store(pac::RCC.ahb5ensr().as_ptr().addr() as u32, 1 << 12 | 1 << 13);
    board.store(pac::RCC.apb4hensr().as_ptr().addr() as u32, 1);
    board.store(pac::PWR.svmcr3().as_ptr().addr() as u32, 3 << 8 | 3 << 25);
    board.store(pac::SYSCFG.vddio3cccr().as_ptr().addr() as u32, 0x287);
    board.store(pac::GPION.moder().as_ptr().addr() as u32, 0x00aa_aaaa);
    board.store(pac::GPION.ospeedr().as_ptr().addr() as u32, 0x00ff_ffff);
    (0..2).for_each(|half| board.store(pac::GPION.afr(half).as_ptr().addr() as u32, 0x9999_9999));
    board.write(pac::XSPI2.dcr2(), |w| w.set_prescaler(3));
    board.write(pac::XSPI2.cr(), |w| w.set_en(true));
}

/// A command without address on one line, or on eight, of `ccr`.
fn command(board: &mut Board, ccr: u32, instruction: u32) {
    board.store(pac::XSPI2.ccr().as_ptr().addr() as u32, ccr);
    board.write(pac::XSPI2.ir(), |w| w.set_instruction(instruction));
}

const SPI: u32 = 1;

/// PLL1 and the processor's divider, at 800 MHz over `divider`.
fn fast(board: &mut Board, divider: u32) {
    board.store(pac::RCC.pllcfgr1(0).as_ptr().addr() as u32, 2 << 20 | 25 << 8);
    board.write(pac::RCC.csr(), |w| w.set_pllons(0, true));
    board.load(pac::RCC.sr().as_ptr().addr() as u32);
    board.store(pac::RCC.iccfgr(0).as_ptr().addr() as u32, (divider - 1) << 16);
    board.write(pac::RCC.divensr(), |w| w.set_ic1ens(true));
    board.modify(pac::RCC.cfgr(), |w| w.set_cpusw(pac::rcc::vals::Cpusw::IC1));
}

type Case = (Rule, fn(&mut Board));

const CASES: [Case; 22] = [
    (Rule::SupplyFirst, |board| board.write(pac::PWR.voscr(), |w| w.set_vos(pac::pwr::vals::Vos::B_0X1))),
    (Rule::SupplyAwaited, |board| {
        board.write(pac::PWR.cr1(), |_| ());
        board.write(pac::PWR.voscr(), |w| w.set_vos(pac::pwr::vals::Vos::B_0X1));
    }),
    (Rule::RegulatorRaised, |board| {
        board.write(pac::PWR.cr1(), |_| ());
        board.read(pac::PWR.voscr());
        board.write(pac::PWR.voscr(), |w| w.set_vos(pac::pwr::vals::Vos::B_0X1));
    }),
    (Rule::RegulatorBus, |board| {
        board.write(pac::RCC.apb1lensr(), |w| w.set_i2c2ens(true));
        board.write(pac::I2C2.cr1(), |w| w.set_pe(true));
        board.write(pac::I2C2.cr2(), |w| w.set_start(true));
    }),
    (Rule::ProcessorClock, |board| fast(board, 1)),
    (Rule::BusClock, |board| {
        fast(board, 2);
        [1, 5, 10].into_iter().for_each(|ic| board.store(pac::RCC.iccfgr(ic).as_ptr().addr() as u32, 0));
        board.store(pac::RCC.divensr().as_ptr().addr() as u32, 1 << 1 | 1 << 5 | 1 << 10);
        board.modify(pac::RCC.cfgr(), |w| w.set_syssw(pac::rcc::vals::Syssw::IC2));
    }),
    (Rule::Oscillator, |board| board.write(pac::RCC.hsicfgr(), |w| w.set_hsitrim(pac::rcc::vals::Hsitrim::from_bits(32)))),
    (Rule::PllOff, |board| {
        fast(board, 2);
        board.modify(pac::RCC.pllcfgr1(0), |w| w.set_plldivn(24));
    }),
    (Rule::ClockAwaited, |board| board.modify(pac::RCC.cfgr(), |w| w.set_cpusw(pac::rcc::vals::Cpusw::IC1))),
    (Rule::Clocked, |board| board.write(pac::GPIOF.bsrr(), |w| w.set_bs(4, true))),
    (Rule::IoSupply, |board| {
        board.write(pac::RCC.ahb4ensr(), |w| w.set_gpionens(true));
        board.write(pac::GPION.moder(), |_| ());
    }),
    (Rule::ControllerOff, |board| {
        connect(board);
        board.write(pac::XSPI2.dcr2(), |w| w.set_prescaler(1));
    }),
    (Rule::Port, |board| {
        connect(board);
        board.write(pac::XSPIM.cr(), |w| w.set_mode(true));
        command(board, SPI, 0x66);
    }),
    (Rule::FlashReset, |board| {
        connect(board);
        board.modify(pac::XSPI2.cr(), |w| w.set_fmode(pac::xspi::vals::Fmode::B_0X3));
    }),
    (Rule::FlashRecovery, |board| {
        connect(board);
        [0x66, 0x99, 0x06].into_iter().for_each(|instruction| command(board, SPI, instruction));
    }),
    (Rule::FlashMode, |board| {
        connect(board);
        command(board, 4 | 1 << 4, 0x06f9);
    }),
    (Rule::FlashIdentified, |board| {
        connect(board);
        board.modify(pac::XSPI2.cr(), |w| w.set_fmode(pac::xspi::vals::Fmode::B_0X3));
    }),
    (Rule::FlashClock, |board| {
        connect(board);
        board.write(pac::XSPI2.cr(), |_| ());
        board.write(pac::XSPI2.dcr2(), |w| w.set_prescaler(0));
        board.write(pac::XSPI2.cr(), |w| w.set_en(true));
        fast(board, 2);
        board.store(pac::RCC.iccfgr(3).as_ptr().addr() as u32, 3 << 16);
        board.store(pac::RCC.ccipr6().as_ptr().addr() as u32, 3 << 4);
        command(board, SPI, 0x06);
    }),
    (Rule::MemoryOn, |board| board.store(RAMCFG + 0x100, 1 << 20)),
    (Rule::LoopCache, |board| board.store(CCR, 0x201)),
    (Rule::Interrupts, |_| ()),
    (Rule::SleepClock, |board| {
        board.write(pac::RCC.apb4hensr(), |w| w.set_bsecens(true));
        board.store(pac::RCC.apb4hencr().as_ptr().addr() as u32, 1 << 1);
    }),
];

fn breaks(rule: Rule, case: impl Fn(&mut Board)) -> bool {
    let mut board = Board::new(Boot::Development, Mode::Spi);
    case(&mut board);
    board.finish().iter().any(|breach| breach.rule == rule)
}

#[test]
fn every_rule_can_be_broken() {
    let missed: Vec<Rule> = CASES.into_iter().filter(|(rule, case)| !breaks(*rule, case)).map(|(rule, _)| rule).collect();
    assert!(missed.is_empty(), "the checker does not see {missed:?}");
    let tried = |rule: &Rule| CASES.iter().any(|(tried, _)| tried == rule) || *rule == Rule::CachesActive;
    assert!(Rule::ALL.iter().all(tried));
    assert!(breaks(Rule::CachesActive, |_| ()));
}

#[test]
fn every_rule_has_a_source() {
    assert!(Rule::ALL.into_iter().all(|rule| rule.source().len() > 20));
}
