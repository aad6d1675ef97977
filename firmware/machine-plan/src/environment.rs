//! Features and environment variables of the build.

use std::env;

/// Whether the package is built with that feature (upper case, underscores).
pub fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}

/// The value of the environment variable `name`, on which the build then depends.
pub fn variable(name: &str, default: &str) -> String {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
