//! How much of a check was made.

/// How much of a check was made, and found in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Made {
    /// All of it.
    All,
    /// All but what these lines name, with the reason.
    Part(Vec<String>),
    /// Nothing, for this reason.
    Nothing(String),
}

impl Made {
    /// The word for the table.
    pub fn word(&self) -> String {
        match self {
            Self::All => "ok".to_owned(),
            Self::Part(skipped) => format!("ok, {} SKIPPED", skipped.len()),
            Self::Nothing(_) => "SKIPPED".to_owned(),
        }
    }

    /// Parts that were not made, and why.
    pub fn skipped(&self) -> &[String] {
        match self {
            Self::All => &[],
            Self::Part(skipped) => skipped,
            Self::Nothing(reason) => std::slice::from_ref(reason),
        }
    }
}
