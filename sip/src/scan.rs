//! Scanners that every header value is read with: tokens, quoted strings, lists. They borrow, never allocate, and
//! read their text once.

use std::borrow::Cow;

use crate::Error;

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        at += 1;
    }
    table
};

/// Whether `text` is a token (RFC 3261 §25.1): not empty, and no separator, space or non-ASCII character in it.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}

/// Refuses text with CR, LF, NUL or another control character but the tab: all that a user, a page or an account puts
/// into a message goes through here.
///
/// # Errors
/// [`Error::Injection`] naming `field`.
pub fn check_text(field: &str, text: &str) -> Result<(), Error> {
    // C1 controls (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F) too: some peers read U+0085 as the end of a line.
    let plain = text.bytes().all(|byte| (byte >= b' ' && byte != 0x7f && byte != 0xc2) || byte == b'\t');
    if !plain && text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Error::Injection { field: field.to_owned() });
    }
    Ok(())
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the white space around it. Lines are unfolded before, so CR and LF are none.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) if is_space(first) || is_space(last) => text.trim_matches([' ', '\t']),
        _ => text,
    }
}

/// Splits at the first byte `at`, which is ASCII; the second half is `None` when there is none.
pub(crate) fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    match memchr::memchr(at, text.as_bytes()) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
}

/// The length of the quoted string that `text` starts with, quotes included; `None` when it does not end.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// The text of a quoted string, without its quotes and escapes; text that is not quoted comes back as it is.
pub fn unquote(text: &str) -> Cow<'_, str> {
    if quoted_len(text) != Some(text.len()) {
        return Cow::Borrowed(text);
    }
    let inner = &text[1..text.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    Cow::Owned(out)
}

/// `text` as a quoted string (RFC 3261 §25.1). Controls are not escaped: whoever puts the result into a message goes
/// through [`check_text`].
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    append_quoted(&mut out, text);
    out
}

pub(crate) fn append_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Splits text at a separator that stands outside quoted strings and `<…>`. Elements come trimmed; empty ones come
/// too, but text without anything but spaces has no elements at all.
#[derive(Debug, Clone)]
pub(crate) struct Pieces<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(text: &'a str, separator: u8) -> Self {
        Pieces { rest: (!trim(text).is_empty()).then_some(text), separator }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest.unwrap_or("")
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let end = separator_at(rest, self.separator);
        self.rest = end.map(|at| &rest[at + 1..]);
        Some(trim(&rest[..end.unwrap_or(rest.len())]))
    }
}

/// The elements of a comma-separated header value, without empty ones.
pub fn elements(value: &str) -> impl Iterator<Item = &str> {
    Pieces::new(value, b',').filter(|element| !element.is_empty())
}

/// Where the first `separator` outside quoted strings and `<…>` stands.
fn separator_at(text: &str, separator: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    // Most values have neither.
    let first = memchr::memchr3(separator, b'"', b'<', bytes)?;
    let mut at = first;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += quoted_len(&text[at..])?,
            b'<' => at += memchr::memchr(b'>', &bytes[at..])?,
            byte if byte == separator => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Reads an unsigned decimal number of digits only: no sign, no space, no overflow. Leading zeros are fine.
pub fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 64 {
        return None;
    }
    text.bytes().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then_some(u64::from(byte.wrapping_sub(b'0')))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Adds `number` in decimal.
pub(crate) fn append_decimal(out: &mut String, number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|&digit| char::from(digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_respect_quotes_and_angles() {
        let text = r#" "a,\"b" <sip:x,y@h> , , c "#;
        let pieces: Vec<_> = Pieces::new(text, b',').collect();
        assert_eq!(pieces, [r#""a,\"b" <sip:x,y@h>"#, "", "c"]);
        assert_eq!(elements(text).count(), 2);
        assert_eq!(Pieces::new("  ", b',').count(), 0);
    }

    #[test]
    fn an_unterminated_quote_or_angle_swallows_the_rest() {
        assert_eq!(elements(r#"a, "b, c"#).collect::<Vec<_>>(), ["a", r#""b, c"#]);
        assert_eq!(elements("a, <b, c").collect::<Vec<_>>(), ["a", "<b, c"]);
    }

    #[test]
    fn quoted_strings_go_both_ways() {
        assert_eq!(quote(r#"a"b\c"#), r#""a\"b\\c""#);
        assert_eq!(unquote(r#""a\"b\\c""#), r#"a"b\c"#);
        assert_eq!(unquote(r#""open"#), r#""open"#);
        assert_eq!(unquote(r#""a" b""#), r#""a" b""#);
        assert_eq!(quoted_len(r#""a\"#), None);
    }

    #[test]
    fn decimals_refuse_signs_spaces_and_overflow() {
        assert_eq!(decimal("0068"), Some(68));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "-1", "+1", " 1", "1 ", "18446744073709551616", "1a", "١"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
        let mut out = String::new();
        append_decimal(&mut out, 0);
        append_decimal(&mut out, u64::MAX);
        assert_eq!(out, "018446744073709551615");
    }

    #[test]
    fn controls_are_refused_and_letters_are_not() {
        for bad in ["a\r", "a\nb", "\0", "\u{7f}", "\u{85}", "\u{9b}", "\u{1b}[0m"] {
            assert_eq!(check_text("x", bad), Err(Error::Injection { field: "x".into() }), "{bad:?}");
        }
        assert_eq!(check_text("x", "Жанна\tÂ 電 🦀"), Ok(()));
    }
}
