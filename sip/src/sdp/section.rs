//! The lines of the session or of one medium, and their attributes.

use crate::Error;
use crate::value::check_text;

use super::MAX_LINES;

/// The session's lines, or those of one medium, without their ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section(pub(super) Vec<String>);

impl Section {
    /// Every line, in order, without its end.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The text after the `=` of the first line with that letter.
    pub fn line(&self, letter: char) -> Option<&str> {
        self.0.iter().find(|line| line.starts_with(letter)).and_then(|line| line.get(2..))
    }

    /// The value of the first attribute of that name; the empty text for one without a value (`a=rtcp-mux`).
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| value(line, name))
    }

    /// The values of all attributes of that name, in order.
    pub fn attributes(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |line| value(line, name))
    }

    /// Whether there is an attribute of that name.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// Adds an attribute: behind the last of its name, else at the end. The empty value writes none: `a=name`.
    ///
    /// # Errors
    /// [`Error::Injection`] when the name is no token or the value holds a control character.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let line = attribute(name, value)?;
        let place = self.0.iter().rposition(|line| is(line, name)).map_or(self.0.len(), |last| last + 1);
        self.0.insert(place, line);
        Ok(())
    }

    /// Replaces all attributes of that name by one, in the place of the first; at the end when there was none.
    ///
    /// # Errors
    /// As [`Section::add`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let line = attribute(name, value)?;
        let place = self.remove(name).unwrap_or(self.0.len());
        self.0.insert(place, line);
        Ok(())
    }

    /// Removes every attribute of that name; the place of the first.
    pub fn remove(&mut self, name: &str) -> Option<usize> {
        let first = self.0.iter().position(|line| is(line, name));
        self.0.retain(|line| !is(line, name));
        first
    }

    /// Adds a line that was read.
    pub(super) fn push_read(&mut self, line: &str) -> Result<(), Error> {
        if self.0.len() == MAX_LINES {
            return Err(Error::TooLong { what: "list of lines", limit: MAX_LINES });
        }
        self.0.push(line.to_owned());
        Ok(())
    }

    /// Replaces the first line of that letter.
    pub(super) fn set_line(&mut self, letter: char, line: String) {
        if let Some(old) = self.0.iter_mut().find(|line| line.starts_with(letter)) {
            *old = line;
        }
    }

    pub(super) fn append(&self, out: &mut String) {
        for line in &self.0 {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
}

/// The value of the attribute `name`, when `line` is one.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') }
}

fn is(line: &str, name: &str) -> bool {
    value(line, name).is_some()
}

fn attribute(name: &str, value: &str) -> Result<String, Error> {
    if !crate::scan::is_token(name) {
        return Err(Error::Injection { field: "attribute name".to_owned() });
    }
    check_text(name, value)?;
    Ok(["a=", name, if value.is_empty() { "" } else { ":" }, value].concat())
}
