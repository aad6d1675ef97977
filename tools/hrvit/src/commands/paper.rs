//! `hrvit paper`: the paper's tables beside what this project computes.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::output::{self, Format};
use crate::paper::{self, picture, text};

/// Print the paper's tables beside what this project computes
///
/// Tables 2 to 6 of arXiv 2111.01236. Parameters and MACs of every row are computed from its
/// definition: HRViT's with and without its techniques, MiT's, CSWin's and HRNet's. Accuracies are
/// the paper's. More tables have HRViT's arena, bytes in 8 bits and executed MACs in this engine,
/// and the instructions that were counted. docs/paper.md explains every difference.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  hrvit paper
  hrvit paper --table 5 --table 6
  hrvit paper --svg pareto.svg
  hrvit paper --json > paper.json")]
pub struct PaperArgs {
    /// Print this table alone; may be repeated. JSON always has all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=6))]
    table: Vec<u8>,
    /// Draw published accuracy over parameters and MACs, as in figure 5
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the picture or standard output cannot be written.
pub fn run(args: &PaperArgs, format: Format) -> Result<()> {
    args.svg.as_deref().map(output::probe).transpose()?;
    let report = paper::report()?;
    if let Some(path) = &args.svg {
        output::write_file(path, picture::draw()?.as_bytes())?;
    }
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => {
            text::print(&report, &args.table)?;
            args.svg.as_ref().map_or(Ok(()), |path| output::print_text(format_args!("picture: {}", path.display())))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::cli;

    fn document(words: &[&str]) -> anyhow::Result<String> {
        cli::document(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_document_has_every_table_and_the_picture_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("pareto.svg");
        let text = document(&["paper", "--svg", picture.to_str().unwrap()]).unwrap();
        let found: Value = serde_json::from_str(&text).unwrap();
        let rows = |table: usize| found["tables"][table]["rows"].as_array().map_or(0, Vec::len);
        assert_eq!([0, 1, 2, 3].map(rows), [3, 11, 9, 9]);
        assert_eq!(found["variants"].as_array().map(Vec::len), Some(3));
        assert_eq!(found["tables"][1]["rows"][3]["price"]["params"], 8_149_451);
        assert!(std::fs::read_to_string(picture).unwrap().starts_with("<svg"));
    }

    #[test]
    fn tables_of_other_numbers_are_refused() {
        for number in ["1", "7"] {
            assert!(document(&["paper", "--table", number]).is_err(), "{number}");
        }
    }
}
