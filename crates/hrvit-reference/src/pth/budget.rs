//! Bytes that a file's description may take.

/// Rest of a number of bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    whole: u64,
    left: u64,
}

impl Budget {
    pub(super) fn new(whole: u64) -> Self {
        Self { whole, left: whole }
    }

    /// Takes `bytes` before they are allocated; nothing is given back.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| format!("its description takes more than {} bytes, too many for its length and for this network: not a checkpoint", self.whole))?;
        Ok(())
    }
}
