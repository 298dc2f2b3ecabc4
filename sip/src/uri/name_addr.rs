//! The name-addr form: a display name, an address in `<>`, header parameters (RFC 3261 §20.10).

use std::fmt;
use std::str::FromStr;

use super::param::check_params;
use super::{MAX_LEN, Param, Uri, scan_uri};
use crate::Error;
use crate::scan::{append_quoted, check_text, cut, quoted_len, trim, unquote};

/// A name-addr or addr-spec with header parameters: what `From`, `To`, `Contact`, `Route` and `Record-Route` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name without quotes and escapes. Control characters, which RFC 3261 lets a peer put into quoted pairs,
    /// are left out on reading: names end on screens and in logs.
    pub display_name: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Header parameters: `tag`, `expires`, `q`, …, in order.
    pub params: Vec<Param>,
}

impl NameAddr {
    /// A name-addr from plain text.
    ///
    /// # Errors
    /// [`Error::Injection`] for a display name with control characters.
    pub fn new(display_name: Option<&str>, uri: Uri) -> Result<NameAddr, Error> {
        check_text("display name", display_name.unwrap_or(""))?;
        Ok(NameAddr { display_name: display_name.map(str::to_owned), uri, params: vec![] })
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.param("tag").flatten()
    }

    /// Sets the `tag` parameter.
    pub fn set_tag(&mut self, tag: &str) {
        self.set_param("tag", Some(tag));
    }

    /// A header parameter: `None` absent, `Some(None)` without value.
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        Param::find(&self.params, name)
    }

    /// Sets a header parameter, in its place when it is there already. `value` stands as it is: see [`Param::new`].
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        Param::set(&mut self.params, name, value);
    }

    /// Reads a value that came over the wire: [`FromStr`] without its refusal of controls in quoted pairs.
    pub(crate) fn from_wire(text: &str) -> Result<NameAddr, Error> {
        let parts = split(text)?;
        let display_name = (!parts.name.is_empty()).then(|| {
            let name = unquote(parts.name);
            // 0xC2 starts the control characters beyond ASCII.
            if name.bytes().any(|b| b.is_ascii_control() || b == 0xc2) {
                name.chars().filter(|c| !c.is_control() || *c == '\t').collect()
            } else {
                name.into_owned()
            }
        });
        Ok(NameAddr { display_name, uri: scan_uri(parts.uri)?.into_uri()?, params: Param::list(parts.params)? })
    }
}

struct Parts<'a> {
    name: &'a str,
    uri: &'a str,
    params: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, Error> {
    let malformed = Error::Malformed { what: "address" };
    if text.len() > MAX_LEN {
        return Err(Error::TooLong { what: "address", limit: MAX_LEN });
    }
    let text = trim(text);
    let quoted = if text.starts_with('"') { quoted_len(text).ok_or(malformed.clone())? } else { 0 };
    let (before, inside) = cut(&text[quoted..], b'<');
    let Some(inside) = inside else {
        // RFC 3261 §20: an address with a comma, question mark or semicolon must stand in `<>`; a semicolon outside
        // starts the header's parameters, a question mark is an error (RFC 4475 §3.1.2.13).
        let (uri, params) = cut(text, b';');
        if quoted > 0 || uri.contains('?') {
            return Err(malformed);
        }
        return match params {
            Some(params) if trim(params).is_empty() => Err(malformed),
            params => Ok(Parts { name: "", uri: trim(uri), params: params.unwrap_or("") }),
        };
    };
    let (uri, params) = cut(inside, b'>');
    let params = match trim(params.ok_or(malformed.clone())?) {
        "" => "",
        text => match text.strip_prefix(';') {
            Some(params) if !trim(params).is_empty() => params,
            _ => return Err(malformed),
        },
    };
    // Spaces inside the `<>` are ignored (RFC 4475 §3.1.2.14).
    Ok(Parts { name: trim(&text[..quoted + before.len()]), uri: trim(uri), params })
}

/// Whether a value from the wire can be read.
pub(crate) fn check_name_addr(text: &str) -> Result<(), Error> {
    let parts = split(text)?;
    scan_uri(parts.uri)?;
    check_params(parts.params)
}

impl FromStr for NameAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        check_text("address", text)?;
        NameAddr::from_wire(text)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(96);
        if let Some(name) = &self.display_name {
            append_quoted(&mut out, name);
            out.push(' ');
        }
        out.push('<');
        self.uri.append(&mut out);
        out.push('>');
        Param::append_all(&self.params, &mut out);
        f.write_str(&out)
    }
}
