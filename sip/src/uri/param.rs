//! Parameters of URIs and headers.

use std::borrow::Cow;

use crate::Error;
use crate::scan::{self, Pieces, cut, is_token, quoted_len, trim};

/// Parameters of one URI or header element that are let in.
pub(crate) const MAX_PARAMS: usize = 64;

/// A `;name=value` parameter of a URI or a header.
///
/// Both halves are kept as they stand on the wire, so that what is forwarded is what came: `%` escapes and quotes
/// included. [`Param::text`] gives the value without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Name; compared without regard to case.
    pub name: String,
    /// `None` for a parameter without `=`, as `;lr`.
    pub value: Option<String>,
}

impl Param {
    /// A header parameter from plain text: a value that is no token becomes a quoted string.
    ///
    /// # Errors
    /// [`Error::Injection`] for a name that is not a token or a value with control characters.
    pub fn new(name: &str, value: Option<&str>) -> Result<Param, Error> {
        if !is_token(name) {
            return Err(Error::Injection { field: "parameter name".to_owned() });
        }
        scan::check_text(name, value.unwrap_or(""))?;
        let value = value.map(|text| if is_token(text) { text.to_owned() } else { scan::quote(text) });
        Ok(Param { name: name.to_owned(), value })
    }

    /// The value without quotes and their escapes.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.value.as_deref().map(scan::unquote)
    }

    pub(crate) fn find<'a>(params: &'a [Param], name: &str) -> Option<Option<&'a str>> {
        params.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value.as_deref())
    }

    pub(crate) fn set(params: &mut Vec<Param>, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match params.iter_mut().find(|param| param.name.eq_ignore_ascii_case(name)) {
            Some(param) => param.value = value,
            None => params.push(Param { name: name.to_owned(), value }),
        }
    }

    /// Owns what [`params`] has read.
    pub(crate) fn list(text: &str) -> Result<Vec<Param>, Error> {
        params(text)
            .map(|param| {
                let (name, value) = param?;
                Ok(Param { name: name.to_owned(), value: value.map(str::to_owned) })
            })
            .collect()
    }

    pub(crate) fn append_all(params: &[Param], out: &mut String) {
        for param in params {
            out.push(';');
            out.push_str(&param.name);
            if let Some(value) = &param.value {
                out.push('=');
                out.push_str(value);
            }
        }
    }
}

/// Reads `a=b;c;d="e"`: what follows the first `;`. An empty parameter, as in `a;;b`, is an error (RFC 4475 §3.1.2.1).
pub(crate) fn params(text: &str) -> impl Iterator<Item = Result<(&str, Option<&str>), Error>> {
    Pieces::new(text, b';').enumerate().map(|(index, piece)| {
        // A peer that answers adds its tag to as many as it was sent (RFC 3261 §8.2.6.2).
        let tag = index == MAX_PARAMS && cut(piece, b'=').0.trim().eq_ignore_ascii_case("tag");
        if index >= MAX_PARAMS && !tag {
            return Err(Error::TooLong { what: "parameters", limit: MAX_PARAMS });
        }
        let (name, value) = cut(piece, b'=');
        let (name, value) = (trim(name), value.map(trim));
        let legal =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'=' | b'@' | b',' | b'?');
        let sound = match value {
            None => true,
            Some(value) if value.starts_with('"') => quoted_len(value) == Some(value.len()),
            // UTF-8 outside quotes and `<` are odd but harmless; what would end or split the value is not.
            Some(value) => {
                !value.bytes().any(|b| matches!(b, b'"' | b'<' | b'>' | b' ' | b'\t') || b.is_ascii_control())
            }
        };
        if name.is_empty() || !name.bytes().all(legal) || !sound {
            return Err(Error::Malformed { what: "parameter" });
        }
        Ok((name, value))
    })
}

/// Whether every parameter can be read.
pub(crate) fn check_params(text: &str) -> Result<(), Error> {
    params(text).try_for_each(|param| param.map(|_| ()))
}
