//! What the user typed, made fit for dialling.

/// Bound on what is dialled, in bytes: more is no number and no address.
const LONGEST: usize = 256;

/// Takes out what people put into numbers to read them (spaces, dashes, dots, parentheses) and keeps `+`, `*`, `#`.
///
/// Addresses (`sip:`, `sips:`, `tel:`, anything with `@` or a letter in it) pass through with their spaces trimmed.
/// `None` when nothing is left, when it is too long or holds a control character.
pub fn normalise(typed: &str) -> Option<String> {
    // U+202A…U+202E and U+2066…U+2069 come along when a number is copied from a page of mixed direction.
    let typed = typed.trim_matches(|c: char| c.is_whitespace() || is_direction_mark(c));
    if typed.is_empty() || typed.len() > LONGEST || typed.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    if typed.contains(['\r', '\n']) {
        return None;
    }
    if typed.chars().any(|c| c.is_alphabetic() || c == '@') {
        return Some(typed.to_owned());
    }
    let kept: String = typed.chars().filter_map(digit).collect();
    let dialable = kept.chars().any(|c| c.is_ascii_digit() || c == '*' || c == '#');
    let readable = typed.chars().all(|c| digit(c).is_some() || is_separator(c));
    (dialable && readable).then_some(kept)
}

/// A character of a telephone number; digits of other scripts become ASCII's.
fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' | '+' | '*' | '#' | ',' | ';' => Some(c),
        // Full width, Arabic-Indic, Extended Arabic-Indic.
        '\u{FF10}'..='\u{FF19}' => shifted(c, 0xFF10),
        '\u{0660}'..='\u{0669}' => shifted(c, 0x0660),
        '\u{06F0}'..='\u{06F9}' => shifted(c, 0x06F0),
        '\u{FF0B}' => Some('+'),
        _ => None,
    }
}

fn shifted(c: char, zero: u32) -> Option<char> {
    char::from_digit(u32::from(c).checked_sub(zero)?, 10)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || is_direction_mark(c)
        || matches!(c, '-' | '(' | ')' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn separators_go_and_signs_stay() {
        for (typed, dialled) in [
            ("600", "600"),
            (" +7 (916) 123-45-67 ", "+79161234567"),
            ("*97#", "*97#"),
            ("8 800 555\u{2011}35\u{2011}35", "88005553535"),
            ("\u{202A}+49\u{a0}30 1234\u{202C}", "+49301234"),
            ("\u{0661}\u{0662}\u{FF13}", "123"),
            ("sip:bob@example.com", "sip:bob@example.com"),
            ("alice", "alice"),
            ("1001@example.com", "1001@example.com"),
        ] {
            assert_eq!(normalise(typed).as_deref(), Some(dialled), "{typed:?}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        for typed in ["", "   ", "()", "+", "12\u{0}3", "600\r\nX: y", "6=0", &"1".repeat(300)] {
            assert_eq!(normalise(typed), None, "{typed:?}");
        }
    }
}
