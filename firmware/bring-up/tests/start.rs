//! The start-up keeps every rule, from both ways of booting and from any mode of the flash. With a
//! fault put into it, it breaks one.

mod model;

use bring_up::{
    n6::{self, Speed},
    pac,
};
use model::{
    Board, Boot, CCR, RAMCFG, Tamper,
    flash::Mode,
    i2c::Regulator,
    rules::{Breach, Rule},
};

const MODES: [Mode; 3] = [Mode::Spi, Mode::Octal, Mode::OctalDouble];
const REGULATORS: [Regulator; 2] = [Regulator::Pin, Regulator::Bus];

/// Starts `board` and maps its flash: what went wrong, and the breaches.
fn start(mut board: Board, speed: &Speed) -> (Option<String>, Vec<Breach>) {
    let started = n6::start(&mut board, speed).map_err(|stuck| stuck.to_string());
    let mapped = started.and_then(|()| n6::map(&mut board).map_err(|error| error.to_string()));
    (mapped.err(), board.finish())
}

#[test]
fn every_way_of_booting_keeps_every_rule() {
    let ways = [Boot::Development, Boot::Flash].into_iter().flat_map(|boot| MODES.map(|mode| (boot, mode)));
    for (boot, mode) in ways {
        for (speed, regulator) in [Speed::FULL, Speed::NOMINAL].iter().flat_map(|speed| REGULATORS.map(|regulator| (speed, regulator))) {
            let (error, breaches) = start(Board::new(boot, mode).with(regulator), speed);
            let said: Vec<String> = breaches.iter().map(ToString::to_string).collect();
            assert!(error.is_none() && said.is_empty(), "{boot:?}, flash in {mode:?}, {regulator:?}, {speed:?}: {error:?}\n{}", said.join("\n"));
        }
    }
}

#[test]
fn resets_in_modes_that_the_flash_is_not_in_may_never_end() {
    for mode in MODES {
        let (error, breaches) = start(Board::new(Boot::Flash, mode).stalling(), &Speed::FULL);
        assert!(error.is_none() && breaches.is_empty(), "flash in {mode:?}: {error:?}, {breaches:?}");
    }
}

#[test]
fn clocks_are_what_programs_are_told() {
    for speed in [Speed::FULL, Speed::NOMINAL] {
        let mut board = Board::new(Boot::Development, Mode::Spi);
        n6::start(&mut board, &speed).unwrap();
        assert_eq!(board.processor_hertz(), u64::from(speed.hertz));
    }
}

#[test]
fn the_serial_port_says_what_it_is_given() {
    let mut board = Board::new(Boot::Flash, Mode::Spi);
    n6::start(&mut board, &Speed::FULL).unwrap();
    let serial = n6::Serial::new(&mut board);
    serial.send(&mut board, b"labels").unwrap();
    serial.flush(&mut board).unwrap();
    assert_eq!(board.said, b"labels");
}

/// A fault that is put into the start-up by changing what it writes.
struct Mutation {
    /// The fault, by the number that the review gave it if it is one of those.
    name: &'static str,
    /// The rule that must be found broken.
    rule: Rule,
    tamper: fn(u32, u32) -> Vec<(u32, u32)>,
}

fn at<T>(pointer: *mut T) -> u32 {
    pointer.addr() as u32
}

/// Changes writes of `register` alone.
fn only(register: u32, address: u32, value: u32, change: impl Fn(u32) -> u32) -> Vec<(u32, u32)> {
    vec![(address, if address == register { change(value) } else { value })]
}

/// Loses writes of `register`.
fn without(register: u32, address: u32, value: u32) -> Vec<(u32, u32)> {
    if address == register { Vec::new() } else { vec![(address, value)] }
}

const MUTATIONS: [Mutation; 28] = [
    Mutation {
        name: "1: the internal converter stays selected",
        rule: Rule::SupplyFirst,
        tamper: |address, value| only(at(pac::PWR.cr1().as_ptr()), address, value, |value| value | 1 << 2),
    },
    Mutation { name: "1: the supply is never chosen", rule: Rule::SupplyFirst, tamper: |address, value| without(at(pac::PWR.cr1().as_ptr()), address, value) },
    Mutation {
        name: "2: embassy's trim of the oscillator",
        rule: Rule::Oscillator,
        tamper: |address, value| only(at(pac::RCC.hsicfgr().as_ptr()), address, value, |value| value | 32 << 16),
    },
    Mutation {
        name: "2: and the processor's clock that follows from it",
        rule: Rule::ProcessorClock,
        tamper: |address, value| only(at(pac::RCC.hsicfgr().as_ptr()), address, value, |value| value | 32 << 16),
    },
    Mutation {
        name: "3: PWR reset between voltage and clocks",
        rule: Rule::ProcessorClock,
        tamper: |address, value| {
            let pll_on = address == at(pac::RCC.csr().as_ptr()) && value >> 8 & 1 == 1;
            let pulse = [(at(pac::RCC.ahb4rstsr().as_ptr()), 1 << 18), (at(pac::RCC.ahb4rstcr().as_ptr()), 1 << 18)];
            pulse.into_iter().filter(|_| pll_on).chain([(address, value)]).collect()
        },
    },
    Mutation {
        name: "3: the voltage is never raised",
        rule: Rule::ProcessorClock,
        tamper: |address, value| without(at(pac::PWR.voscr().as_ptr()), address, value),
    },
    Mutation {
        name: "3: the regulator is never raised",
        rule: Rule::RegulatorRaised,
        tamper: |address, value| without(at(pac::GPIOF.bsrr().as_ptr()), address, value),
    },
    Mutation {
        name: "4: no reset at both edges",
        rule: Rule::FlashMode,
        tamper: |address, value| only(at(pac::XSPI2.ccr().as_ptr()), address, value, |value| value & !(1 << 3)),
    },
    Mutation {
        name: "4: no reset at all",
        rule: Rule::FlashReset,
        tamper: |address, value| only(at(pac::XSPI2.ir().as_ptr()), address, value, |value| if matches!(value, 0x99 | 0x9966) { 0 } else { value }),
    },
    Mutation { name: "6: loop cache off", rule: Rule::LoopCache, tamper: |address, value| only(CCR, address, value, |value| value & !(1 << 19)) },
    Mutation {
        name: "the flash controller is not clocked",
        rule: Rule::Clocked,
        tamper: |address, value| without(at(pac::RCC.ahb5ensr().as_ptr()), address, value),
    },
    Mutation {
        name: "buses undivided",
        rule: Rule::BusClock,
        tamper: |address, value| only(at(pac::RCC.iccfgr(1).as_ptr()), address, value, |value| value & !(0xff << 16)),
    },
    Mutation {
        name: "peripheral buses undivided",
        rule: Rule::BusClock,
        tamper: |address, value| only(at(pac::RCC.cfgr2().as_ptr()), address, value, |value| value & !(7 << 20)),
    },
    Mutation {
        name: "PLL1 set up while it runs",
        rule: Rule::PllOff,
        tamper: |address, value| {
            let pll_on = address == at(pac::RCC.csr().as_ptr()) && value >> 8 & 1 == 1;
            [(address, value)].into_iter().chain(Some((at(pac::RCC.pllcfgr2(0).as_ptr()), 1)).filter(|_| pll_on)).collect()
        },
    },
    Mutation {
        name: "IC1 is not enabled",
        rule: Rule::ClockAwaited,
        tamper: |address, value| only(at(pac::RCC.divensr().as_ptr()), address, value, |value| value & !1),
    },
    Mutation {
        name: "the pins are taken for 3.3 V",
        rule: Rule::IoSupply,
        tamper: |address, value| only(at(pac::PWR.svmcr3().as_ptr()), address, value, |value| value & !(1 << 26)),
    },
    Mutation {
        name: "the compensation cell's enable bit, as in embassy 0.6.0, instead of CS",
        rule: Rule::IoSupply,
        tamper: |address, value| only(at(pac::SYSCFG.vddio3cccr().as_ptr()), address, value, |_| 0x187),
    },
    Mutation {
        name: "the boot ROM's port stays connected",
        rule: Rule::Port,
        tamper: |address, value| only(at(pac::XSPIM.cr().as_ptr()), address, value, |value| value | 1 << 1),
    },
    Mutation { name: "the flash at 200 MHz", rule: Rule::FlashClock, tamper: |address, value| only(at(pac::XSPI2.dcr2().as_ptr()), address, value, |_| 0) },
    Mutation {
        name: "six idle cycles",
        rule: Rule::FlashMode,
        tamper: |address, value| only(at(pac::XSPI2.tcr().as_ptr()), address, value, |value| if value & 31 == 20 { value & !31 | 6 } else { value }),
    },
    Mutation {
        name: "8: the regulator on the bus is not asked",
        rule: Rule::RegulatorRaised,
        tamper: |address, value| without(at(pac::I2C2.cr2().as_ptr()), address, value),
    },
    Mutation {
        name: "8: another voltage",
        rule: Rule::RegulatorBus,
        tamper: |address, value| only(at(pac::I2C2.txdr().as_ptr()), address, value, |value| if value == 0x64 { 0x78 } else { value }),
    },
    Mutation {
        name: "8: the bus follows the clock of the buses",
        rule: Rule::RegulatorBus,
        tamper: |address, value| without(at(pac::RCC.ccipr4().as_ptr()), address, value),
    },
    Mutation {
        name: "8: pins of the bus drive high",
        rule: Rule::RegulatorBus,
        tamper: |address, value| without(at(pac::GPIOD.otyper().as_ptr()), address, value),
    },
    Mutation { name: "bank 5 stays off", rule: Rule::MemoryOn, tamper: |address, value| without(RAMCFG + 4 * 0x80, address, value) },
    Mutation { name: "caches stay inactive", rule: Rule::CachesActive, tamper: |address, value| without(model::MSCR, address, value) },
    Mutation {
        name: "BSEC keeps the clock that the boot ROM left it",
        rule: Rule::SleepClock,
        tamper: |address, value| only(at(pac::RCC.apb4hensr().as_ptr()), address, value, |value| value & !(1 << 1)),
    },
    Mutation { name: "interrupts stay enabled", rule: Rule::Interrupts, tamper: |address, value| without(0xe000_e190, address, value) },
];

#[test]
fn every_fault_put_back_is_found() {
    let mut missed = Vec::new();
    for Mutation { name, rule, tamper } in &MUTATIONS {
        let ways = [Boot::Development, Boot::Flash].into_iter().flat_map(|boot| MODES.map(|mode| (boot, mode)));
        let found = ways.flat_map(|(boot, mode)| REGULATORS.map(|regulator| (boot, mode, regulator))).any(|(boot, mode, regulator)| {
            let tamper: Tamper = Box::new(*tamper);
            start(Board::new(boot, mode).with(regulator).tampered(tamper), &Speed::FULL).1.iter().any(|breach| breach.rule == *rule)
        });
        println!("{} {name}: {rule:?}", if found { "found" } else { "MISSED" });
        if !found {
            missed.push(name);
        }
    }
    assert!(missed.is_empty(), "the checker does not see {missed:?}");
}

#[test]
fn pins_whose_supply_is_missing_are_named() {
    let lost = |address, value| only(at(pac::PWR.svmcr3().as_ptr()), address, value, |value| value & !(1 << 9));
    assert_eq!(
        start(Board::new(Boot::Development, Mode::Spi).tampered(Box::new(lost)), &Speed::FULL).0.as_deref(),
        Some("waited in vain for the pins' supplies")
    );
}

#[test]
fn a_converter_that_never_is_ready_is_named() {
    let board =
        Board::new(Boot::Development, Mode::Spi).tampered(Box::new(|address, value| only(at(pac::PWR.cr1().as_ptr()), address, value, |value| value | 4)));
    assert_eq!(start(board, &Speed::FULL).0.as_deref(), Some("waited in vain for the core's higher voltage"));
}

#[test]
fn a_flash_that_is_not_reset_is_named() {
    let board = Board::new(Boot::Development, Mode::OctalDouble)
        .tampered(Box::new(|address, value| only(at(pac::XSPI2.ccr().as_ptr()), address, value, |value| value & !(1 << 3))));
    let error = start(board, &Speed::FULL).0.unwrap();
    assert!(error.starts_with("the octal flash does not answer: identification ff ff ff"), "{error}");
}
