//! The suite that every instruction set must pass: each operator against its definition, byte for
//! byte, on edges, extremes and random shapes. With feature `fp16` the float kernels too, within
//! the bound that `floats` states.
//!
//! Runs anywhere the kernels do, without a heap: in a host test, or in a firmware's self-test.
//! Everything lives in one scratch buffer; the bytes around each output are compared, too, and
//! operands start at odd addresses.
//!
//! ```
//! use hrvit_kernels::{Kernels, conformance};
//! let mut scratch = vec![0u8; conformance::SCRATCH];
//! let summary = conformance::run(Kernels::detect(), 1, &mut scratch, &mut |case| assert!(case.outcome.is_ok(), "{case:?}"));
//! assert!(summary.cases > 500 && summary.failures == 0);
//! ```

mod arena;
mod attention;
mod convolution;
mod des;
mod elements;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "bounds of float kernels")]
mod floats;
mod norm;
mod products;
mod resample;
mod resize;
mod rng;
#[cfg(feature = "int16x8")]
mod s16;

use arena::{Arena, Element};
use rng::Rng;

use crate::error::ShapeError;
use crate::family::Family;
use crate::kernels::Kernels;

/// Bytes of scratch that [`run`] needs.
pub const SCRATCH: usize = 240 * 1024;

/// How a case ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The element of this number, counted from the output's first, is not the definition's (a
    /// float: not within its bound, or not finite). A number that is negative or beyond the output
    /// marks an overwritten byte around it.
    Differs(isize),
    /// One of the two refused the operands, the other did not, or for another reason.
    Refused(Option<ShapeError>),
    /// The scratch buffer is too short for the case.
    Scratch,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Family that was called.
    pub family: Family,
    /// In which way.
    pub name: &'static str,
    /// Its sizes, in the order that `name`'s family documents its shapes.
    pub sizes: [usize; 4],
    /// Which round of random operands.
    pub round: u32,
    /// Whether both agree.
    pub outcome: Result<(), Failure>,
}

/// How many cases there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All.
    pub cases: u32,
    /// Cases that failed.
    pub failures: u32,
}

/// Compares `kernels` with the definition, `rounds` times with other shapes and numbers, and
/// reports each case. `scratch` has [`SCRATCH`] bytes or more. A round is some tens of millions of
/// multiplications.
pub fn run(kernels: Kernels, rounds: u32, scratch: &mut [u8], report: &mut dyn FnMut(Case)) -> Summary {
    suite(Suite { kernels, definition: Kernels::SCALAR, exact: false, rng: Rng::new(1), round: 0, summary: Summary::default(), report }, rounds, scratch)
}

/// [`run`] that compares with `other` instead of the definition, floats too value for value. It
/// tells whether an emulated order equals an instruction set's at hand.
#[cfg(feature = "orders")]
pub fn same(kernels: Kernels, other: Kernels, rounds: u32, scratch: &mut [u8], report: &mut dyn FnMut(Case)) -> Summary {
    suite(Suite { kernels, definition: other, exact: true, rng: Rng::new(1), round: 0, summary: Summary::default(), report }, rounds, scratch)
}

fn suite(mut suite: Suite<'_>, rounds: u32, scratch: &mut [u8]) -> Summary {
    for round in 0..rounds {
        suite.round = round;
        suite.rng = Rng::new(u64::from(round));
        for each in [products::run, convolution::run, attention::run, norm::run, des::run, elements::run, resize::run, resample::run] {
            each(&mut suite, scratch);
        }
        #[cfg(feature = "int16x8")]
        s16::run(&mut suite, scratch);
        #[cfg(feature = "fp16")]
        floats::run(&mut suite, scratch);
    }
    suite.summary
}

/// Kernels, their reference, and the report of results.
struct Suite<'r> {
    kernels: Kernels,
    /// Reference that they are compared with.
    definition: Kernels,
    /// Whether floats must be equal, not near.
    exact: bool,
    rng: Rng,
    round: u32,
    summary: Summary,
    report: &'r mut dyn FnMut(Case),
}

/// Name of a case.
#[derive(Clone, Copy)]
struct Label {
    family: Family,
    name: &'static str,
    sizes: [usize; 4],
}

/// A call of a kernel with its output.
type Call<'c, T> = dyn Fn(Kernels, &mut [T]) -> Result<(), ShapeError> + 'c;

/// Whether the element of this number may be the second value where the definition's is the first.
type Same<'c, T> = dyn Fn(usize, T, T) -> bool + 'c;

/// Elements in front of and behind an output.
const GUARD: usize = 5;

impl Suite<'_> {
    /// Calls both kernels on outputs of `len` elements that `fill` has filled alike, and compares
    /// whole buffers.
    fn check<T: Element>(
        &mut self,
        label: Label,
        arena: &mut Arena<'_>,
        len: usize,
        mut fill: impl FnMut(&mut Rng) -> T,
        call: impl Fn(Kernels, &mut [T]) -> Result<(), ShapeError>,
    ) {
        let outcome = self.compare(arena, len, &mut fill, &|_, want, got| want == got, &call);
        self.report(label, outcome);
    }

    /// Calls both kernels on outputs alike, and compares each element by `same`; what lies around
    /// the output stays equal.
    fn compare<T: Element>(
        &mut self,
        arena: &mut Arena<'_>,
        len: usize,
        fill: &mut dyn FnMut(&mut Rng) -> T,
        same: &Same<'_, T>,
        call: &Call<'_, T>,
    ) -> Result<(), Failure> {
        let mut arena = arena.scope();
        let all = len + 2 * GUARD;
        let (want, got) = arena.take::<T>(all).zip(arena.take::<T>(all)).ok_or(Failure::Scratch)?;
        for (want, got) in want.iter_mut().zip(got.iter_mut()) {
            *want = fill(&mut self.rng);
            *got = *want;
        }
        let wanted = call(self.definition, want.get_mut(GUARD..GUARD + len).ok_or(Failure::Scratch)?);
        let given = call(self.kernels, got.get_mut(GUARD..GUARD + len).ok_or(Failure::Scratch)?);
        if wanted != Ok(()) || given != Ok(()) {
            return Err(Failure::Refused(given.err().or(wanted.err())));
        }
        let differs = |(at, (want, got)): (usize, (&T, &T))| match at.checked_sub(GUARD) {
            Some(at) if at < len => want != got && (self.exact || !same(at, *want, *got)),
            _ => want != got,
        };
        match want.iter().zip(&*got).enumerate().position(differs) {
            Some(at) => Err(Failure::Differs(at as isize - GUARD as isize)),
            None => Ok(()),
        }
    }

    fn report(&mut self, label: Label, outcome: Result<(), Failure>) {
        let Label { family, name, sizes } = label;
        self.summary.cases += 1;
        self.summary.failures += u32::from(outcome.is_err());
        (self.report)(Case { family, name, sizes, round: self.round, outcome });
    }
}
