//! Telephone numbers as people write them.

/// So many digits at the end are the same however a number is written: with +7, with 8, with nothing before them.
const TAIL: usize = 9;

/// What numbers are compared by: the last nine digits of a long one, all of a short one, which is an extension or a
/// service and no other number's end.
pub(crate) fn key(written: &str) -> String {
    let digits: String = main(written).chars().filter(char::is_ascii_digit).collect();
    digits[digits.len().saturating_sub(TAIL)..].to_owned()
}

/// A `tel:` link (RFC 3966 §3): digits, a `+` where there is one, an extension behind `;ext=`.
pub(crate) fn link(written: &str) -> String {
    let number = main(written);
    let plus = if number.trim_start().starts_with('+') { "+" } else { "" };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let extension = digits(&written[number.len()..]);
    let ext = if extension.is_empty() { String::new() } else { format!(";ext={extension}") };
    format!("tel:{plus}{}{ext}", digits(number))
}

/// The number without an extension behind it.
fn main(written: &str) -> &str {
    let end = ["ext", "доб", ";", ",", "#"].iter().filter_map(|mark| written.find(mark)).min();
    &written[..end.unwrap_or(written.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_many_forms_has_one_key() {
        for form in
            ["+79161234567", "8 (916) 123-45-67", "916.123.45.67", "+7 916 123-45-67 доб. 12", "89161234567;ext=3"]
        {
            assert_eq!(key(form), "161234567", "{form}");
        }
        assert_eq!(key("1001"), "1001");
        assert_eq!(key("' OR 1=1 --"), "11");
        assert_eq!(key("нет"), "");
    }

    #[test]
    fn links_keep_what_is_dialled() {
        assert_eq!(link("+7 (916) 123-45-67"), "tel:+79161234567");
        assert_eq!(link("8 495 765-43-21"), "tel:84957654321");
        assert_eq!(link("(030) 90 18 20 ext. 5"), "tel:030901820;ext=5");
        assert_eq!(link("600"), "tel:600");
    }
}
