//! Techniques that the planned network goes without.

use hrvit_format::{Ablation, Between};

/// From the text of `HRVIT_ABLATION`: fields of [`Ablation`] as the table of a spec file names
/// them, with commas between them; empty for the whole network.
pub fn parse(text: &str) -> Result<Ablation, String> {
    let mut ablation = Ablation::NONE;
    for field in text.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        match field {
            "own_keys" => ablation.own_keys = true,
            "dense_embedding" => ablation.dense_embedding = true,
            "no_parallel_path" => ablation.no_parallel_path = true,
            "no_extra_norm" => ablation.no_extra_norm = true,
            "sparse_fusion" => ablation.sparse_fusion = true,
            "no_des" => ablation.no_des = true,
            "between=3x3" => ablation.between = Between::Scale3,
            "between=5x5" => ablation.between = Between::Scale5,
            "between=nothing" => ablation.between = Between::Nothing,
            _ => {
                return Err(format!(
                    "HRVIT_ABLATION={text}: {field:?} is none of own_keys, dense_embedding, between=3x3, between=5x5, between=nothing, no_parallel_path, \
                     no_extra_norm, sparse_fusion, no_des"
                ));
            }
        }
    }
    Ok(ablation)
}

/// The same, where the program has code for such networks or the text is empty.
pub fn parse_for(text: &str, has_code: bool) -> Result<Ablation, String> {
    let ablation = parse(text)?;
    match ablation.is_none() || has_code {
        true => Ok(ablation),
        false => Err(format!("HRVIT_ABLATION={text}: the program has no code for such networks, build it with --features ablations")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_name() {
        assert_eq!(parse("").unwrap(), Ablation::NONE);
        let [no_des, no_path, sparse, three, five, nothing, no_norm, own_keys, dense, all] = Ablation::EACH_AND_ALL;
        for (text, ablation) in [
            ("no_des", no_des),
            ("no_parallel_path", no_path),
            ("sparse_fusion", sparse),
            ("between=3x3", three),
            ("between=5x5", five),
            ("between=nothing", nothing),
            ("no_extra_norm", no_norm),
            ("own_keys", own_keys),
            ("dense_embedding", dense),
            ("own_keys, dense_embedding,between=nothing,no_parallel_path,no_extra_norm,sparse_fusion,no_des", all),
        ] {
            assert_eq!(parse(text), Ok(ablation), "{text}");
        }
    }

    #[test]
    fn other_names_and_programs_without_code_are_refused() {
        assert!(parse("no_des,no_such").unwrap_err().contains("\"no_such\" is none of own_keys"));
        assert!(parse_for("no_des", false).unwrap_err().contains("--features ablations"));
        assert!(parse_for("", false).unwrap().is_none() && parse_for("no_des", true).unwrap().no_des);
    }
}
