//! `cargo xtask n6-image`: a program of STM32N6570-DK as the boot ROM starts it from the octal
//! flash at power-on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{Endianness, elf};

/// Address to which the boot ROM copies a program, behind the header, and the most bytes that it
/// copies.
const LOADED_AT: u32 = 0x3418_0400;
const MOST: usize = 511 << 10;
const HEADER: usize = 0x400;
/// The part of the header that counts as part of the image, and the one that its extension takes.
const COUNTED: u32 = 0x1c0;
const EXTENSION: u32 = 0x1a0;

/// Write a program of STM32N6570-DK as an unsigned image for its boot ROM (chips without a key): it
/// starts from the octal flash at power-on
#[derive(Args)]
#[command(after_help = "Example:
  cargo xtask n6-image firmware/target/thumbv8m.main-none-eabihf/release/segment --out segment.bin
  probe-rs download --chip STM32N657 --binary-format bin --base-address 0x70000000 segment.bin")]
pub struct ImageArgs {
    /// The program, as cargo links it
    #[arg(value_name = "ELF")]
    elf: PathBuf,
    /// The image
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Reads the program and writes the image.
///
/// # Errors
/// If the program is not one for the boot ROM, or a file cannot be read or written.
pub fn run(args: &ImageArgs) -> Result<()> {
    let bytes = std::fs::read(&args.elf).with_context(|| format!("reading {}", args.elf.display()))?;
    let (program, entry) = program(&bytes).with_context(|| format!("{} as a program for the boot ROM", args.elf.display()))?;
    let image = image(program, entry);
    std::fs::write(&args.out, &image).with_context(|| format!("writing {}", args.out.display()))?;
    println!("{}: {} bytes, entry {entry:#x}", shown(&args.out), image.len());
    Ok(())
}

/// Makes the image of the program `elf` beside it and reads it as a boot ROM would. Any difference
/// from a valid image is an error.
///
/// # Errors
/// As [`run`]; if the image does not start this program.
pub fn check(elf: &Path) -> Result<String> {
    let out = elf.with_extension("n6");
    run(&ImageArgs { elf: elf.to_path_buf(), out: out.clone() })?;
    let image = std::fs::read(&out).with_context(|| format!("reading {}", out.display()))?;
    starts(&image, &std::fs::read(elf)?).with_context(|| format!("{} as the boot ROM reads it", out.display()))
}

/// Whether `image` starts the program `elf`, and how.
fn starts(image: &[u8], elf: &[u8]) -> Result<String> {
    let word = |at: usize| image.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes).context("the image is cut off");
    ensure!(image.starts_with(b"STM2") && word(0x68)? == 0x0002_0300 && word(0x8c)? == 0x10, "no first-stage boot loader of header version 2.3");
    ensure!(word(0x84)? == 0x8000_0000, "flags {:#x}: expected an extension without signature", word(0x84)?);
    ensure!(word(0xa0)? == 0xffff_5453 && 0xa0 + word(0xa4)? == 0x240, "no extension of padding up to 0x240");
    // From the end of the extension on, zeros up to the program counted too.
    ensure!(0x240 + word(0x6c)? as usize == image.len(), "length {:#x} in an image of {:#x} bytes", word(0x6c)?, image.len());
    let sum = image[0x240..].iter().fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()));
    ensure!(word(0x64)? == sum, "checksum {:#x}, {sum:#x} counted", word(0x64)?);
    let (stack, reset, entry) = (word(0x400)?, word(0x404)?, word(0x70)?);
    ensure!((0x3000_0000..=0x3002_0000).contains(&stack) && stack % 8 == 0, "stack pointer {stack:#x}: expected one in DTCM");
    let (start, end) = (LOADED_AT, LOADED_AT + (image.len() - 0x400) as u32);
    ensure!(entry == reset && entry % 2 == 1 && (start..end).contains(&entry), "entry {entry:#x}, reset vector {reset:#x}, loaded from {start:#x} to {end:#x}");
    let file = ElfFile32::<Endianness>::parse(elf).context("not a 32-bit ELF file")?;
    let mut loaded = 0;
    for segment in file.elf_program_headers().iter().filter(|segment| segment.p_type(file.endian()) == elf::PT_LOAD) {
        let data = segment.data(file.endian(), elf).ok().context("a segment lies outside of the file")?;
        let at = 0x400 + segment.p_paddr(file.endian()).wrapping_sub(LOADED_AT) as usize;
        ensure!(data.is_empty() || image.get(at..at + data.len()) == Some(data), "the segment at {:#x} is not in the image", segment.p_paddr(file.endian()));
        loaded += data.len();
    }
    Ok(format!("{loaded} bytes of the program, entry {entry:#x}, stack from {stack:#x} on"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Bytes that an ELF file loads, from the first byte on, gaps filled with zeros; and its entry.
fn program(bytes: &[u8]) -> Result<(Vec<u8>, u32)> {
    let file = ElfFile32::<Endianness>::parse(bytes).context("not a 32-bit ELF file")?;
    let endian = file.endian();
    let mut program = Vec::new();
    for segment in file.elf_program_headers() {
        let data = segment.data(endian, bytes).ok().context("a segment lies outside of the file")?;
        if segment.p_type(endian) != elf::PT_LOAD || data.is_empty() {
            continue;
        }
        let address = segment.p_paddr(endian);
        let start = address.checked_sub(LOADED_AT).with_context(|| format!("it loads {address:#x}; the boot ROM loads from {LOADED_AT:#x} on"))? as usize;
        ensure!(start + data.len() <= MOST, "it loads {} bytes, the boot ROM {MOST}", start + data.len());
        program.resize(program.len().max(start + data.len()), 0);
        program[start..start + data.len()].copy_from_slice(data);
    }
    let entry = file.elf_header().e_entry(endian) | 1;
    let reset = program.get(4..8).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
    ensure!(reset == Some(entry), "it does not begin with a vector table: the word at 4 is {reset:x?}, the entry {entry:#x}");
    Ok((program, entry))
}

/// Header version 2.3 and the program, whose length is a multiple of 64. The layout is that of the
/// image that ST ships in STM32CubeN6
/// (`Projects/STM32N6570-DK/Applications/OpenBootloader/Binaries/NOR_Binary`), made by
/// `STM32_SigningTool_CLI -nk -of 0x80000000 -hv 2.3`; the type is that of `-t fsbl`. The script
/// that Phoenix-RTOS signs its own images with has the same fields at the same places.
fn image(mut program: Vec<u8>, entry: u32) -> Vec<u8> {
    program.resize(program.len().next_multiple_of(64), 0);
    let checksum = program.iter().fold(0_u32, |sum, byte| sum.wrapping_add((*byte).into()));
    let fields: [(usize, u32); 10] = [
        (0x00, u32::from_le_bytes(*b"STM2")),
        (0x64, checksum),
        (0x68, 0x0002_0300),
        (0x6c, program.len() as u32 + COUNTED),
        (0x70, entry),
        // Destination: derived from the entry.
        (0x78, u32::MAX),
        // An extension follows, no signature.
        (0x84, 1 << 31),
        (0x88, EXTENSION),
        // First-stage boot loader.
        (0x8c, 0x10),
        // The extension is padding.
        (0xa0, u32::from_le_bytes(*b"ST\xff\xff")),
    ];
    let mut image = vec![0; HEADER];
    for (at, value) in fields.into_iter().chain([(0xa4, EXTENSION)]) {
        image[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    image.extend(program);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(image: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn the_checksum_is_of_the_program_alone_and_its_padding() {
        let image = image(vec![0xff; 100], 0x3418_0751);
        assert_eq!((image.len(), word(&image, 0x64), word(&image, 0x6c)), (0x400 + 128, 25_500, 128 + 0x1c0));
    }

    #[test]
    fn entry_and_marks_stand_where_the_boot_rom_reads_them() {
        let image = image(vec![1; 64], 0x3418_0751);
        assert_eq!((&image[..4], word(&image, 0x68), word(&image, 0x70), word(&image, 0x78)), (&b"STM2"[..], 0x0002_0300, 0x3418_0751, u32::MAX));
        assert!(image[4..0x64].iter().all(|byte| *byte == 0), "unsigned");
    }

    #[test]
    fn an_image_with_another_length_entry_or_checksum_does_not_start() {
        let mut program = vec![0; 128];
        program[..4].copy_from_slice(&0x3002_0000_u32.to_le_bytes());
        program[4..8].copy_from_slice(&0x3418_0441_u32.to_le_bytes());
        let good = image(program, 0x3418_0441);
        let refusal = |edit: fn(&mut Vec<u8>)| {
            let mut image = good.clone();
            edit(&mut image);
            format!("{:#}", starts(&image, b"no ELF").unwrap_err())
        };
        assert!(refusal(|_| ()).contains("ELF"), "all but the program");
        assert!(refusal(|image| image.push(0)).contains("length"));
        assert!(refusal(|image| image[0x450] = 1).contains("checksum"));
        assert!(refusal(|image| image[0x70] ^= 0x10).contains("entry"));
        assert!(refusal(|image| image[0x84] = 1).contains("signature"));
        assert!(refusal(|image| image[0x68] = 1).contains("version"));
    }

    #[test]
    fn what_is_no_elf_is_refused() {
        assert!(program(b"hello").unwrap_err().to_string().contains("ELF"));
    }
}
