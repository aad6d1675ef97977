//! Which of a checkpoint's tensors are the weights, on the command line.

use std::path::Path;

use clap::Args;
use hrvit_reference::{Averaged, Checkpoint, Selection};

/// Options that say which of a checkpoint's tensors are the weights.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which tensors of the checkpoint")]
pub struct SelectionArgs {
    /// Prefix of the network's names in the checkpoint, dictionaries included (state_dict.net.);
    /// otherwise it is found
    #[arg(long, value_name = "P", requires = "weights")]
    prefix: Option<String>,
    /// Take averaged weights, or none; otherwise they are preferred
    #[arg(long, requires = "weights", conflicts_with = "no_ema")]
    ema: bool,
    /// Take the last weights where averaged ones stand beside them
    #[arg(long, requires = "weights")]
    no_ema: bool,
    /// The head's convs have BatchNorm and no ReLU (act_cfg=None, mlp_act=False): fold it in
    #[arg(long, requires = "weights")]
    convs_without_relu: bool,
}

impl SelectionArgs {
    /// Their selection, without the tensors that `ignore` names.
    pub fn selection(&self, ignore: &[String]) -> Selection {
        let averaged = match (self.ema, self.no_ema) {
            (true, _) => Averaged::Required,
            (_, true) => Averaged::Avoided,
            _ => Averaged::Preferred,
        };
        Selection { prefix: self.prefix.clone(), ignore: ignore.to_vec(), averaged, convs_without_relu: self.convs_without_relu }
    }
}

/// Says on standard error what was taken of the checkpoint `path`.
pub fn say(path: &Path, checkpoint: &Checkpoint) {
    eprintln!("{}: {}", path.display(), checkpoint.taken());
}
