//! The `hrvit` command as a library.
//!
//! | module | what |
//! |---|---|
//! | [`cli`], [`commands`] | the command line: one module per subcommand |
//! | [`spec_file`] | which network: variant or TOML file, head, classes |
//! | [`decoding`], [`frames`], [`fit`], [`frame_checks`], [`calibration`] | decoding, resizing, fitting and judging camera frames |
//! | [`inputs`] | what `run` takes: files, folders, patterns, pipes, raw frames, videos |
//! | [`likeness`], [`hold_out`] | frames that are alike; what an image costs on frames that did not calibrate it, and whether that is too much |
//! | [`mod@quantize`] | from a checkpoint and frames to a model image |
//! | [`labels`], [`palette`] | label maps as PNG, names and colours of classes |
//! | [`segmenter`], [`logits`] | what float reference and int8 engine have in common |
//! | [`float`], [`host_engine`] | the float reference, and the int8 engine with its model images |
//! | [`inference`] | frames of any size through a network of one: resized, in windows, mirrored too |
//! | [`provenance`] | what an image says of how it came to be |
//! | [`drift_bound`] | how far half precision may be from the definition on a healthy target |
//! | [`golden`] | golden frames: made with an image, checked where it runs |
//! | [`dataset`], [`evaluation`] | labelled frames, and segmenters measured on them |
//! | [`accounting`] | parameters, multiply-accumulates and activation bytes per stage |
//! | [`metrics`], [`sqnr`], [`saturation`] | IoU, accuracy, agreement, signal to quantisation noise, values at the end of their range |
//! | [`live`] | frames as they come, on a page of this machine |
//! | [`report`] | the drift report: what a model image costs against float, measured, judged and drawn |
//! | [`overlay`], [`canvas`] | pictures with legends |
//! | [`memory_picture`], [`picture_mark`] | the arena over the steps of a frame; which network a picture is of |
//! | [`paper`] | the paper's tables beside what this project computes; its rivals, priced |
//! | [`target`] | what the firmware of a target can run |
//! | [`timing`] | where the time of a run goes |
//! | [`profile`] | logs of devices, profiles of their steps |
//! | [`sending`] | frames to a device over its serial port, label maps back |
//! | [`output`], [`files`], [`progress`] | tables, JSON, whole-or-nothing files, progress bars |
#![forbid(unsafe_code)]

pub mod accounting;
pub mod binary;
pub mod bits;
pub mod blocks;
pub mod calibration;
pub mod canvas;
pub mod classification;
pub mod cli;
pub mod commands;
pub mod dataset;
pub mod decoding;
pub mod doctor;
pub mod drift_bound;
pub mod evaluation;
pub mod failures;
pub mod files;
pub mod fit;
pub mod float;
pub mod frame_checks;
pub mod frames;
pub mod golden;
pub mod hold_out;
pub mod host_engine;
pub mod inference;
pub mod inputs;
pub mod labels;
pub mod likeness;
pub mod live;
pub mod logits;
pub mod margins;
pub mod memory_picture;
pub mod metrics;
pub mod output;
pub mod overlay;
pub mod palette;
pub mod paper;
pub mod peak;
pub mod picture_mark;
pub mod plots;
pub mod precision;
pub mod preprocess_args;
pub mod profile;
pub mod progress;
pub mod provenance;
pub mod quantize;
pub mod report;
pub mod saturation;
pub mod segmenter;
pub mod selection;
pub mod sending;
pub mod shards;
pub mod spec_file;
pub mod sqnr;
pub mod target;
pub mod timing;
mod traced;
