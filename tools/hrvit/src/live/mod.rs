//! `hrvit live`: frames as they come, the newest one through the network, and a page that shows it.
//!
//! ```text
//! source ──► latest ──► worker ──► shown ──► server (page, pictures, state)
//!                          ▲                      │ settings
//!                       workshop ◄────────────────┘
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`latest`] | one place for the newest of something: an older one that nobody took is dropped |
//! | [`source`], [`wishes`] | frames of a video, a folder or a camera, at their own pace |
//! | [`workshop`] | engines for model, instruction set and workers as they are wanted, made beside the one that runs |
//! | [`worker`] | one frame after another |
//! | [`meter`] | what frames took |
//! | [`render`], [`server`], [`http`] | pictures and the page, made only when somebody asks |

#[cfg(all(target_os = "linux", feature = "v4l"))]
pub mod device;
pub mod http;
pub mod latest;
pub mod meter;
pub mod render;
pub mod server;
pub mod source;
pub mod wishes;
pub mod worker;
pub mod workshop;
