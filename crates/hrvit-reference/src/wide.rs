//! Plain loops with the processor's widest vectors.

/// Makes functions whose loops are compiled for every width of vectors, and run with the widest
/// that the processor has. Products are not contracted: the bits are the same on every processor.
/// In brackets the generic parameters, declared and used. Functions that the body calls are
/// `#[inline(always)]`, or have narrow vectors.
#[doc(hidden)]
#[macro_export]
macro_rules! wide {
    ($($(#[$attribute:meta])* $visible:vis fn $name:ident [$($declared:tt)*] [$($used:tt)*] ($($argument:ident: $type:ty),* $(,)?) -> $result:ty $body:block)*) => {$(
        $(#[$attribute])*
        $visible fn $name<$($declared)*>($($argument: $type),*) -> $result {
            struct Loops<$($declared)*> {
                $($argument: $type),*
            }
            impl<$($declared)*> $crate::pulp::NullaryFnOnce for Loops<$($used)*> {
                type Output = $result;

                #[inline(always)]
                fn call(self) -> $result {
                    let Self { $($argument),* } = self;
                    $body
                }
            }
            $crate::pulp::Arch::new().dispatch(Loops::<$($used)*> { $($argument),* })
        }
    )*};
}
