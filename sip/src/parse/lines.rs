//! Lines of a message's head: where they end, and continuation lines put together (RFC 3261 §7.3.1).

use std::borrow::Cow;

use memchr::memchr;

use crate::scan::trim;

/// Length of the head without the empty line that ends it, and where the body starts. Lines may end in a bare LF.
pub(crate) fn head_len(bytes: &[u8]) -> Option<(usize, usize)> {
    head_len_from(bytes, 0)
}

/// [`head_len`] when the first `from` bytes are known to hold no end.
pub(crate) fn head_len_from(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let newline = at + memchr(b'\n', bytes.get(at..)?)?;
        match bytes.get(newline + 1..)? {
            [b'\n', ..] => return Some((newline + 1, newline + 2)),
            [b'\r', b'\n', ..] => return Some((newline + 1, newline + 3)),
            _ => at = newline + 1,
        }
    }
}

/// The lines of a head, unfolded: a line that starts with a space or tab goes on from the one before, with one space
/// between them.
pub(crate) struct Lines<'a> {
    rest: &'a str,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(head: &'a str) -> Self {
        Lines { rest: head }
    }

    fn physical(&mut self) -> &'a str {
        let end = memchr(b'\n', self.rest.as_bytes());
        let line = &self.rest[..end.unwrap_or(self.rest.len())];
        self.rest = end.map_or("", |end| &self.rest[end + 1..]);
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn continues(&self) -> bool {
        self.rest.starts_with([' ', '\t'])
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.physical();
        if !self.continues() {
            return Some(Cow::Borrowed(line));
        }
        let mut whole = trim(line).to_owned();
        while self.continues() {
            whole.push(' ');
            whole.push_str(trim(self.physical()));
        }
        Some(Cow::Owned(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_at_the_first_empty_line() {
        assert_eq!(head_len(b"a\r\nb\r\n\r\nc"), Some((6, 8)));
        assert_eq!(head_len(b"a\nb\n\nc"), Some((4, 5)));
        assert_eq!(head_len(b"a\r\nb\r\n"), None);
        assert_eq!(head_len(b""), None);
    }

    #[test]
    fn folded_lines_become_one() {
        let lines: Vec<_> = Lines::new("a: 1\r\nb:\r\n  2 \r\n\t3\r\nc: 4\r\n").collect();
        assert_eq!(lines, ["a: 1", "b: 2 3", "c: 4"]);
    }
}
