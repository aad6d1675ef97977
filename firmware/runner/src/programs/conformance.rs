//! `conformance`: is every kernel of every instruction set of this processor what its definition
//! is?

use hrvit_kernels::{Family, Isa, Kernels, conformance};
use hrvit_log::{Conformance, Kernel};

use crate::code::Code;

pub use hrvit_kernels::conformance::SCRATCH;

/// Rounds of random operands.
const ROUNDS: u32 = 2;

/// Differences that are shown; all are counted.
const SHOWN: u32 = 20;

/// Runs the suite on every instruction set of this processor except the definition itself, and
/// returns the program's exit code. `scratch` has [`SCRATCH`] bytes.
pub fn run(machine: &str, scratch: &mut [u8]) -> i32 {
    compare(machine, scratch).err().map_or(0, |code| code as i32)
}

fn compare(machine: &str, scratch: &mut [u8]) -> Result<(), Code> {
    let mut failures = 0;
    for isa in Isa::available().filter(|isa| *isa != Isa::Scalar) {
        let kernels = Kernels::new(isa).map_err(|error| Code::Setup.because(error))?;
        for family in Family::ALL {
            defmt::info!("{}", Kernel { machine, isa: isa.name(), family: family.name(), file: kernels.chosen(family) });
        }
        let summary = conformance::run(kernels, ROUNDS, scratch, &mut |case| {
            if let Err(failure) = case.outcome {
                failures += 1;
                if failures <= SHOWN {
                    let (family, sizes) = (case.family.name(), case.sizes);
                    defmt::error!("{=str}: {=str} {=str} {} round {=u32}: {}", isa.name(), family, case.name, sizes, case.round, defmt::Debug2Format(&failure));
                }
            }
        });
        defmt::info!("{}", Conformance { machine, isa: isa.name(), cases: summary.cases, failures: summary.failures });
    }
    if failures == 0 { Ok(()) } else { Err(Code::Differs.because("a kernel differs from its definition")) }
}
