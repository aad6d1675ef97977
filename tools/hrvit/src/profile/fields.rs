//! `key=value key="two words"`: the rest of a protocol line.

use std::str::FromStr;

use anyhow::{Context, Result, anyhow, ensure};

/// The fields of one line, in order.
pub struct Fields<'l>(Vec<(&'l str, &'l str)>);

impl<'l> Fields<'l> {
    /// Takes a line apart.
    ///
    /// # Errors
    /// If a part is no `key=value` or a quote does not end.
    pub fn parse(line: &'l str) -> Result<Self> {
        let mut fields = Vec::new();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').with_context(|| format!("expected key=value, found {rest:?}"))?;
            ensure!(!key.contains(' '), "expected key=value, found {key:?}");
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').with_context(|| format!("the quote of {key} does not end"))?,
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            fields.push((key, value));
            rest = after.trim_start();
        }
        Ok(Self(fields))
    }

    /// The text of a field.
    ///
    /// # Errors
    /// If it is missing.
    pub fn text(&self, key: &str) -> Result<&'l str> {
        self.0.iter().find(|(found, _)| *found == key).map(|(_, value)| *value).ok_or_else(|| anyhow!("{key}= is missing"))
    }

    /// A field as a number or whatever else can be read from text.
    ///
    /// # Errors
    /// If it is missing or is none.
    pub fn get<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse().with_context(|| format!("{key}={text}"))
    }

    /// A field of eight hexadecimal digits.
    ///
    /// # Errors
    /// If it is missing or is none.
    pub fn crc(&self, key: &str) -> Result<u32> {
        let text = self.text(key)?;
        ensure!(text.len() == 8, "{key}={text}: expected 8 hexadecimal digits");
        u32::from_str_radix(text, 16).with_context(|| format!("{key}={text}"))
    }
}
