//! The `hrvit` command, in this process: options in, the JSON that it prints out.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyTuple};
use pyo3::{IntoPyObjectExt, types::PyString};

use crate::raised;

/// Runs a command with --json; its document as Python has it.
fn run(py: Python<'_>, arguments: Vec<String>) -> PyResult<Py<PyAny>> {
    let text = py.detach(|| hrvit_tool::cli::document(&arguments)).map_err(raised)?;
    py.import("json")?.call_method1("loads", (text,))?.into_py_any(py)
}

/// Keywords as options of the command line: `True` is an option without a value, `False` and `None`
/// are left out, of a list every element is one.
fn options(command: &str, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<String>> {
    let mut words = vec![command.to_owned()];
    for (name, value) in keywords.into_iter().flatten() {
        let name = format!("--{}", name.extract::<String>()?.replace('_', "-"));
        if value.is_none() {
            continue;
        }
        if let Ok(given) = value.cast::<PyBool>() {
            words.extend(given.is_true().then_some(name));
        } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            for element in value.try_iter()? {
                words.extend([name.clone(), text(&element?)?]);
            }
        } else {
            words.extend([name, text(&value)?]);
        }
    }
    Ok(words)
}

/// A path, a number or a text.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.is_instance_of::<PyString>() {
        return value.extract();
    }
    match value.call_method0("__fspath__") {
        Ok(path) => path.extract(),
        Err(_) => value.str()?.extract(),
    }
}

#[pyfunction]
#[pyo3(signature = (**options))]
pub fn quantize(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Py<PyAny>> {
    run(py, self::options("quantize", options)?)
}

#[pyfunction]
#[pyo3(signature = (**options))]
pub fn report(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Py<PyAny>> {
    run(py, self::options("report", options)?)
}

#[pyfunction]
#[pyo3(signature = (*arguments))]
pub fn command(py: Python<'_>, arguments: Vec<String>) -> PyResult<Py<PyAny>> {
    run(py, arguments)
}
