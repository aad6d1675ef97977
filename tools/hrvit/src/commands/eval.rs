//! `hrvit eval`: how good a network is, and what quantisation costs it.

mod printing;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hrvit_format::{Head, crc32};

use crate::binary;
use crate::blocks::{self, Shard};
use crate::classification;
use crate::dataset::{args::DatasetArgs, checks};
use crate::evaluation::{self, Contestants, Seen};
use crate::float::Float;
use crate::frames::Extent;
use crate::host_engine::{IsaArg, PackedImage};
use crate::inference::args::{HaloArg, SlideArgs};
use crate::inference::{Inference, Through};
use crate::output::{self, Format};
use crate::palette::Classes;
use crate::preprocess_args::PreprocessArgs;
use crate::provenance;
use crate::saturation::{Ends, Saturation};
use crate::segmenter::Segmenter;
use crate::selection::SelectionArgs;
use crate::shards::{self, Part, Subject, Sums, Total};
use crate::spec_file::{NetworkArgs, SizeArg};

/// Measure quality on labelled frames, float against int8: IoU of a segmentor, top-1 and top-5 of a
/// classifier
///
/// The data set is a folder with `images/*` and `labels/*.png`, paired by name, or one of the
/// layouts of --dataset. A classifier takes `labels.csv` with lines "STEM,CLASS" instead of label
/// pictures. The value of a label pixel is its class. In a colour PNG the class of the colour
/// counts. Any value that is no class is ignored. All files are read before the work begins. If
/// some cannot be read, or have labels of another aspect, they are listed and nothing is measured.
///
/// Frames are fitted to the model's input as the image records or --resize says (bilinear,
/// antialiased). Logits are resized back to the labels (bilinear). Pixels that a crop leaves out do
/// not count. With --slide or --halo neither is resized: windows of the model's size are cut from
/// frames. Frames must not be smaller, unless --keep-ratio resizes them first. Intersection over
/// union is that of the whole set. Its mean is over the classes that occur. With --model and
/// --weights the checkpoint should be the image's own: a warning names any other.
///
/// With --shard I/N several machines share the work. Each writes a partial result. --merge joins
/// the parts to exactly the result of one machine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit eval --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val
  hrvit eval --model nano.hrvit --weights models/nano_camvid11.safetensors --data data/val --slide --stride 96x128
  hrvit eval --float-only --weights models/nano_camvid11.safetensors --variant nano --classes 11 --size 192x256 --data data/val
  hrvit eval --model b1.hrvit --dataset cityscapes --split val --data cityscapes
  hrvit eval --model b1-ade.hrvit --dataset ade20k --data ADEChallengeData2016 --shard 1/2 --out part1.json
  hrvit eval --model nano.hrvit --data data/val --through nv12
  hrvit eval --merge part1.json part2.json
  hrvit eval --model b1-classes.hrvit --dataset imagenet --data imagenet --split val")]
pub struct EvalArgs {
    /// Model image; without --weights, the int8 network alone is measured
    #[arg(long, value_name = "M.hrvit")]
    model: Option<PathBuf>,
    /// Checkpoint of the float network (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Leave out tensors of the checkpoint of this name; * stands for any characters. Heads that
    /// serve training alone (auxiliary_head) are left out anyway
    #[arg(long, value_name = "GLOB", requires = "weights")]
    ignore_tensor: Vec<String>,
    /// Folder of the data set
    #[arg(long, value_name = "DIR", required_unless_present = "merge")]
    data: Option<PathBuf>,
    #[command(flatten)]
    dataset: DatasetArgs,
    /// Evaluate one of N parts of the frames, I from 1 to N, and write a partial result
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// File for the partial result; default: standard output
    #[arg(long, value_name = "FILE.json", requires = "shard")]
    out: Option<PathBuf>,
    /// Join partial results, those of all parts of one evaluation
    #[arg(long, value_name = "FILES", num_args = 1.., conflicts_with_all = ["model", "weights", "data", "dataset", "split", "label_map", "ignore", "label_offset", "labels_by", "shard", "float_only", "slide", "stride", "flip", "halo", "resize", "letterbox", "keep_ratio", "through", "isa", "classes_file", "threshold", "variant", "spec", "classes", "size", "head", "mean", "std", "range", "order", "preprocess", "prefix", "ema", "no_ema", "convs_without_relu", "ignore_tensor", "out"])]
    merge: Vec<PathBuf>,
    /// Measure the float network only; network and size come from --model or from the options below
    #[arg(long, requires = "weights")]
    float_only: bool,
    #[command(flatten)]
    preprocess: PreprocessArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    size: SizeArg,
    #[command(flatten)]
    slide: SlideArgs,
    #[command(flatten)]
    halo: HaloArg,
    /// Make frames of a camera of the pictures first, and fit those as devices do it
    /// (docs/camera.md): what a camera costs
    #[arg(long, value_enum, value_name = "FORMAT")]
    through: Option<Through>,
    #[command(flatten)]
    isa: IsaArg,
    /// Names and colours of the classes, a TOML file like data/camvid11.toml
    #[arg(long, value_name = "FILE")]
    classes_file: Option<PathBuf>,
    /// With --float-only, a network of one class: from which probability on a pixel is of the
    /// class, else 0.5
    #[arg(long, value_name = "P")]
    threshold: Option<f32>,
}

/// Runs the command.
///
/// # Errors
/// If files are missing or do not fit each other.
pub fn run(args: &EvalArgs, format: Format) -> Result<()> {
    if !args.merge.is_empty() {
        let (subject, total, ends) = shards::merge(&args.merge)?;
        return conclude(&total, &subject, ends, format);
    }
    let data = args.data.as_deref().context("--data DIR is missing")?;
    ensure!(data.is_dir(), "{}: there is no such folder", data.display());
    args.out.as_deref().map(output::probe).transpose()?;
    let packed = args.model.as_deref().map(|path| PackedImage::read(path, args.isa)).transpose()?;
    let int8 = packed.as_ref().map(PackedImage::load).transpose()?;
    let (network, size) = match &int8 {
        Some(int8) => {
            ensure!(
                !args.network.is_given() && args.size.size.is_none() && !args.preprocess.is_given(),
                "network, size and preprocessing come from --model: leave out --variant, --spec, --classes, --size, --mean, --std, --order and --preprocess"
            );
            (int8.model().meta().network.clone(), int8.size())
        }
        None => {
            ensure!(args.float_only, "--model M.hrvit is missing (or --float-only, to measure the float network alone)");
            (args.network.network()?, args.size.size.context("--size HxW is missing: which input size?")?)
        }
    };
    let preprocess = int8.as_ref().map_or_else(|| args.preprocess.preprocess(), |int8| Ok(int8.model().meta().preprocess))?;
    let inference = Inference { through: args.through, ..args.slide.inference(args.halo.halo, size, &preprocess)? };
    ensure!(inference.through.is_none() || !inference.has_windows(), "--through is for one input a frame: --resize stretch, crop or letterbox");
    inference.check_head(network.head)?;
    let classes = match &int8 {
        Some(int8) => binary::classes_for(int8.model().meta(), args.classes_file.as_deref())?,
        None => binary::classes(network.classes, args.classes_file.as_deref())?,
    };
    ensure!(args.threshold.is_none() || int8.is_none(), "--threshold comes from --model");
    let set = Set::read(args, data, network.head, &classes, &|frame| inference.check(frame, size))?;
    if let (Some(int8), Some(weights), false) = (&int8, &args.weights, args.float_only) {
        provenance::doubt(int8.model().meta().provenance, weights)?.iter().for_each(|doubt| eprintln!("warning: {doubt}"));
    }
    let float = match &args.weights {
        Some(path) => Some(Float::new(
            match &int8 {
                Some(int8) => binary::read_for(path, int8.model().meta(), &args.selection.selection(&args.ignore_tensor))?,
                None => binary::read(path, &network, args.threshold, &args.selection.selection(&args.ignore_tensor), preprocess)?,
            },
            size,
        )),
        None => None,
    };
    let contestants = Contestants {
        float: float.as_ref().map(|one| one as &dyn Segmenter),
        engine: int8.as_ref().filter(|_| !args.float_only).map(|one| one as &dyn Segmenter),
        inference,
    };
    for file in [&args.model, &args.weights].into_iter().flatten().filter(|_| args.shard.is_some()) {
        ensure!(file.is_file(), "--shard takes files, so that parts of other models are told apart: {} is none", file.display());
    }
    let subject = subject(args, contestants, &set, [size.height, size.width], &classes)?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let sums = set.count(contestants, shard)?;
    let engine = int8.as_ref().filter(|_| !args.float_only);
    let ends = engine.map(|engine| Ends::of(engine, &set.frames(), inference, shard)).transpose()?;
    match args.shard {
        Some(shard) => write(&Part::new(shard, subject, sums, ends), args.out.as_deref()),
        None => conclude(&total(sums)?, &subject, ends, format),
    }
}

/// Set to evaluate on.
enum Set {
    Labelled(Vec<crate::dataset::Labelled>),
    Classified(Vec<crate::dataset::Classified>),
}

impl Set {
    /// All files, which were seen to be whole.
    fn read(args: &EvalArgs, data: &Path, head: Head, classes: &Classes, takes: &(dyn Fn(Extent) -> Result<()> + Sync)) -> Result<Self> {
        match head {
            Head::Segformer => {
                let set = args.dataset.labelled(data, classes)?;
                checks::labelled(&set, classes.len(), takes)?;
                Ok(Self::Labelled(set))
            }
            Head::Classifier => {
                let set = args.dataset.classified(data, classes)?;
                let unknown = set.iter().find(|frame| frame.class.is_none());
                ensure!(
                    unknown.is_none(),
                    "the frames of {} have no classes: expected labels.csv with lines \"STEM,CLASS\", or --dataset imagenet",
                    data.display()
                );
                checks::classified(&set)?;
                Ok(Self::Classified(set))
            }
        }
    }

    fn frames(&self) -> Vec<&Path> {
        match self {
            Self::Labelled(set) => set.iter().map(|item| item.frame.as_path()).collect(),
            Self::Classified(set) => set.iter().map(|item| item.frame.as_path()).collect(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Labelled(set) => set.len(),
            Self::Classified(set) => set.len(),
        }
    }

    fn count(&self, contestants: Contestants<'_>, shard: Shard) -> Result<Sums> {
        match self {
            Self::Labelled(set) => evaluation::count(set, contestants, shard, &|_| Ok(())).map(Sums::Segmentor),
            Self::Classified(set) => classification::count(set, contestants, shard).map(Sums::Classifier),
        }
    }

    /// Checksum of the frames' names and of what their labels mean.
    fn crc32(&self) -> u32 {
        let mut text = String::new();
        match self {
            Self::Labelled(set) => set.iter().for_each(|item| text += &format!("{}\n", item.name)),
            Self::Classified(set) => set.iter().for_each(|item| text += &format!("{} {:?}\n", item.name, item.class)),
        }
        if let Self::Labelled(set) = self {
            let mut rules: Vec<_> = set.iter().map(|item| &item.rules).collect();
            rules.dedup();
            text += &format!("{rules:?}");
        }
        crc32(text.as_bytes())
    }
}

fn total(sums: Sums) -> Result<Total> {
    Ok(match sums {
        Sums::Segmentor(sums) => Total::Segmentor(blocks::total(sums).context("no frame to evaluate")?),
        Sums::Classifier(sums) => Total::Classifier(blocks::total(sums).context("no frame to evaluate")?),
    })
}

fn subject(args: &EvalArgs, contestants: Contestants<'_>, set: &Set, size: [u16; 2], classes: &Classes) -> Result<Subject> {
    // Only parts are held against each other.
    let checksum =
        |path: &Option<PathBuf>| path.as_ref().filter(|_| args.shard.is_some()).map(|path| std::fs::read(path).map(|bytes| crc32(&bytes))).transpose();
    Ok(Subject {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        model_crc32: checksum(&args.model)?,
        weights_crc32: checksum(&args.weights)?,
        size,
        inference: contestants.inference,
        classes: classes.iter().map(|class| class.name.clone()).collect(),
        float: contestants.float.is_some(),
        precision: contestants.engine.map(|engine| engine.name().to_owned()),
        frames: set.len(),
        data_crc32: set.crc32(),
        options: format!("{:?} {:?} {:?} {:?}", args.threshold, args.network, args.preprocess, args.selection.selection(&args.ignore_tensor)),
    })
}

/// Writes a partial result.
fn write(part: &Part, out: Option<&Path>) -> Result<()> {
    match out {
        Some(path) => output::write_file(path, &serde_json::to_vec(part)?),
        None => output::print_text(serde_json::to_string(part)?),
    }
}

/// Prints what all frames together say.
fn conclude(total: &Total, subject: &Subject, ends: Option<Ends>, format: Format) -> Result<()> {
    let saturation = ends.as_ref().and_then(Ends::saturation);
    saturation.iter().filter_map(Saturation::warning).for_each(|warning| eprintln!("warning: {warning}"));
    match total {
        Total::Segmentor(counts) => {
            if let Some(offset) = counts.offset() {
                eprintln!("hint: most pixels lie one class off: --label-offset {offset}?");
            }
            let seen = Seen { frames: subject.frames, size: subject.size, inference: subject.inference };
            let result =
                evaluation::Evaluation { saturation, ..evaluation::conclude(counts, seen, subject.float, subject.precision.clone(), &subject.classes) };
            if format == Format::Json { output::print_json(&result) } else { printing::segmentor(&result) }
        }
        Total::Classifier(counts) => {
            let concluded = classification::conclude(counts, subject.size, subject.inference, subject.float, subject.precision.clone());
            let result = classification::Evaluation { saturation, ..concluded };
            if format == Format::Json { output::print_json(&result) } else { printing::classifier(&result) }
        }
    }
}
