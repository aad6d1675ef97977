//! Python's side: [`model`] runs frames, [`command`] runs the `hrvit` command in this process.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "what Python sees is documented in python/hrvit/__init__.pyi")]

mod camera;
mod command;
mod model;

use pyo3::prelude::*;

pyo3::create_exception!(hrvit, Error, pyo3::exceptions::PyException);

/// An error with its causes.
fn raised(error: anyhow::Error) -> PyErr {
    Error::new_err(format!("{error:#}"))
}

#[pymodule]
fn hrvit_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Error", module.py().get_type::<Error>())?;
    module.add_class::<model::Model>()?;
    module.add_class::<camera::Camera>()?;
    module.add_function(wrap_pyfunction!(command::command, module)?)?;
    module.add_function(wrap_pyfunction!(command::quantize, module)?)?;
    module.add_function(wrap_pyfunction!(command::report, module)?)
}
