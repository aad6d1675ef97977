//! Registers with the types of the peripheral access crate.

use stm32_metapac::common::{Access, RW, Read, Reg, Write};

use crate::{Registers, Stuck};

/// A register's type of the peripheral access crate, as its 32 bits.
pub trait Word: Copy {
    /// From its bits.
    fn from_bits(bits: u32) -> Self;
    /// Its bits.
    fn bits(self) -> u32;
}

/// Declares the types that sequences use.
macro_rules! words {
    ($($block:ident: $($register:ident)*;)*) => {
        $($(impl Word for stm32_metapac::$block::regs::$register {
            fn from_bits(bits: u32) -> Self {
                Self(bits)
            }
            fn bits(self) -> u32 {
                self.0
            }
        })*)*
    };
}

words! {
    gpio: Afr Bsrr Moder Ospeedr Otyper Pupdr;
    i2c: Cr1 Cr2 Isr Timingr Txdr;
    pwr: Cr1 Svmcr3 Voscr;
    rcc: Ahb2ensr Ahb4ensr Ahb5ensr Ahb5rstcr Ahb5rstsr Apb1lensr Apb2ensr Apb4hensr Ccipr13 Ccipr4 Ccipr6 Ccr Cfgr Cfgr2 Csr Divensr Hsicfgr Iccfgr Memensr Pllcfgr1 Pllcfgr2 Pllcfgr3 Sr;
    syscfg: Vddio2cccr Vddio3cccr;
    usart: Brr Cr1 Cr3 Dr Isr;
    xspi: Ar Ccr Cr Dcr1 Dcr2 Dlr Fcr Ir Sr Tcr Wccr Wir Wtcr;
    xspim: Cr;
}

impl Word for u32 {
    fn from_bits(bits: u32) -> Self {
        bits
    }
    fn bits(self) -> u32 {
        self
    }
}

/// [`Registers`] with the registers of the peripheral access crate.
pub trait RegistersExt: Registers {
    /// Reads `register`.
    fn read<T: Word, A: Read>(&mut self, register: Reg<T, A>) -> T {
        T::from_bits(self.load(address(register)))
    }

    /// Writes `register`: zero but for what `set` sets.
    fn write<T: Word, A: Write>(&mut self, register: Reg<T, A>, set: impl FnOnce(&mut T)) {
        let mut value = T::from_bits(0);
        set(&mut value);
        self.store(address(register), value.bits());
    }

    /// Reads `register`, changes it and writes it.
    fn modify<T: Word>(&mut self, register: Reg<T, RW>, change: impl FnOnce(&mut T)) {
        let mut value = self.read(register);
        change(&mut value);
        self.store(address(register), value.bits());
    }

    /// Reads `register` until `ready`, every 10 us for 100 ms.
    fn until<T: Word, A: Read>(&mut self, what: &'static str, register: Reg<T, A>, ready: impl Fn(T) -> bool) -> Result<(), Stuck> {
        const STEP: u32 = 10;
        const STEPS: u32 = 10_000;
        for _ in 0..STEPS {
            if ready(self.read(register)) {
                return Ok(());
            }
            self.wait(STEP);
        }
        Err(Stuck(what))
    }
}

impl<B: Registers + ?Sized> RegistersExt for B {}

/// The address of `register`: all of the chip's lie in 32 bits.
fn address<T: Copy, A: Access>(register: Reg<T, A>) -> u32 {
    register.as_ptr().addr() as u32
}

/// A register that the peripheral access crate lacks, by its address.
pub(crate) const fn at(address: usize) -> Reg<u32, RW> {
    // SAFETY: a number that only `Registers` look at; the access crate reads and writes nothing
    // here.
    unsafe { Reg::from_ptr(core::ptr::without_provenance_mut(address)) }
}
