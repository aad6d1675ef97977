//! The list of checks. Each is one command or one function; a line here is all that a new one
//! needs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::drift::Extent;
use crate::made::Made;
use crate::{api, app, boards, capi, circles, command, cores, count, firmware, frames, fuzz, install, isa, lint, live, package, parity, training};

/// Targets without an operating system that the device crates must build for.
const DEVICE_TARGETS: [&str; 3] = ["thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf", "aarch64-unknown-none"];

/// A target of this processor with 32-bit addresses, like a microcontroller's. It is static: its
/// programs run on a plain 64-bit system.
const NARROW: &str = "i686-unknown-linux-musl";

/// One thing that must hold.
pub struct Check {
    /// Shown in the table.
    pub name: String,
    /// How it is found out.
    pub kind: Kind,
}

/// How a check is made.
pub enum Kind {
    /// A program and its arguments, run in the root; holds if it succeeds.
    Program(Vec<String>),
    /// A function of the root; holds if it finds nothing.
    Rule(fn(&Path) -> Result<Vec<String>>),
    /// A function of the root that needs what a machine may lack; it says what it made, and fails
    /// if something does not hold.
    Optional(fn(&Path) -> Result<Made>),
}

impl Check {
    fn program(name: &str, words: &[&str]) -> Self {
        Self { name: name.to_owned(), kind: Kind::Program(words.iter().map(|&word| word.to_owned()).collect()) }
    }

    /// Makes the check in `root`; `Err` says what does not hold.
    pub fn make(&self, root: &Path) -> Result<Made> {
        match &self.kind {
            Kind::Program(words) => {
                let (program, arguments) = words.split_first().context("a command has a first word")?;
                let output = Command::new(program)
                    .args(arguments)
                    .env(isa::REQUIRE, isa::of_host())
                    .current_dir(root)
                    .output()
                    .with_context(|| format!("starting {program}"))?;
                let text = || [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat();
                ensure!(output.status.success(), "$ {}\n{}", words.join(" "), text().trim_end());
                Ok(Made::All)
            }
            Kind::Rule(rule) => {
                let found = rule(root)?;
                ensure!(found.is_empty(), "{}", found.join("\n"));
                Ok(Made::All)
            }
            Kind::Optional(function) => function(root),
        }
    }
}

/// Checks that find most mistakes in a short time: a part of [`all`], the tests without those of
/// whole networks and processes.
pub fn quick() -> Vec<Check> {
    let mut checks = style();
    checks.push(Check::program("unit tests", &["cargo", "test", "--release", "--workspace", "--lib", "--bins", "--no-fail-fast"]));
    checks.push(Check::program("kernels of this processor", &["cargo", "test", "--release", "--workspace", "--test", "conformance"]));
    checks.extend(documentation());
    checks.extend(source_rules());
    checks
}

/// Everything that must hold before a change is handed in.
pub fn all() -> Vec<Check> {
    let mut checks = style();
    checks.extend([
        Check::program("tests", &["cargo", "test", "--release", "--workspace", "--no-fail-fast"]),
        // Checks that release builds leave out: canaries in the arena, overflow.
        Check::program(
            "engine with canaries and overflow checks",
            &[
                "cargo",
                "test",
                "-p",
                "hrvit-core",
                "-p",
                "hrvit-tests",
                "--lib",
                "--test",
                "arena",
                "--test",
                "tiles",
                "--test",
                "workers",
                "--test",
                "bad_input",
            ],
        ),
        Check { name: "image reader and engine in 32 bits".to_owned(), kind: Kind::Rule(narrow_addresses) },
        Check { name: "device targets installed".to_owned(), kind: Kind::Rule(install_targets) },
    ]);
    // Code is made for these targets where firmware is built.
    for target in DEVICE_TARGETS {
        let words = [
            "cargo",
            "check",
            "--release",
            "--target",
            target,
            "-p",
            "hrvit-kernels",
            "-p",
            "hrvit-format",
            "-p",
            "hrvit-core",
            "-p",
            "hrvit-log",
            "-p",
            "hrvit-camera",
        ];
        checks.push(Check::program(&format!("no_std {target}"), &words));
    }
    // Which decides where a system shows programs no identification register.
    checks.push(Check::program(
        "kernels for cores that execute in order, by feature",
        &["cargo", "check", "--release", "--target", "aarch64-unknown-none", "-p", "hrvit-kernels", "--features", "in-order,fp16,int16x8"],
    ));
    checks.push(Check { name: "kernels of every instruction set".to_owned(), kind: Kind::Optional(isa::run) });
    checks.push(Check { name: "firmware, its self-tests and kernels".to_owned(), kind: Kind::Rule(|root| firmware::run(root, false)) });
    checks.push(Check { name: "boards boot, with and without faults".to_owned(), kind: Kind::Optional(|root| boards::run(root, false)) });
    checks.push(Check { name: "frames over a serial port and behind the image".to_owned(), kind: Kind::Rule(frames::check) });
    checks.push(Check { name: "two cores share the steps".to_owned(), kind: Kind::Rule(cores::check) });
    checks.push(Check { name: "same bytes everywhere, half precision within bounds".to_owned(), kind: Kind::Rule(|root| parity::run(root, Extent::Short)) });
    checks.push(Check { name: "instructions of every step".to_owned(), kind: Kind::Rule(count::check) });
    checks.push(Check { name: "example application".to_owned(), kind: Kind::Rule(app::check) });
    checks.push(Check { name: "live page in a browser".to_owned(), kind: Kind::Optional(live::check) });
    checks.push(Check { name: "cameras of Linux compile".to_owned(), kind: Kind::Optional(live::cameras) });
    checks.push(Check { name: "C, C++, Java and Python, on hosts and without a system".to_owned(), kind: Kind::Optional(capi::check) });
    checks.push(Check { name: "calls of the C interface in any order, under AddressSanitizer".to_owned(), kind: Kind::Rule(fuzz::short) });
    checks.push(Check { name: "fuzz targets compile".to_owned(), kind: Kind::Rule(fuzz::check) });
    checks.push(Check { name: "training recipe".to_owned(), kind: Kind::Optional(training::run) });
    checks.push(Check { name: "rivals on ARM, what is read and printed".to_owned(), kind: Kind::Optional(training::peers) });
    checks.extend(documentation());
    checks.push(Check { name: "archives for crates.io".to_owned(), kind: Kind::Rule(package::check) });
    checks.extend(source_rules());
    checks
}

/// Check by rustfmt and clippy.
fn style() -> Vec<Check> {
    vec![
        Check::program("formatting", &["cargo", "fmt", "--all", "--check"]),
        Check::program("clippy", &["cargo", "clippy", "--release", "--workspace", "--keep-going", "--all-targets", "--", "--deny", "warnings"]),
    ]
}

/// Check by rustdoc, and whether the listings of the public items are up to date.
fn documentation() -> Vec<Check> {
    let deny = "build.rustdocflags=['--deny', 'warnings']";
    vec![
        Check::program("documentation", &["cargo", "doc", "--release", "--workspace", "--no-deps", "--keep-going", "--config", deny]),
        Check { name: "public items as listed".to_owned(), kind: Kind::Rule(api::check) },
        Check { name: "C header as made".to_owned(), kind: Kind::Rule(capi::check_header) },
    ]
}

/// Rules about the sources that no compiler knows.
pub fn source_rules() -> Vec<Check> {
    vec![
        Check { name: "int8 path without floats".to_owned(), kind: Kind::Rule(lint::integer_only) },
        Check { name: "stands alone".to_owned(), kind: Kind::Rule(lint::stands_alone) },
        Check { name: "no circle of files".to_owned(), kind: Kind::Rule(circles::find) },
    ]
}

/// Installs the device targets that are missing.
fn install_targets(root: &Path) -> Result<Vec<String>> {
    install::targets(root, &DEVICE_TARGETS)?;
    Ok(Vec::new())
}

/// Runs the tests of `hrvit-format`, `hrvit-core` and `hrvit-camera` with addresses of 32 bits and
/// overflow checks. Sizes that an image states must not overflow them unseen.
fn narrow_addresses(root: &Path) -> Result<Vec<String>> {
    install::targets(root, &[NARROW])?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["test", "--locked", "--quiet", "--lib", "--tests", "--target", NARROW]);
    for package in ["hrvit-format", "hrvit-core"] {
        let features = ["std", "fp16", "int16x8"].map(|feature| format!("{package}/{feature}")).join(",");
        cargo.args(["--package", package, "--features", &features]);
    }
    cargo.args(["--package", "hrvit-camera"]);
    // Linked without a foreign C compiler; checked, whatever the profile says.
    cargo.arg("--config").arg(format!("target.{NARROW}.linker=\"rust-lld\""));
    cargo.args(["--config", "profile.dev.overflow-checks=true"]);
    if cfg!(not(target_arch = "x86_64")) {
        install::programs(&[("qemu-i386", "qemu-user")])?;
        cargo.arg("--config").arg(format!("target.{NARROW}.runner=\"qemu-i386\""));
    }
    command::succeed(&mut cargo).map(|_| Vec::new())
}
