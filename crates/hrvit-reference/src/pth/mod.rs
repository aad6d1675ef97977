//! `.pth` files: what `torch.save` writes, as a zip archive (PyTorch 1.6 and later) or as one
//! stream (before).
//!
//! Nothing in a file is run. The pickle's operations build plain values. A call is interpreted if
//! its function rebuilds a tensor, a parameter or an `OrderedDict`. Every other object is a name
//! that holds nothing. Objects, nesting and bytes have a budget. Tensors stay in the file until
//! asked for.
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | reading parts of a file, bounded by its length |
//! | [`budget`] | bytes that a file's description may take |
//! | [`archive`] | the pickle and the storages of a zip archive, and their checksums |
//! | [`zip`] | the directory of a zip archive, whose entries share no byte |
//! | [`legacy`] | files of one stream: five pickles, then the storages |
//! | [`input`] | a pickle's bytes and its strings |
//! | [`value`] | values of a pickle, and the classes that are known |
//! | [`machine`] | the operations of pickle protocols 2 to 5 |
//! | [`view`] | tensors as strided views of storages, and reading their values |
//! | [`meta`] | names of classes beside the weights |
//! | [`walk`] | tensors of nested dictionaries under dotted names |

mod archive;
mod budget;
mod input;
mod legacy;
mod machine;
mod meta;
mod source;
mod value;
mod view;
mod walk;
mod zip;

pub(crate) use budget::Budget;
pub(crate) use source::Source;
pub(crate) use view::{MAX_AXES, View};

use archive::Archive;
use legacy::Legacy;
use value::{Heap, Value};

use crate::listed::ClassNames;

/// Bytes that a file's description may take in any case.
const LEAST: u64 = 1 << 20;
/// Remedy for a file that cannot be read.
const REMEDY: &str = "load the file in PyTorch and save its state_dict() again with torch.save";

/// The most characters of a file's own text that an error shows.
const MAX_SHOWN: usize = 120;

/// Text of a file for an error: one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push_str("..");
    }
    shown
}

/// How a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A zip archive.
    Zip,
    /// One stream.
    Legacy,
}

impl Form {
    /// The form of a file that starts with `head`, if it is a `.pth` file.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"PK") { Some(Self::Zip) } else { legacy::is_magic(head).then_some(Self::Legacy) }
    }
}

/// Contents of a file.
pub(crate) struct Found {
    pub(crate) tensors: walk::Views,
    /// Names of classes beside them.
    pub(crate) class_names: Option<ClassNames>,
}

/// An open file.
pub(crate) struct Pth<'a> {
    source: Source<'a>,
    storages: Storages,
}

enum Storages {
    Zip(Archive),
    Legacy(Legacy),
}

/// Bytes that the description of `source` may take: `allowance` bytes and one MiB more than the
/// file has.
pub(crate) fn budget(source: &Source<'_>, allowance: u64) -> Budget {
    Budget::new(source.len().saturating_add(allowance).saturating_add(LEAST))
}

/// Opens a file of `form` and lists the tensors of its dictionaries.
///
/// The file's description takes at most what [`budget`] says.
pub(crate) fn open<'a>(mut source: Source<'a>, form: Form, allowance: u64) -> Result<(Pth<'a>, Found), String> {
    let mut budget = budget(&source, allowance);
    let (storages, heap, root, hint) = match form {
        Form::Zip => {
            let mut archive = Archive::open(&mut source, &mut budget)?;
            let (heap, root) = archive.pickle(&mut source, &mut budget)?;
            let hint = archive.is_torchscript().then_some("this is a TorchScript archive; load it in Python and save model.state_dict() with torch.save");
            (Storages::Zip(archive), heap, root, hint)
        }
        Form::Legacy => {
            let (legacy, heap, root) = Legacy::open(&mut source, &mut budget)?;
            (Storages::Legacy(legacy), heap, root, None)
        }
    };
    let tensors = walk::tensors(&heap, root, &mut budget)?;
    if tensors.is_empty() || hint.is_some() {
        let hint = hint.map_or_else(|| no_tensors(&heap, root), str::to_owned);
        return Err(format!("the pickle holds no tensors by name: {hint}"));
    }
    let class_names = meta::class_names(&heap, root, &mut budget);
    Ok((Pth { source, storages }, Found { tensors, class_names }))
}

/// Keys under which an object may be the module itself.
const MODULES: [&str; 6] = ["model", "state_dict", "model_ema", "ema", "module", "net"];

/// Guess at a pickle without tensors: an object, itself or where a dictionary of weights is
/// expected.
fn no_tensors(heap: &Heap, root: Value) -> String {
    let (what, class) = match root {
        Value::Foreign(class) => ("it".to_owned(), Some(class)),
        Value::Dict(id) => {
            let objects = heap.dict(id).iter().map(|&(key, value)| (heap.text(key), value)).filter(|(key, _)| MODULES.contains(key));
            let mut objects = objects.filter_map(|(key, value)| if let Value::Foreign(class) = value { Some((key, class)) } else { None });
            objects.next().map_or_else(|| (String::new(), None), |(key, class)| (key.to_owned(), Some(class)))
        }
        _ => (String::new(), None),
    };
    let Some(class) = class else { return "save model.state_dict() with torch.save".to_owned() };
    let class = shown(heap.text(class));
    format!("{what} is an object of {class}; load it in Python where that class is, and save model.state_dict() with torch.save")
}

impl Pth<'_> {
    /// The values of `view`, read from the file.
    pub(crate) fn load(&mut self, view: &View) -> Result<Vec<f32>, String> {
        let (start, bytes) = match &mut self.storages {
            Storages::Zip(archive) => archive.storage(&mut self.source, &view.key)?,
            Storages::Legacy(legacy) => legacy.storage(&view.key)?,
        };
        view.read(&mut self.source, start, bytes)
    }
}
