//! Which kind of work an instruction does, told by the functions and files that it comes from.

/// A function that an instruction is part of: its own, or one that it was expanded into.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Name with its generic arguments.
    pub function: String,
    /// Source file.
    pub file: String,
    /// Line in it.
    pub line: u32,
}

/// Kinds in the order in which they are shown. All else is [`REST`].
pub const KINDS: [&str; 16] = [
    "products: sums",
    "products: requantise, store",
    "depthwise: sums",
    "depthwise: requantise, store",
    SHARED,
    "attention: logits and weighted sums",
    "attention: codes",
    "attention: requantise, store",
    "attention: all else",
    "LayerNorm",
    "diversity-enhancing shortcut",
    "elementwise",
    "sums, residual stream",
    "resizing, label map",
    "copies, clears, patches",
    REST,
];
/// Stores of products and of depthwise convolutions, where both call one function.
pub const SHARED: &str = "both: requantise, store";
/// Walking through rows, reading operators, what else there is.
pub const REST: &str = "walks and all else";

/// Functions that a compiler calls to move memory.
const MEMORY: [&str; 7] = ["memcpy", "memmove", "memset", "memclr", "compiler_builtins::mem", "copy_strided", "copy_runs"];

/// The kind of an instruction whose origins these are, its own function first.
pub fn kind(origins: &[Origin]) -> &'static str {
    let in_function = |names: &[&str]| origins.iter().any(|origin| names.iter().any(|name| origin.function.contains(name)));
    let in_file = |names: &[&str]| origins.iter().any(|origin| names.iter().any(|name| origin.file.contains(name)));
    // A family by its folder, or as the argument of a function that families share.
    let family = |name: &str| in_file(&[&format!("hrvit-kernels/src/{name}")]) || in_function(&[&format!("hrvit_kernels::{name}")]);
    let stores = || in_file(&["/sink", "/rates.rs", "/epilogue", "/requant.rs", "/tile.rs", "/finish"]) || in_function(&["::requant", "saturate"]);
    // Loads and stores of vectors are copies by name.
    let moves = || in_function(&["copy_nonoverlapping"]) && !in_function(&["vld1", "vst1"]);
    let copies = || in_function(&MEMORY) || moves() || in_file(&["hrvit-core/src/runs.rs", "hrvit-kernels/src/runs.rs", "hrvit-core/src/slices.rs"]);
    let of_cortex_m = |files: &[&str]| files.iter().any(|file| in_function(&[&format!("mve::{file}::"), &format!("dsp::{file}::")]));
    if family("attention_") {
        return match () {
            () if in_file(&["exponent"]) || in_function(&["codes", "::code", "exponent"]) => "attention: codes",
            () if stores() => "attention: requantise, store",
            () if in_function(&["logits", "weighted", "values_of", "product", "dots", "sixteen", "thirty_two", "::eight"]) => {
                "attention: logits and weighted sums"
            }
            () => "attention: all else",
        };
    }
    match () {
        () if family("des_") => "diversity-enhancing shortcut",
        () if family("layernorm_") => "LayerNorm",
        () if family("dwconv_") && stores() => "depthwise: requantise, store",
        () if family("dwconv_") => "depthwise: sums",
        () if family("im2row") || copies() => "copies, clears, patches",
        () if family("gemm_") && stores() => "products: requantise, store",
        () if family("gemm_") => "products: sums",
        // Loops of Cortex-M that families call.
        () if of_cortex_m(&["taps", "planar"]) => "depthwise: sums",
        () if of_cortex_m(&["dots", "pairs", "product_f16"]) => "products: sums",
        () if of_cortex_m(&["sink", "tile", "rates"]) || in_function(&["epilogue::Epilogue"]) => SHARED,
        () if of_cortex_m(&["bytes"]) => "copies, clears, patches",
        () if of_cortex_m(&["words", "floats"]) => "elementwise",
        () if family("resize") => "resizing, label map",
        () if in_function(&["add_s16", "add_s32", "relu_s32", "add_sums", "add_stream"]) || in_file(&["activation/sum", "activation/neon_sums"]) => {
            "sums, residual stream"
        }
        () if family("activation") => "elementwise",
        () => REST,
    }
}

/// Whether an instruction belongs to what watches a frame, not to the frame.
pub fn is_observer(origins: &[Origin]) -> bool {
    let outermost = origins.last().map_or("", |origin| origin.function.as_str());
    let watching = |name: &str| ["runner::", "<runner::", "emulated::", "<emulated::", "qemu_"].iter().any(|prefix| name.starts_with(prefix));
    watching(outermost) || origins.iter().any(|origin| origin.function.contains("crc32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(function: &str, file: &str) -> Origin {
        Origin { function: function.to_owned(), file: file.to_owned(), line: 1 }
    }

    #[test]
    fn kinds_go_by_family_and_part() {
        let products = "hrvit_kernels::neon::product::tile::<hrvit_kernels::gemm_s8::neon::Rows>";
        assert_eq!(kind(&[origin(products, "crates/hrvit-kernels/src/neon/product.rs")]), "products: sums");
        let store = origin("<Store8 as Sink>::row", "crates/hrvit-kernels/src/neon/sink.rs");
        assert_eq!(kind(&[store.clone(), origin(products, "crates/hrvit-kernels/src/neon/product.rs")]), "products: requantise, store");
        assert_eq!(kind(&[store, origin("run", "crates/hrvit-kernels/src/dwconv_s8/neon.rs")]), "depthwise: requantise, store");
        assert_eq!(kind(&[origin("hrvit_kernels::mve::taps::blocks", "crates/hrvit-kernels/src/mve/taps.rs")]), "depthwise: sums");
        assert_eq!(kind(&[origin("memcpy", "")]), "copies, clears, patches");
        assert_eq!(kind(&[origin("run", "crates/hrvit-core/src/blocks/fusion.rs")]), REST);
        assert!(KINDS.contains(&kind(&[origin("x", "crates/hrvit-kernels/src/attention_s8/neon.rs")])));
    }

    #[test]
    fn every_file_that_cortex_m_kernels_share_has_a_kind() {
        for set in ["mve", "dsp"] {
            let folder = crate::root().unwrap().join("crates/hrvit-kernels/src").join(set);
            for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("mod.rs")) {
                let name = file.file_stem().unwrap().to_string_lossy();
                let own = origin(&format!("hrvit_kernels::{set}::{name}::f"), &format!("crates/hrvit-kernels/src/{set}/{name}.rs"));
                assert_ne!(kind(&[own]), REST, "{}", file.display());
            }
        }
    }

    #[test]
    fn what_watches_a_frame_is_told_apart() {
        assert!(is_observer(&[origin("core::ops::call", ""), origin("<runner::job::Job<X>>::frame", "")]));
        assert!(!is_observer(&[origin("hrvit_core::blocks::stem::run::<Int8>", "")]));
    }
}
