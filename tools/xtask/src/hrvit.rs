//! The `hrvit` command of this checkout, and what it makes for other tasks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;
use crate::firmware::build::{Plan, Precision, target_folder};

/// The built `hrvit` command.
pub struct Hrvit {
    program: PathBuf,
    root: PathBuf,
}

impl Hrvit {
    /// Builds it.
    ///
    /// # Errors
    /// If it does not build.
    pub fn build(root: &Path) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["build", "--release", "--package", "hrvit-tool", "--message-format=json-render-diagnostics"]);
        let messages = command::succeed(&mut cargo)?;
        let messages = messages.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let program = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next();
        Ok(Self { program: program.context("cargo built no hrvit")?, root: root.to_path_buf() })
    }

    /// The command with arguments, to be run in the repository's root.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// Writes the spec of `variant` without the techniques `names` into `file`.
    fn spec_without(&self, variant: &str, names: &str, file: &Path) -> Result<PathBuf> {
        let spec = command::succeed(&mut self.command(&["inspect", "--variant", variant, "--emit-spec"]))?;
        let fields = names.split(',').map(|field| match field.split_once('=') {
            Some((name, value)) => format!("{name} = {value:?}\n"),
            None => format!("{field} = true\n"),
        });
        std::fs::write(file, format!("{spec}\n[ablation]\n{}", fields.collect::<String>())).with_context(|| format!("writing {}", file.display()))?;
        Ok(file.to_path_buf())
    }

    /// A model image with a golden frame for `plan`, its weights in `layout`. It is made once for
    /// every build of `hrvit` and change of the weights. It is the trained nano network if its
    /// checkpoint fits, else has random weights.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn model(&self, plan: &Plan, layout: &str) -> Result<PathBuf> {
        let (variant, classes) = (plan.variant.as_deref().unwrap_or("nano"), plan.classes.as_deref().unwrap_or("11"));
        let (size, head) = (plan.size.as_deref().unwrap_or("192x256"), plan.head.as_deref().unwrap_or("segformer"));
        let folder = target_folder(&self.root).join("models");
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let precision = match plan.precision {
            Precision::Int8 => String::new(),
            other => format!(".{}", other.name()),
        };
        let without = plan.ablation.as_ref().map(|names| format!("_without_{}", names.replace(['=', ','], "_"))).unwrap_or_default();
        let network_name = format!("{variant}_{head}{classes}_{size}{without}");
        let name = format!("{network_name}{precision}");
        let image = folder.join(format!("{name}.hrvit"));
        if layout != "rows" {
            let packed = folder.join(format!("{name}.{layout}.hrvit"));
            let rows = self.model(plan, "rows")?;
            if !is_newer(&packed, &self.program) || !is_newer(&packed, &rows) {
                command::succeed(&mut self.command(&["pack", "--model", path_text(&rows)?, "--layout", layout, "--out", path_text(&packed)?]))?;
            }
            return Ok(packed);
        }
        let trained = (variant, classes, head) == ("nano", "11", "segformer") && plan.ablation.is_none();
        let weights = if trained { self.root.join("models/nano_camvid11.safetensors") } else { folder.join(format!("{network_name}.safetensors")) };
        if is_newer(&image, &self.program) && is_newer(&image, &weights) {
            return Ok(image);
        }
        eprintln!("making {}", image.display());
        let spec = match &plan.ablation {
            Some(names) => Some(self.spec_without(variant, names, &folder.join(format!("{network_name}.toml")))?),
            None => None,
        };
        let backbone = match &spec {
            Some(spec) => ["--spec", path_text(spec)?],
            None => ["--variant", variant],
        };
        let network = [&backbone[..], &["--head", head, "--classes", classes]].concat();
        let (weights, out) = (path_text(&weights)?, path_text(&image)?);
        if !trained {
            command::succeed(&mut self.command(&[&["synth", "--seed", "1", "--out", weights], &network[..]].concat()))?;
        }
        let options = ["quantize", "--weights", weights, "--size", size, "--calib", "data/calib", "--out", out, "--precision", plan.precision.name()];
        // Frames smaller than the input, and classes that are nearly tied, are good enough for a
        // network that has seen none.
        let random: &[&str] = if trained { &["--operators"] } else { &["--force", "--allow-drift"] };
        let mut quantise = self.command(&[&options[..], &network[..], random].concat());
        if plan.precision == Precision::Mixed {
            quantise.args(["--half", "m4,m5,m6,head"]);
        }
        command::succeed(&mut quantise)?;
        Ok(image)
    }
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    matches!((modified(file), modified(than)), (Ok(file), Ok(than)) if file > than)
}

/// A path as an argument.
///
/// # Errors
/// If it is not UTF-8.
pub fn path_text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
