//! Texts in the caller's memory: as much of a text as there is room for, and a NUL.

use core::ffi::c_char;
use core::fmt;

/// Writes a text into `room`, which is whole characters and a NUL at any time.
pub(crate) struct Text<'t> {
    room: &'t mut [c_char],
    len: usize,
    /// Bytes that the whole text has.
    whole: usize,
}

impl<'t> Text<'t> {
    /// An empty text.
    pub fn new(room: &'t mut [c_char]) -> Self {
        if let Some(first) = room.first_mut() {
            *first = 0;
        }
        Self { room, len: 0, whole: 0 }
    }

    /// Bytes that the whole text needs, its NUL included.
    pub fn needed(&self) -> usize {
        self.whole.saturating_add(1)
    }

    /// Whether all of it has found room.
    pub fn is_whole(&self) -> bool {
        self.len == self.whole && !self.room.is_empty()
    }

    /// Appends bytes of UTF-8.
    pub fn push(&mut self, bytes: &[u8]) {
        let cut = self.len != self.whole;
        self.whole = self.whole.saturating_add(bytes.len());
        if cut {
            return;
        }
        let free = self.room.len().saturating_sub(self.len).saturating_sub(1);
        let mut fits = bytes.len().min(free);
        // A character that is cut is left out.
        while fits < bytes.len() && fits > 0 && bytes.get(fits).is_some_and(|byte| byte & 0xc0 == 0x80) {
            fits -= 1;
        }
        let mut written = 0;
        for (to, from) in self.room.iter_mut().skip(self.len).zip(bytes.iter().take(fits)) {
            *to = *from as c_char;
            written += 1;
        }
        self.len += written;
        if let Some(end) = self.room.get_mut(self.len) {
            *end = 0;
        }
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    fn written(room: usize, parts: &[&str]) -> (String, usize, bool) {
        let mut memory = vec![0x55; room];
        let mut text = Text::new(&mut memory);
        parts.iter().for_each(|part| write!(text, "{part}").unwrap());
        let (needed, whole) = (text.needed(), text.is_whole());
        let bytes: Vec<u8> = memory.iter().take_while(|&&byte| byte != 0).map(|&byte| byte as u8).collect();
        (String::from_utf8(bytes).unwrap(), needed, whole)
    }

    #[test]
    fn a_text_that_fits_is_whole() {
        assert_eq!(written(6, &["ab", "cde"]), ("abcde".to_owned(), 6, true));
        assert_eq!(written(1, &[""]), (String::new(), 1, true));
    }

    #[test]
    fn a_text_that_does_not_fit_ends_with_a_whole_character() {
        assert_eq!(written(5, &["ab", "cde", "f"]), ("abcd".to_owned(), 7, false));
        assert_eq!(written(4, &["abé", "z"]), ("ab".to_owned(), 6, false));
        assert_eq!(written(0, &["ab"]), (String::new(), 3, false));
        assert_eq!(written(1, &["ab"]), (String::new(), 3, false));
    }
}
