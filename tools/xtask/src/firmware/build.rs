//! Building `firmware/`: a workspace of its own, with options that the analyses need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::command;

/// Linker and compiler options beyond the firmware's own. References stay in the ELF, so that it
/// shows who uses what; symbols name their generic arguments.
const RUSTFLAGS: [&str; 2] = ["link-arg=--emit-relocs", "symbol-mangling-version=v0"];

/// The 64-bit machine turns its MMU on before it runs the engine. Memory is normal then, as for
/// programs of Linux: unaligned access is allowed.
const UNALIGNED: &str = "target-feature=-strict-align";

/// The program that compares kernels with their definition, and the feature that gives it both.
pub const CONFORMANCE: &str = "conformance";

/// The program that puts faults into the flash that weights are streamed from.
pub const FAULTS: &str = "faults";

/// Held while a program is built and copied: packages of one compiler target link to the same file.
static LINKED: Mutex<()> = Mutex::new(());

/// How weights are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// In the memory that the machine maps.
    #[default]
    Mapped,
    /// Through a serial flash: feature `streamed`.
    Streamed,
    /// In this model image, which becomes part of the firmware: feature `embedded-model`.
    Embedded(PathBuf),
}

/// Precision that the steps of a network compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 8 bits
    #[default]
    Int8,
    /// 16-bit activations, 8-bit weights: feature `int16x8`
    Int16x8,
    /// Half precision: feature `fp16`
    Fp16,
    /// 8 bits in modules 1 to 3, half precision from there on: feature `fp16`
    Mixed,
}

impl Precision {
    /// The name on command lines and in names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16x8 => "int16x8",
            Self::Fp16 => "fp16",
            Self::Mixed => "mixed",
        }
    }

    /// The feature of a program that runs it.
    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Int8 => None,
            Self::Int16x8 => Some("int16x8"),
            Self::Fp16 | Self::Mixed => Some("fp16"),
        }
    }
}

/// Networks that the firmware's build scripts plan for, as environment variables; the nano network
/// for 192x256 where nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// `HRVIT_VARIANT`.
    pub variant: Option<String>,
    /// `HRVIT_CLASSES`.
    pub classes: Option<String>,
    /// `HRVIT_SIZE`, height x width.
    pub size: Option<String>,
    /// `HRVIT_HEAD`.
    pub head: Option<String>,
    /// `HRVIT_ABLATION`, and feature `ablations`.
    pub ablation: Option<String>,
    /// Features `fp16` and `int16x8`.
    pub precision: Precision,
    /// `HRVIT_PRECISION`: with one of these features the image whose parts there must be room for;
    /// without one there is room for all.
    pub room_for: Option<PathBuf>,
    /// Features `streamed` and `embedded-model`, and `HRVIT_MODEL`.
    pub weights: Weights,
    /// `HRVIT_FRAMES`.
    pub frames: Option<u32>,
    /// Further features.
    pub features: &'static [&'static str],
}

/// The network and size of a [`Plan`], as options of a command.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Network [default: nano]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Its head, segformer or classifier [default: segformer]
    #[arg(long, value_name = "HEAD")]
    head: Option<String>,
    /// Its classes [default: 11]
    #[arg(long, value_name = "N")]
    classes: Option<String>,
    /// Height and width of a frame [default: 192x256]
    #[arg(long, value_name = "HxW")]
    size: Option<String>,
    /// Techniques that it goes without, as a spec file names them: no_des,between=3x3
    #[arg(long, value_name = "NAMES")]
    ablation: Option<String>,
    /// Precision that it computes with. Half precision and 16-bit activations take about twice the
    /// arena, half precision also twice the image. A build that exceeds the machine's memory says
    /// so: a smaller --size helps
    #[arg(long, value_enum, value_name = "PRECISION", default_value_t)]
    precision: Precision,
}

impl PlanArgs {
    /// The plan that they ask for, its weights mapped.
    pub fn plan(&self) -> Plan {
        let Self { variant, head, classes, size, ablation, precision } = self.clone();
        Plan { variant, classes, size, head, ablation, precision, ..Plan::default() }
    }

    /// Whether none was given.
    pub fn is_default(&self) -> bool {
        self.precision == Precision::default() && [&self.variant, &self.head, &self.classes, &self.size, &self.ablation].into_iter().all(Option::is_none)
    }
}

/// A program of a package.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name: `segment`, `selftest`, `profile`.
    pub name: String,
    /// The linked program.
    pub elf: PathBuf,
}

/// Folder of the repository's build outputs.
pub fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// Builds all programs of `package` that need no feature but those of `plan`, or the one named
/// `only`, and returns them in alphabetical order. The next build of a package's program, with
/// whatever features, replaces it.
///
/// # Errors
/// If the build fails, a program cannot be copied to the package's own folder, or there is no such
/// program.
pub fn build(root: &Path, package: &str, target: &str, plan: &Plan, only: Option<&str>) -> Result<Vec<Program>> {
    // Kernels are compared as they are compiled without a flag.
    let unaligned = ["qemu-a64", "raspi3"].contains(&package) && only != Some(CONFORMANCE);
    let mut cargo = cargo(root, "build", package, target, plan, unaligned);
    cargo.arg("--message-format=json-render-diagnostics");
    if let Some(name) = only {
        cargo.args(["--bin", name]);
    }
    if only == Some(CONFORMANCE) {
        cargo.args(["--features", CONFORMANCE]);
    }
    match &plan.weights {
        Weights::Mapped => {}
        Weights::Streamed => _ = cargo.args(["--features", "streamed"]),
        Weights::Embedded(image) => _ = cargo.args(["--features", "embedded-model"]).env("HRVIT_MODEL", image),
    }
    let folder = target_folder(root).join("firmware/programs").join(package);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let linked = LINKED.lock().map_err(|_| anyhow!("a thread that built a program panicked"))?;
    let messages = command::succeed(&mut cargo)?;
    let mut programs = Vec::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let (Some(elf), Some(name)) = (message["executable"].as_str(), message["target"]["name"].as_str()) {
            let own = folder.join(name);
            // Replaced as a whole: an emulator or a decoder may be reading the former one.
            let copy = folder.join(format!("{name}.new"));
            std::fs::copy(elf, &copy).and_then(|_| std::fs::rename(&copy, &own)).with_context(|| format!("copying {elf} to {}", own.display()))?;
            programs.push(Program { name: name.to_owned(), elf: own });
        }
    }
    drop(linked);
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!programs.is_empty(), "$ {}\nbuilt no program", command::line(&cargo));
    Ok(programs)
}

/// Checks all programs of `package` without generating code, also in half precision, with 16-bit
/// activations and for a network without a technique, then for frames that fit everywhere.
///
/// # Errors
/// If they do not compile.
pub fn check(root: &Path, package: &str, target: &str) -> Result<()> {
    let wide = |precision| Plan { size: Some("64x64".to_owned()), precision, ..Plan::default() };
    let without = Plan { ablation: Some("own_keys".to_owned()), ..wide(Precision::Int8) };
    for plan in [Plan::default(), wide(Precision::Fp16), wide(Precision::Int16x8), without] {
        command::succeed(&mut cargo(root, "check", package, target, &plan, false))?;
    }
    Ok(())
}

fn cargo(root: &Path, task: &str, package: &str, target: &str, plan: &Plan, unaligned: bool) -> Command {
    let mut cargo = Command::new("cargo");
    // Every machine has its own `.cargo/config.toml`.
    cargo.current_dir(root.join("firmware").join(package)).env("CARGO_TARGET_DIR", target_folder(root).join("firmware"));
    cargo.args([task, "--release", "--locked", "--package", package, "--target", target]);
    let flags: Vec<&str> = RUSTFLAGS.into_iter().chain(unaligned.then_some(UNALIGNED)).flat_map(|flag| ["-C", flag]).collect();
    cargo.arg("--config").arg(format!("target.{target}.rustflags={flags:?}"));
    if let Some(feature) = plan.precision.feature() {
        cargo.args(["--features", feature]);
    }
    if plan.ablation.is_some() {
        cargo.args(["--features", "ablations"]);
    }
    if !plan.features.is_empty() {
        cargo.args(["--features", &plan.features.join(",")]);
    }
    match plan.frames {
        Some(frames) => cargo.env("HRVIT_FRAMES", frames.to_string()),
        None => cargo.env_remove("HRVIT_FRAMES"),
    };
    cargo.env_remove("HRVIT_MODEL").env_remove("HRVIT_PRECISION");
    if let Some(image) = &plan.room_for {
        cargo.env("HRVIT_PRECISION", image);
    }
    let variables = [("VARIANT", &plan.variant), ("CLASSES", &plan.classes), ("SIZE", &plan.size), ("HEAD", &plan.head), ("ABLATION", &plan.ablation)];
    for (name, value) in variables {
        let name = format!("HRVIT_{name}");
        match value {
            Some(value) => cargo.env(name, value),
            None => cargo.env_remove(name),
        };
    }
    cargo
}
