//! A program's strings as its ELF has them, and what it writes, changed.

use std::sync::LazyLock;

use hrvit_tool::profile::decode::decode;

use crate::Choices;

/// Formats by address: whole messages, then what stands for a `{}` in one.
const FORMATS: [(&str, &str); 14] = [
    // No message has the address 0.
    ("str", ""),
    ("info", "{}"),
    ("error", "{}"),
    ("info", "|{=str}| {=char} {=u8} {=i16} {=u64:08x} {=bool} {=[u8;3]:02x} {=[u8]} {=istr} {=f32}"),
    ("derived", "hrvit run: machine={} unit={} clock_hz={} network={} size={} steps={} frames={} arena={} weights={} probe={}"),
    ("derived", "hrvit step: id={} kind={} name=\"{}\" ticks={} macs={} crc={}"),
    ("derived", "hrvit total: ticks={} macs={} stack={} labels_crc={}"),
    ("derived", "hrvit error: code={} {}"),
    ("prim", "{=str}"),
    ("prim", "{=u32}"),
    ("prim", "{=u64}"),
    ("write", "{=u32:08x}"),
    ("str", "interned"),
    ("derived", "Bus|Range {=u32}|Nested({})"),
];

static ELF: LazyLock<Vec<u8>> = LazyLock::new(elf);

/// The lines of a stream in which up to four bytes are others; none where it is refused.
pub fn decoded(choices: &mut Choices<'_>) -> String {
    let mut stream = written(choices);
    for _ in 0..choices.below(5) {
        let at = choices.below(stream.len());
        match choices.below(4) {
            0 => stream[at] = choices.u8(),
            1 => stream[at] ^= 1 << choices.below(8),
            2 => drop(stream.remove(at)),
            _ => stream.insert(at, choices.u8()),
        }
    }
    let decoded = decode(&ELF, &stream);
    decoded.map_or_else(|error| format!("{error:#}"), |decoded| decoded.lines.join("\n"))
}

/// A run of two steps, and other messages.
fn written(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    let text = |text: &str| [&[8, 0], (text.len() as u32).to_le_bytes().as_slice(), text.as_bytes()].concat();
    let int = |value: u32| [&[9, 0], value.to_le_bytes().as_slice()].concat();
    let long = |value: u64| [&[10, 0], value.to_le_bytes().as_slice()].concat();
    let crc = |value: u32| [&[11, 0], value.to_le_bytes().as_slice()].concat();
    let mut message = |level: u8, format: u8, fields: &[Vec<u8>]| stream.extend(frame(&[&[level, 0, format, 0], fields.concat().as_slice()].concat()));
    let words = [text("m7"), text("cycles"), int(0), text("nano"), text("64x96"), int(2), int(1), int(choices.u32()), text("mapped"), long(9)];
    message(1, 4, &words);
    for id in 0..2 {
        message(1, 5, &[int(id), text("Stem"), text("a name"), long(1000), long(5), crc(choices.u32())]);
    }
    message(1, 6, &[long(2000 + u64::from(choices.u16())), long(10), int(0), crc(7)]);
    if choices.u8() % 4 == 3 {
        message(2, 7, &[int(9), text("stopped")]);
    }
    if choices.u8() % 4 == 3 {
        let any: Vec<u8> = (0..choices.below(200)).map(|_| choices.u8()).collect();
        stream.extend(frame(&any));
    }
    if choices.u8() % 4 == 3 {
        // One message inside another, as deep as the choices say.
        stream.extend(frame(&[1, 0].repeat(choices.pick(&[2, 100, 10_000, 100_000]))));
    }
    stream
}

/// A frame by reverse zero-compressing byte stuffing.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut run, mut zeros) = (Vec::new(), 0u8, 0u8);
    for &byte in bytes {
        if run < 7 {
            if byte == 0 {
                zeros |= 1 << run;
            } else {
                out.push(byte);
            }
            run += 1;
            if run == 7 && zeros != 0 {
                out.push(zeros);
                (run, zeros) = (0, 0);
            }
        } else if byte == 0 {
            out.push((run - 7) | 0x80);
            (run, zeros) = (0, 0);
        } else {
            out.push(byte);
            run += 1;
            if run == 134 {
                out.push(0xff);
                (run, zeros) = (0, 0);
            }
        }
    }
    match run {
        0 => {}
        1..7 => out.push((zeros | 0xff << run) & 0x7f),
        _ => out.push((run - 7) | 0x80),
    }
    out.push(0);
    out
}

/// Name, kind, bytes, linked section, first global symbol, bytes of an entry.
type Section<'a> = (u32, u32, &'a [u8], u32, u32, u64);

/// An ELF file of 64 bits with the formats' symbols in its section `.defmt` and nothing else.
fn elf() -> Vec<u8> {
    const SECTIONS: &str = "\0.defmt\0.symtab\0.strtab\0.shstrtab\0";
    let (mut names, mut symbols) = (vec![0], vec![0; 24]);
    let mut symbol = |name: &str, section: u16, address: u64| {
        symbols.extend((names.len() as u32).to_le_bytes());
        symbols.extend([0x10, 0]);
        symbols.extend(section.to_le_bytes());
        symbols.extend(address.to_le_bytes());
        symbols.extend(1u64.to_le_bytes());
        names.extend(name.bytes().chain([0]));
    };
    symbol("_defmt_version_ = 4", 0xfff1, 0);
    symbol("_defmt_encoding_ = rzcobs", 0xfff1, 0);
    for (address, (tag, format)) in FORMATS.iter().enumerate() {
        let name = format!(r#"{{"package":"p","disambiguator":"{address}","tag":"defmt_{tag}","data":{format:?},"crate_name":"c"}}"#);
        symbol(&name, 1, address as u64);
    }
    let sections: [Section<'_>; 5] = [
        (0, 0, &[], 0, 0, 0),
        (1, 1, &[0; FORMATS.len()], 0, 0, 0),
        (8, 2, &symbols, 3, 1, 24),
        (16, 3, &names, 0, 0, 0),
        (24, 3, SECTIONS.as_bytes(), 0, 0, 0),
    ];
    let mut file = vec![0; 64];
    let mut table = Vec::new();
    for (name, kind, bytes, link, info, entry) in sections {
        table.extend([name.to_le_bytes(), kind.to_le_bytes()].concat());
        table.extend([0, 0, file.len() as u64, bytes.len() as u64].map(u64::to_le_bytes).concat());
        table.extend([link.to_le_bytes(), info.to_le_bytes()].concat());
        table.extend([1u64.to_le_bytes(), entry.to_le_bytes()].concat());
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(8), 0);
    }
    let at = file.len() as u64;
    file.extend(table);
    file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0");
    file[20] = 1;
    file[40..48].copy_from_slice(&at.to_le_bytes());
    for (at, value) in [(52, 64u16), (58, 64), (60, 5), (62, 4)] {
        file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_in_messages_are_refused_without_recursion_into_the_ground() {
        for deep in [2000, 100_000] {
            let nested = frame(&[1, 0].repeat(deep));
            let decoded = decode(&ELF, &[nested.as_slice(), &written(&mut Choices::new(&[]))].concat()).unwrap();
            assert_eq!((decoded.malformed, decoded.lines.len(), decoded.truncated), (1, 4, false));
        }
    }

    #[test]
    fn the_program_is_understood() {
        let lines = decoded(&mut Choices::new(&[]));
        assert_eq!(lines.lines().count(), 4, "{lines}");
        assert!(lines.contains("hrvit total: ticks=2000 macs=10 stack=0 labels_crc=00000007"), "{lines}");
    }
}
