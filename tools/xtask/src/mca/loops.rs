//! Finds the innermost loops of a disassembled program and what they multiply.

use std::collections::BTreeMap;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instruction {
    address: u64,
    mnemonic: String,
    operands: String,
    /// Target of its branch, inside of the program.
    target: Option<u64>,
}

/// An innermost loop that runs from its first instruction to the branch back: what it branches to
/// on the way lies outside of it.
#[derive(Clone, Debug)]
pub struct Loop {
    /// Path of the function in `hrvit_kernels`, without generic arguments.
    pub function: String,
    /// Address of the first instruction.
    pub address: u64,
    /// Instructions a turn, the branch back included.
    pub instructions: usize,
    /// Multiply-accumulates a turn, by mnemonic.
    pub macs: BTreeMap<String, u64>,
    /// Additions of neighbouring products a turn.
    pub neighbours: u64,
    /// As input of an assembler, branches to a label at the beginning. The end of a low-overhead
    /// loop of Cortex-M (`le`, `letp`) is left out: it takes no time after the first turn.
    pub assembly: String,
}

impl Loop {
    /// Multiply-accumulates a turn.
    pub fn total_macs(&self) -> u64 {
        self.macs.values().sum()
    }

    /// The instructions without their registers: equal for two copies of one loop.
    pub fn shape(&self) -> Vec<&str> {
        self.assembly.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect()
    }
}

/// Loops that multiply, of all functions of `hrvit_kernels` in what
/// `llvm-objdump --disassemble --no-show-raw-insn` printed.
pub fn find(disassembly: &str) -> Vec<Loop> {
    let mut loops = Vec::new();
    let mut function: Option<String> = None;
    let mut body = Vec::new();
    for line in disassembly.lines().chain(["0 <>:"]) {
        if let Some(symbol) = line.strip_suffix(">:").and_then(|line| Some(line.split_once(" <")?.1)) {
            if let Some(path) = &function {
                loops.extend(of_function(path, &body));
            }
            body.clear();
            function = path_of(symbol);
        } else if function.is_some() {
            body.extend(instruction(line));
        }
    }
    loops
}

/// `gemm_s8::mve::rows` for a mangled name from `hrvit_kernels`, of a function or of a method.
fn path_of(symbol: &str) -> Option<String> {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let own = name.strip_prefix('<').unwrap_or(&name).strip_prefix("hrvit_kernels::")?;
    // Types in angle brackets say for which operand, not where.
    let mut path = String::new();
    let mut depth = 0usize;
    for c in own.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => path.push(c),
            _ => {}
        }
    }
    let path = path.replace("::::", "::");
    Some(path.trim_end_matches("::").split(' ').next().unwrap_or_default().to_owned())
}

/// Reads `a88: vldrh.u16 q0, [r9], #16`, words apart by blanks or tabs, with the address of a
/// branch as `0xa88 <function+0x48>`.
fn instruction(line: &str) -> Option<Instruction> {
    let (address, rest) = line.trim_start().split_once(':')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let mut words = rest.trim_start().splitn(2, char::is_whitespace);
    let (mnemonic, operands) = (words.next()?, words.next().unwrap_or_default().trim());
    let operands = operands.split("@ imm").next().unwrap_or_default().trim();
    let target = operands.split_once(" <").and_then(|(before, _)| {
        let word = before.rsplit([' ', '\t']).next()?;
        u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
    });
    (!mnemonic.is_empty()).then(|| Instruction { address, mnemonic: mnemonic.to_owned(), operands: operands.to_owned(), target })
}

fn of_function(path: &str, body: &[Instruction]) -> Vec<Loop> {
    let at = |address: u64| body.binary_search_by_key(&address, |instruction| instruction.address).ok();
    let call = |instruction: &Instruction| matches!(instruction.mnemonic.as_str(), "bl" | "blx");
    // First and last instruction of what branches back.
    let back: Vec<(usize, usize)> = (0..)
        .zip(body)
        .filter(|(_, instruction)| !call(instruction))
        .filter_map(|(last, instruction)| Some((at(instruction.target?)?, last)))
        .filter(|(first, last)| first <= last)
        .collect();
    let mut loops = Vec::new();
    for &(first, last) in &back {
        let Some(turn) = body.get(first..=last) else { continue };
        let inside = |target: Option<u64>| target.and_then(at).is_some_and(|at| (first..=last).contains(&at));
        let straight = turn.iter().rev().skip(1).all(|instruction| !call(instruction) && !inside(instruction.target));
        let mut macs = BTreeMap::new();
        for instruction in turn {
            let count = multiply_accumulates(&instruction.mnemonic, &instruction.operands);
            if count > 0 {
                *macs.entry(instruction.mnemonic.clone()).or_default() += count;
            }
        }
        if straight && !macs.is_empty() {
            let assembly = assembly(turn);
            let neighbours = turn.iter().filter(|instruction| instruction.mnemonic.starts_with("sadalp")).count() as u64;
            loops.push(Loop { function: path.to_owned(), address: turn[0].address, instructions: turn.len(), macs, neighbours, assembly });
        }
    }
    loops
}

fn assembly(turn: &[Instruction]) -> String {
    let mut text = String::from("turn:\n");
    for Instruction { mnemonic, operands, target, .. } in turn {
        match (mnemonic.as_str(), target) {
            ("le" | "letp", _) => {}
            (_, Some(_)) => {
                let before = operands.split_once(" <").map_or("", |(before, _)| before);
                let registers = before.rsplit_once(',').map_or("", |(registers, _)| registers);
                let comma = if registers.is_empty() { "" } else { ", " };
                text.push_str(&format!("{mnemonic} {registers}{comma}turn\n"));
            }
            _ => text.push_str(&format!("{mnemonic} {operands}\n")),
        }
    }
    text
}

/// Products of 8- and 16-bit operands that an instruction makes; those of 32-bit operands rescale
/// sums.
fn multiply_accumulates(mnemonic: &str, operands: &str) -> u64 {
    let (name, kind) = mnemonic.split_once('.').unwrap_or((mnemonic, ""));
    match name {
        "vmlava" | "vmladava" | "vmlav" | "vmladav" => match kind {
            "s8" | "u8" => 16,
            "s16" | "u16" => 8,
            _ => 0,
        },
        "vmullb" | "vmullt" if kind == "s8" => 8,
        "vmla" | "vmul" if matches!(kind, "i8" | "i16" | "i32") => 128 / kind[1..].parse().unwrap_or(128),
        "smlad" | "smladx" | "smuad" => 2,
        "smlabb" | "smlabt" | "smlatb" | "smlatt" => 1,
        "sdot" => 16,
        "smmla" => 32,
        // `smlal.8h v0, v1, v2` or `smlal v0.8h, v1.8b, v2.8b`.
        "smlal" | "smlal2" | "smull" | "smull2" | "mla" | "mul" => {
            match operands.split([',', ' ']).next().and_then(|first| first.split_once('.')).map_or(kind, |(_, lanes)| lanes) {
                "16b" => 16,
                "8h" => 8,
                "4s" => 4,
                _ => 0,
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MVE: &str = "
00000a40 <_RNvNtNtCsg8xS0izxvhg_13hrvit_kernels3mve4dots2s8>:
     a84:      	dlstp.8	lr, lr
     a88:      	vldrb.u8	q0, [r9], #16
     a8c:      	vldrb.u8	q1, [r1], #16
     a90:      	vmlava.s8	r2, q0, q1
     ab0:      	letp	lr, 0xa88 <_RNvNtNtCsg8xS0izxvhg_13hrvit_kernels3mve4dots2s8+0x48> @ imm = #-0x2c
     ab4:      	bx	lr
";

    #[test]
    fn a_low_overhead_loop_is_found_without_its_end() {
        let loops = find(MVE);
        let [found] = loops.as_slice() else { panic!("{loops:?}") };
        assert_eq!((found.function.as_str(), found.address, found.instructions, found.total_macs()), ("mve::dots::s8", 0xa88, 4, 16));
        assert_eq!(found.assembly, "turn:\nvldrb.u8 q0, [r9], #16\nvldrb.u8 q1, [r1], #16\nvmlava.s8 r2, q0, q1\n");
    }

    #[test]
    fn exits_of_a_loop_are_kept_and_inner_branches_disqualify_it() {
        let text = |target: &str| {
            format!(
                "\n0 <_ZN13hrvit_kernels7gemm_s84neon4rows17h0bb0e064b140efdeE>:\n  10:      \tsdot\tv0.4s, v1.16b, v2.4b[0]\n  14:      \tb.eq\t0x{target} <x>\n  \
                 18:      \tsmlal2\tv0.8h, v1.16b, v2.16b\n  1c:      \tcbnz\tx12, 0x10 <x>\n  20:      \tret\n"
            )
        };
        let loops = find(&text("20"));
        assert_eq!(loops[0].function, "gemm_s8::neon::rows");
        assert_eq!(loops[0].macs, BTreeMap::from([("sdot".to_owned(), 16), ("smlal2".to_owned(), 8)]));
        assert!(loops[0].assembly.ends_with("b.eq turn\nsmlal2 v0.8h, v1.16b, v2.16b\ncbnz x12, turn\n"), "{}", loops[0].assembly);
        assert_eq!(find(&text("1c")).len(), 0);
    }

    #[test]
    fn products_of_sums_are_no_multiply_accumulates() {
        assert_eq!(multiply_accumulates("smull", "v0.2d, v1.2s, v2.2s"), 0);
        assert_eq!(multiply_accumulates("vmlava.s32", "r0, q0, q1"), 0);
        assert_eq!(multiply_accumulates("smlal", "v0.4s, v1.4h, v2.h[0]"), 4);
        assert_eq!(multiply_accumulates("smlal", "r0, r1, r2, r3"), 0);
    }

    #[test]
    fn generic_arguments_do_not_belong_to_a_path() {
        assert_eq!(path_of("_RNvNtCs3DwmZSB51v3_10hrvit_core6engine6attend"), None);
        assert_eq!(path_of("_ZN13hrvit_kernels7gemm_s89neon_i8mm10k8_product17h0bb0e064b140efdeE").unwrap(), "gemm_s8::neon_i8mm::k8_product");
    }
}
