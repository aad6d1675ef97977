//! Oscillator, PLLs, dividers and switches of the RCC.

use std::collections::BTreeMap;

use bring_up::pac;

use super::rules::{Breach, Rule};

/// Reads a register.
type Word<'w> = &'w dyn Fn(u32) -> u32;

fn at<T>(pointer: *mut T) -> u32 {
    pointer.addr() as u32
}

/// State of the RCC beside its registers.
#[derive(Debug, Default)]
pub struct Clocks {
    /// A switch was asked for and its state not read since.
    unseen_switch: bool,
    /// A PLL was started and its state not read since.
    unseen_pll: bool,
}

impl Clocks {
    /// A register was read.
    pub fn seen(&mut self, address: u32) {
        if address == at(pac::RCC.cfgr().as_ptr()) {
            self.unseen_switch = false;
        }
        if address == at(pac::RCC.sr().as_ptr()) {
            self.unseen_pll = false;
        }
    }

    /// Takes a write; returns the breaches.
    pub fn write(&mut self, words: &mut BTreeMap<u32, u32>, address: u32, value: u32) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let mut breach = |rule, what: String| breaches.push(Breach { rule, what });
        let word = |words: &BTreeMap<u32, u32>, address: u32| words.get(&address).copied().unwrap_or(0);
        let (cr, sr, cfgr, divenr) = (at(pac::RCC.cr().as_ptr()), at(pac::RCC.sr().as_ptr()), at(pac::RCC.cfgr().as_ptr()), at(pac::RCC.divenr().as_ptr()));
        let status = word(words, sr);
        let ready =
            |pll: u32, words: &BTreeMap<u32, u32>| status >> (8 + pll) & 1 == 1 || word(words, at(pac::RCC.pllcfgr1(pll as usize).as_ptr())) >> 27 & 1 == 1;
        if address == cr {
            // Ready follows on.
            words.insert(sr, value & 0xf1f);
            self.unseen_pll |= value & !status & 0xf00 != 0;
            for pll in 0..4 {
                let off = status >> (8 + pll) & 1 == 1 && value >> (8 + pll) & 1 == 0;
                let feeds = |ic: usize| word(words, divenr) >> ic & 1 == 1 && word(words, at(pac::RCC.iccfgr(ic).as_ptr())) >> 28 == pll;
                let (processor, system) = (word(words, cfgr) >> 20 & 3 == 3, word(words, cfgr) >> 28 & 3 == 3);
                if off && (processor && feeds(0) || system && [1, 5, 10].into_iter().any(feeds)) {
                    breach(Rule::PllOff, format!("PLL{} stopped while it feeds processor or buses", pll + 1));
                }
            }
        }
        for pll in 0..4 {
            let registers = [at(pac::RCC.pllcfgr1(pll).as_ptr()), at(pac::RCC.pllcfgr2(pll).as_ptr()), at(pac::RCC.pllcfgr3(pll).as_ptr())];
            if registers.contains(&address) && status >> (8 + pll) & 1 == 1 && word(words, address) != value {
                breach(Rule::PllOff, format!("PLL{} changed while it runs", pll + 1));
            }
        }
        for ic in 0..20 {
            let register = at(pac::RCC.iccfgr(ic).as_ptr());
            if address == register && !(ready(value >> 28, words) && ready(word(words, register) >> 28, words)) {
                breach(Rule::PllOff, format!("IC{} set up between PLLs of which one does not run", ic + 1));
            }
        }
        if address == cfgr {
            let mut value = value;
            for (name, switch, divider, sources) in [("processor", 16, 0, [3, 2, 4]), ("buses", 24, 1, [3, 2, 4])] {
                let wanted = value >> switch & 3;
                let runs = match wanted {
                    3 => word(words, divenr) >> divider & 1 == 1 && ready(word(words, at(pac::RCC.iccfgr(divider).as_ptr())) >> 28, words),
                    other => status >> sources[other as usize] & 1 == 1,
                };
                if !runs {
                    breach(Rule::ClockAwaited, format!("{name} switched to source {wanted}, which does not run"));
                }
                if wanted == 3 && self.unseen_pll {
                    breach(Rule::ClockAwaited, format!("{name} switched to a PLL that was not awaited"));
                }
                value = value & !(3 << (switch + 4)) | wanted << (switch + 4);
            }
            if self.unseen_switch {
                breach(Rule::ClockAwaited, "a clock switched before the last switch was awaited".to_owned());
            }
            self.unseen_switch = true;
            words.insert(cfgr, value);
        } else {
            words.insert(address, value);
        }
        breaches
    }

    /// The internal oscillator: each step of the trim 0.125 MHz (32 of them are 4 MHz).
    pub fn oscillator(&self, word: Word<'_>) -> u64 {
        let register = word(at(pac::RCC.hsicfgr().as_ptr()));
        let trim = u64::from(register >> 16 & 0x7f);
        (64_000_000 + trim * 125_000) >> (register >> 7 & 3)
    }

    fn pll(&self, pll: u32, word: Word<'_>) -> u64 {
        let (one, three) = (word(at(pac::RCC.pllcfgr1(pll as usize).as_ptr())), word(at(pac::RCC.pllcfgr3(pll as usize).as_ptr())));
        let divider = |shift: u32| u64::from(three >> shift & 7).max(1);
        match one >> 27 & 1 {
            1 => self.oscillator(word),
            _ => self.oscillator(word) / u64::from(one >> 20 & 0x3f).max(1) * u64::from(one >> 8 & 0xfff) / divider(27) / divider(24),
        }
    }

    fn ic(&self, ic: usize, word: Word<'_>) -> u64 {
        let register = word(at(pac::RCC.iccfgr(ic).as_ptr()));
        self.pll(register >> 28 & 3, word) / u64::from((register >> 16 & 0xff) + 1)
    }

    /// The processor's clock.
    pub fn processor(&self, word: Word<'_>) -> u64 {
        match word(at(pac::RCC.cfgr().as_ptr())) >> 20 & 3 {
            3 => self.ic(0, word),
            _ => self.oscillator(word),
        }
    }

    /// Buses with their clocks and limits.
    pub fn buses(&self, word: Word<'_>) -> Vec<(&'static str, u64, u64)> {
        let system = |ic: usize| match word(at(pac::RCC.cfgr().as_ptr())) >> 28 & 3 {
            3 => self.ic(ic, word),
            _ => self.oscillator(word),
        };
        let prescalers = word(at(pac::RCC.cfgr2().as_ptr()));
        let hclk = system(1) >> (prescalers >> 20 & 7);
        let pclk = |shift: u32| hclk >> (prescalers >> shift & 7);
        vec![
            ("AXI", system(1), 400_000_000),
            ("NPU bus", system(5), 400_000_000),
            ("AXISRAM3 to 6", system(10), 400_000_000),
            ("HCLK", hclk, 200_000_000),
            ("PCLK1", pclk(0), 200_000_000),
            ("PCLK2", pclk(4), 200_000_000),
        ]
    }

    /// Clock of the flash controller.
    pub fn flash(&self, word: Word<'_>) -> u64 {
        let hclk = self.buses(word).iter().find(|(name, ..)| *name == "HCLK").map_or(0, |bus| bus.1);
        match word(at(pac::RCC.ccipr6().as_ptr())) >> 4 & 3 {
            0 => hclk,
            1 => self.oscillator(word),
            2 => self.ic(2, word),
            _ => self.ic(3, word),
        }
    }
}
