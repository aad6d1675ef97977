//! Many things at once, of which some fail: all failures are told, not the first alone.

use anyhow::{Result, bail};

/// How many failures are spelt out.
const SPELT_OUT: usize = 50;

/// All values, in order.
///
/// # Errors
/// If there is a failure: that one, or a list of all.
pub fn gather<T>(all: impl IntoIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut values, mut failures) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Ok(value) => values.push(value),
            Err(error) => failures.push(error),
        }
    }
    if failures.len() <= 1 {
        return failures.pop().map_or(Ok(values), Err);
    }
    let count = values.len() + failures.len();
    let mut said: Vec<String> = failures.iter().take(SPELT_OUT).map(|error| format!("{error:#}")).collect();
    if failures.len() > SPELT_OUT {
        said.push(format!("and {} more", failures.len() - SPELT_OUT));
    }
    bail!("{} of {count} frames are unusable:\n  {}", failures.len(), said.join("\n  "))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn every_failure_is_told() {
        assert_eq!(gather([Ok(1), Ok(2)]).unwrap(), [1, 2]);
        assert_eq!(gather([Ok(1), Err(anyhow!("one"))]).unwrap_err().to_string(), "one");
        let said = gather((0..99).map(|i| if i == 0 { Ok(i) } else { Err(anyhow!("bad {i}")) })).unwrap_err().to_string();
        assert!(
            said.contains("98 of 99") && said.contains("bad 1\n") && said.contains("bad 50\n") && !said.contains("bad 51") && said.contains("and 48 more"),
            "{said}"
        );
    }
}
