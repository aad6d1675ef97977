//! The paper's tables (arXiv 2111.01236) beside what this project computes.
//!
//! | module | what |
//! |---|---|
//! | [`published`] | the figures as printed, as data |
//! | [`pricing`] | a list of operators with shapes: parameters, MACs, largest activation |
//! | [`hrvit`] | HRViT as such a list, with and without its techniques |
//! | [`mit`], [`cswin`], [`hrnet`], [`heads`] | its rivals, and all heads |
//! | [`rows`] | tables 3 to 6: each row printed beside its price |
//! | [`engine`], [`counted`] | costs of HRViT in this project's engine; counted instructions |
//! | [`text`], [`picture`] | the tables for people, the Pareto picture |

pub mod counted;
pub mod cswin;
pub mod engine;
pub mod heads;
pub mod hrnet;
pub mod hrvit;
pub mod mit;
pub mod picture;
pub mod pricing;
pub mod published;
pub mod rows;
pub mod text;

use anyhow::Result;
use hrvit_format::{Head, Spec};
use serde::Serialize;

/// A variant of table 2 beside the built-in backbone of that name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variant {
    /// Name in the paper.
    pub name: &'static str,
    /// As printed.
    pub published: [published::Branch; 4],
    /// As built in.
    pub built_in: [published::Branch; 4],
    /// Blocks of every branch over all modules, as built in.
    pub blocks: [u16; 4],
    /// Whether everything printed is built in, section 2.4's numbers of blocks included.
    pub agrees: bool,
}

/// Everything that `hrvit paper` says; its JSON document.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Table 2.
    pub variants: Vec<Variant>,
    /// Tables 3 to 6.
    pub tables: Vec<rows::Table>,
    /// The paper's variants in this engine.
    pub engine: Vec<engine::EngineCost>,
    /// Counted instructions.
    pub instructions: Vec<counted::Instructions>,
}

/// Computes everything.
///
/// # Errors
/// If a definition and the published rows do not belong together, or a plan does not exist.
pub fn report() -> Result<Report> {
    Ok(Report { variants: variants()?, tables: rows::tables()?, engine: engine::costs()?, instructions: counted::counted()? })
}

fn variants() -> Result<Vec<Variant>> {
    published::TABLE2.into_iter().map(|(name, published)| variant(name, published)).collect()
}

fn variant(name: &'static str, published: [published::Branch; 4]) -> Result<Variant> {
    let spec = engine::network(rows::built_in(name), Head::Segformer, 19)?.spec;
    let built_in = [0, 1, 2, 3].map(|branch| branch_of(&spec, branch));
    let blocks = [0, 1, 2, 3].map(|branch| (0..spec.modules()).map(|module| spec.block_count(module, branch) as u16).sum());
    let within = published::BLOCKS.iter().zip(&blocks[2..]).all(|(&(fewest, most), &count)| (u16::from(fewest)..=u16::from(most)).contains(&count));
    Ok(Variant { name, published, built_in, blocks, agrees: published == built_in && within })
}

fn branch_of(spec: &Spec, branch: usize) -> published::Branch {
    published::Branch { window: spec.windows[branch], ratio: spec.ratios[branch], channels: spec.channels(branch), head_dim: spec.attention_dim(branch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_variants_are_those_of_table_2() {
        for variant in variants().unwrap() {
            assert!(variant.agrees, "{variant:?}");
        }
    }
}
