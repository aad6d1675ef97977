//! The lines that firmware logs and hosts read: each is declared once, in [`lines`], with its text
//! as one format string.
//!
//! From that string come `Display`, with feature `defmt` also `defmt::Format`, and the parser
//! `FromStr`: what a device writes is what a host reads.
//!
//! | text | type |
//! |---|---|
//! | `hrvit run: machine= unit= clock_hz= network= size=HxW steps= frames= arena= weights= probe=` | [`Run`] |
//! | `hrvit step: id= kind= name="" ticks= macs= crc=` | [`Step`] |
//! | `hrvit total: ticks= macs= stack= labels_crc=` | [`Total`] |
//! | `hrvit spread: id= mean= deviation= least= most=` | [`Spread`] |
//! | `hrvit latency: cold= mean= deviation= least= most=` | [`Latency`] |
//! | `hrvit want: frame= row= bytes= rows=` | [`Want`] |
//! | `hrvit frame: source= number= size=HxW ticks= labels_crc=` | [`Framed`] |
//! | `hrvit labels: frame= row= column= runs=` | [`Labels`] |
//! | `hrvit drift: logits_ppm= differ= labels=` | [`Drift`] |
//! | `hrvit selftest: PASS steps=` | [`Pass`] |
//! | `hrvit selftest: FAIL id= name="" expected= found=` | [`Fail`] |
//! | `hrvit kernel: machine= isa= family="" file=` | [`Kernel`] |
//! | `hrvit conformance: machine= isa= cases= failures=` | [`Conformance`] |
//! | `hrvit fault: kind= read= of=` | [`Fault`] |
//! | `hrvit faults: PASS cases=` | [`FaultsPassed`] |
//! | `hrvit error: code= text` | [`DeviceError`] |
//! | `hrvit end: code=` | [`End`] |
//! | `slot NAME: image number N` | [`SlotImage`] |
//! | `slot NAME: text` | [`SlotRefused`] |
//!
//! Keys stand in this order. CRCs have eight hexadecimal digits, other numbers are decimal. Texts
//! without quotes have no spaces, quoted ones no quotes. Lines that begin otherwise are text for
//! people.
//!
//! Feature `std` adds `Log`: the lines of one program together, refused where they contradict each
//! other.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

pub mod answer;
mod declare;
pub mod lines;
#[cfg(feature = "std")]
mod log;
#[cfg(feature = "std")]
mod log_error;
mod reader;
mod runs;
mod value;

pub use lines::{
    Conformance, DeviceError, Drift, End, Fail, Fault, FaultsPassed, Framed, Kernel, Labels, Latency, Pass, Run, SlotImage, SlotRefused, Spread, Step, Total,
    Want,
};
#[cfg(feature = "std")]
pub use log::{Log, MadeFault, SelfTest};
#[cfg(feature = "std")]
pub use log_error::LogError;
pub use reader::{LineError, Problem};
pub use runs::Runs;
#[cfg(feature = "std")]
pub use runs::labels;
pub use value::{Crc, LogitsPpm, Size, Unit, Value};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
