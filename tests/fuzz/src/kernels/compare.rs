//! One call on every instruction set.

use std::fmt::Debug;
use std::sync::LazyLock;

use bytemuck::Pod;
use hrvit_kernels::{Epilogue, Isa, Kernels, ShapeError};

use super::operands::{Block, Operands};
use crate::Verdict;

/// Kernels beside the definition.
static FAST: LazyLock<Vec<Kernels>> = LazyLock::new(|| {
    let fast = Isa::available().filter(|isa| *isa != Isa::Scalar);
    fast.map(|isa| Kernels::new(isa).expect("it is available")).collect()
});

impl Operands<'_> {
    /// Calls every instruction set on outputs that start as `start`: results are the same, and so
    /// are the outputs.
    pub(super) fn agree<T: Pod + PartialEq + Debug>(&self, start: &Block<T>, call: impl Fn(Kernels, &mut [T]) -> Result<(), ShapeError>) -> Verdict {
        self.agree_within(start, |_, want, got| want == got, call)
    }

    /// [`Operands::agree`] where `same` says whether the element of this number may be the second
    /// value where the definition's is the first.
    ///
    /// An error leaves the output as it was, and nothing in front of it changes. Of numbers outside
    /// of their ranges, values are not compared.
    pub(super) fn agree_within<T: Pod + PartialEq + Debug>(
        &self,
        start: &Block<T>,
        same: impl Fn(usize, T, T) -> bool,
        call: impl Fn(Kernels, &mut [T]) -> Result<(), ShapeError>,
    ) -> Verdict {
        let run = |kernels: Kernels| {
            let mut out = start.clone();
            let result = call(kernels, out.elements_mut());
            let isa = kernels.isa();
            assert!(bytes(out.before()) == bytes(start.before()), "{isa}: wrote in front of the output");
            assert!(result.is_ok() || bytes(&out) == bytes(start), "{isa}: wrote although {result:?}");
            (result, out)
        };
        let (wanted, want) = run(Kernels::SCALAR);
        for kernels in FAST.iter() {
            let (result, got) = run(*kernels);
            assert_eq!(result, wanted, "{}: another result than scalar's", kernels.isa());
            if self.within() {
                let differs = want.iter().zip(&*got).enumerate().find(|(i, (want, got))| !same(*i, **want, **got));
                assert!(differs.is_none(), "{}: (element, (scalar's, its own)) = {:?}", kernels.isa(), differs);
            }
        }
        match wanted {
            Err(_) => Verdict::Refused,
            Ok(()) if self.within() => Verdict::Accepted,
            Ok(()) => Verdict::Skipped,
        }
    }

    /// [`Operands::agree`] for a product of `len` outputs, stored in one of all ways.
    pub(super) fn agree_stored(&mut self, len: usize, call: impl Fn(Kernels, Epilogue<'_>) -> Result<(), ShapeError>) -> Verdict {
        match self.choices.below(5) {
            0 => {
                let (start, range) = (self.codes(len), self.range());
                self.agree(&start, |kernels, out| call(kernels, Epilogue::Store8 { out, range }))
            }
            1 => {
                let start = self.words(len);
                self.agree(&start, |kernels, out| call(kernels, Epilogue::Store16 { out }))
            }
            2 => {
                let start = self.words(len);
                self.agree(&start, |kernels, out| call(kernels, Epilogue::Add16 { out }))
            }
            3 => {
                let start = self.wide(len, (1 << 30) - 1);
                self.agree(&start, |kernels, out| call(kernels, Epilogue::Add32 { out }))
            }
            _ => {
                let (start, entries) = (self.codes(len), self.entries());
                let (table, zero) = (self.codes(entries), self.zero(entries));
                self.agree(&start, |kernels, out| call(kernels, Epilogue::Table8 { out, table: &table, zero }))
            }
        }
    }
}

/// Bytes of the elements: floats that are no numbers are the same as themselves.
fn bytes<T: Pod>(elements: &[T]) -> &[u8] {
    bytemuck::cast_slice(elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choices;

    /// The verdict of a kernel that adds what `error` says for an instruction set to each element,
    /// or refuses. The first byte makes numbers wild from 12 on.
    fn verdict(first: u8, error: impl Fn(Isa) -> Result<i16, ShapeError>) -> Verdict {
        let data = [first];
        let mut operands = Operands::new(Choices::new(&data));
        let start = operands.words(40);
        operands.agree(&start, |kernels, out| {
            let added = error(kernels.isa())?;
            out.iter_mut().for_each(|x| *x = x.wrapping_add(added));
            Ok(())
        })
    }

    #[test]
    fn says_what_became_of_a_call() {
        assert_eq!(verdict(0, |_| Ok(3)), Verdict::Accepted);
        assert_eq!(verdict(0, |_| Err(ShapeError::Table)), Verdict::Refused);
        assert_eq!(verdict(12, |isa| Ok(isa as i16)), Verdict::Skipped);
    }

    #[test]
    #[cfg_attr(not(target_arch = "x86_64"), ignore = "needs an instruction set beside scalar")]
    fn one_instruction_set_that_differs_is_found() {
        for wrong in Isa::available().filter(|isa| *isa != Isa::Scalar) {
            let found = |error: fn(bool) -> Result<i16, ShapeError>| std::panic::catch_unwind(|| verdict(0, |isa| error(isa == wrong))).is_err();
            assert!(found(|wrong| Ok(wrong.into())), "{wrong}: an element");
            assert!(found(|wrong| if wrong { Err(ShapeError::Output) } else { Ok(0) }), "{wrong}: an error");
        }
    }

    #[test]
    fn a_write_before_an_error_is_found() {
        let found = std::panic::catch_unwind(|| {
            let mut operands = Operands::new(Choices::new(&[]));
            let start = operands.words(9);
            operands.agree(&start, |_, out| {
                out[8] ^= 1;
                Err(ShapeError::Output)
            })
        });
        assert!(found.is_err());
    }
}
