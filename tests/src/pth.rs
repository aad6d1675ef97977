//! Writes `.pth` files: as `torch.save` does by every protocol and in both forms, and what it never
//! writes.

use hrvit_reference::Checkpoint;

/// Pickle operations that leave a value; joined, those of a whole pickle.
pub type Ops = Vec<u8>;

/// Writes values as protocol 2 to 5 do.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// The protocol.
    pub protocol: u8,
}

impl Writer {
    /// A string.
    pub fn text(self, text: &str) -> Ops {
        match u8::try_from(text.len()) {
            Ok(len) if self.protocol >= 4 => [&[0x8c, len], text.as_bytes(), b"\x94"].concat(),
            _ => [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat(),
        }
    }

    /// An integer.
    pub fn int(self, value: i64) -> Ops {
        match (u8::try_from(value), u16::try_from(value), i32::try_from(value)) {
            (Ok(byte), ..) => vec![b'K', byte],
            (_, Ok(short), _) => [b"M", &short.to_le_bytes()[..]].concat(),
            (.., Ok(int)) => [b"J", &int.to_le_bytes()[..]].concat(),
            _ => [b"\x8a\x08", &value.to_le_bytes()[..]].concat(),
        }
    }

    /// A class or function.
    pub fn class(self, module: &str, name: &str) -> Ops {
        if self.protocol >= 4 { [self.text(module), self.text(name), vec![0x93]].concat() } else { format!("c{module}\n{name}\n").into_bytes() }
    }

    /// A tuple.
    pub fn tuple(self, values: &[Ops]) -> Ops {
        match values {
            [] => b")".to_vec(),
            [_] => [values.concat(), vec![0x85]].concat(),
            [_, _] => [values.concat(), vec![0x86]].concat(),
            [_, _, _] => [values.concat(), vec![0x87]].concat(),
            _ => [b"(", &values.concat()[..], b"t"].concat(),
        }
    }

    /// A tuple of integers.
    pub fn numbers(self, values: &[i64]) -> Ops {
        self.tuple(&values.iter().map(|&value| self.int(value)).collect::<Vec<_>>())
    }

    /// A call.
    pub fn call(self, function: Ops, arguments: Ops) -> Ops {
        [function, arguments, b"R".to_vec()].concat()
    }

    /// A dictionary with these keys and values.
    pub fn dict(self, items: &[(String, Ops)]) -> Ops {
        let items: Vec<_> = items.iter().flat_map(|(name, value)| [self.text(name), value.clone()]).collect();
        [b"}(", &items.concat()[..], b"u"].concat()
    }

    /// A storage of `len` elements.
    pub fn storage(self, class: &str, key: &str, len: i64) -> Ops {
        let id = self.tuple(&[self.text("storage"), self.class("torch", class), self.text(key), self.text("cpu"), self.int(len)]);
        [id, b"Q".to_vec()].concat()
    }

    /// A tensor, with a dictionary of hooks as `torch.save` writes it.
    pub fn tensor(self, storage: Ops, offset: i64, shape: &[i64], strides: &[i64]) -> Ops {
        let hooks = self.call(self.class("collections", "OrderedDict"), b")".to_vec());
        let arguments = self.tuple(&[storage, self.int(offset), self.numbers(shape), self.numbers(strides), vec![0x89], hooks]);
        self.call(self.class("torch._utils", "_rebuild_tensor_v2"), arguments)
    }

    /// A pickle that holds `root`.
    pub fn pickle(self, root: &[u8]) -> Vec<u8> {
        let frame = if self.protocol >= 4 { [&[0x95], &(root.len() as u64 + 1).to_le_bytes()[..]].concat() } else { Vec::new() };
        [&[0x80, self.protocol], &frame[..], root, b"."].concat()
    }
}

/// A checkpoint under construction.
#[derive(Clone, Debug)]
pub struct File {
    /// Writes the pickles.
    pub writer: Writer,
    /// Names and values of the outermost dictionary.
    pub items: Vec<(String, Ops)>,
    /// Keys, values and bytes of an element of the storages.
    pub storages: Vec<(String, Vec<u8>, usize)>,
}

impl File {
    /// A file without tensors.
    pub fn new(protocol: u8) -> Self {
        Self { writer: Writer { protocol }, items: Vec::new(), storages: Vec::new() }
    }

    /// Every tensor of `checkpoint` in a storage of its own.
    pub fn of(checkpoint: &Checkpoint, protocol: u8) -> Self {
        let mut file = Self::new(protocol);
        for (name, tensor) in checkpoint.iter() {
            file.push(name, &tensor.shape, &tensor.data);
        }
        file
    }

    /// A dense tensor in a storage of its own.
    pub fn push(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
        let strides: Vec<i64> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        self.push_view(name, data, 0, &shape, &strides);
    }

    /// A view of a storage of its own.
    pub fn push_view(&mut self, name: &str, data: &[f32], offset: i64, shape: &[i64], strides: &[i64]) {
        let key = self.storage(bytes(data), 4);
        let storage = self.writer.storage("FloatStorage", &key, data.len() as i64);
        self.items.push((name.to_owned(), self.writer.tensor(storage, offset, shape, strides)));
    }

    /// Adds a storage and returns its key.
    pub fn storage(&mut self, bytes: Vec<u8>, size: usize) -> String {
        let key = self.storages.last().map_or(0, |(key, ..)| key.parse::<usize>().unwrap() + 1).to_string();
        self.storages.push((key.clone(), bytes, size));
        key
    }

    /// Removes a tensor and its storage from a file in which every tensor has one of its own.
    pub fn remove(&mut self, name: &str) {
        let index = self.items.iter().position(|item| item.0 == name).unwrap_or_else(|| panic!("{name} is in the file"));
        self.items.remove(index);
        self.storages.remove(index);
    }

    /// The pickle of the dictionary.
    pub fn pickle(&self) -> Vec<u8> {
        self.writer.pickle(&self.writer.dict(&self.items))
    }

    /// As a zip archive.
    pub fn zip(&self) -> Vec<u8> {
        self.zip_of(self.pickle())
    }

    /// As a zip archive, with another pickle.
    pub fn zip_of(&self, pickle: Vec<u8>) -> Vec<u8> {
        let mut entries = vec![Entry::new("a/data.pkl", pickle), Entry::new("a/byteorder", b"little".to_vec())];
        entries.extend(self.storages.iter().map(|(key, bytes, _)| Entry::new(&format!("a/data/{key}"), bytes.clone())));
        zip(&entries)
    }

    /// As one stream.
    pub fn legacy(&self) -> Vec<u8> {
        self.legacy_of(self.pickle())
    }

    /// As one stream, with another pickle.
    pub fn legacy_of(&self, pickle: Vec<u8>) -> Vec<u8> {
        let Writer { protocol } = self.writer;
        let plain = |root: &[u8]| self.writer.pickle(root);
        let about = [self.writer.text("little_endian"), b"\x88s".to_vec()].concat();
        let keys: Vec<u8> = self.storages.iter().flat_map(|(key, ..)| self.writer.text(key)).collect();
        let magic = [b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19".as_slice()].concat();
        let mut file = [plain(&magic), plain(&self.writer.int(1001)), plain(&[b"}".to_vec(), about].concat()), pickle].concat();
        file.extend(Writer { protocol }.pickle(&[b"](", &keys[..], b"e"].concat()));
        for (_, bytes, size) in &self.storages {
            file.extend(((bytes.len() / size) as u64).to_le_bytes());
            file.extend(bytes);
        }
        file
    }
}

/// Elements of a storage, little-endian.
pub fn bytes(data: &[f32]) -> Vec<u8> {
    data.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// An entry of a zip archive and what its directory says of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name, in the directory and the header.
    pub name: String,
    /// Bytes behind its header.
    pub bytes: Vec<u8>,
    /// How these are packed; 0 if they are not.
    pub method: u16,
    /// Flags; the lowest says that it is encrypted.
    pub flags: u16,
    /// Checksum that the directory and the header give.
    pub crc: u32,
    /// The entry whose header the directory gives for this one.
    pub header_of: Option<usize>,
}

impl Entry {
    /// A stored entry with its checksum.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), crc: crc32fast::hash(&bytes), bytes, method: 0, flags: 0, header_of: None }
    }
}

/// A zip archive of 32 bits.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut file, mut directory, mut headers) = (Vec::new(), Vec::new(), Vec::new());
    let extend = |to: &mut Vec<u8>, numbers: &[u16]| numbers.iter().for_each(|number| to.extend(number.to_le_bytes()));
    for entry in entries {
        let body = entry.header_of.map_or(entry, |other| &entries[other]);
        let header = entry.header_of.map_or(file.len(), |other| headers[other]);
        headers.push(header);
        let (name, len) = (entry.name.as_bytes(), body.bytes.len() as u32);
        let sizes = [entry.crc.to_le_bytes(), len.to_le_bytes(), len.to_le_bytes()].concat();
        if entry.header_of.is_none() {
            file.extend(b"PK\x03\x04");
            extend(&mut file, &[20, entry.flags, entry.method, 0, 0x21]);
            file.extend(&sizes);
            extend(&mut file, &[name.len() as u16, 0]);
            file.extend(name);
            file.extend(&entry.bytes);
        }
        directory.extend(b"PK\x01\x02");
        extend(&mut directory, &[20, 20, entry.flags, entry.method, 0, 0x21]);
        directory.extend(&sizes);
        extend(&mut directory, &[name.len() as u16, 0, 0, 0, 0, 0, 0]);
        directory.extend((header as u32).to_le_bytes());
        directory.extend(name);
    }
    let (at, count) = (file.len() as u32, entries.len() as u16);
    file.extend(&directory);
    file.extend(b"PK\x05\x06");
    extend(&mut file, &[0, 0, count, count]);
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(at.to_le_bytes());
    extend(&mut file, &[0]);
    file
}
