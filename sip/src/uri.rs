//! SIP URIs and the name-addr form that `From`, `To`, `Contact` and `Route` hold (RFC 3261 §19.1, §25.1).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rsip::Scheme;

use crate::Error;
use crate::value::{self, Elements, append_decimal, append_quoted, decimal, is_token, quoted_len, trim};

/// Longest URI or name-addr that is read, in bytes.
pub const MAX_LEN: usize = 8_192;

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
        value::check_text(name, value.unwrap_or(""))?;
        let value = value.map(|text| if is_token(text) { text.to_owned() } else { value::quote(text) });
        Ok(Param { name: name.to_owned(), value })
    }

    /// The value without quotes and their escapes.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.value.as_deref().map(value::unquote)
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

    /// Reads `a=b;c;d="e"`, with or without the first `;`.
    pub(crate) fn list(text: &str) -> Option<Vec<Param>> {
        let mut params = Vec::new();
        for element in Elements::new(text, b';') {
            let (name, value) = match element.split_once('=') {
                Some((name, value)) => (trim(name), Some(trim(value))),
                None => (element, None),
            };
            if name.is_empty() || value.is_some_and(|v| v.starts_with('"') && quoted_len(v) != Some(v.len())) {
                return None;
            }
            params.push(Param { name: name.to_owned(), value: value.map(str::to_owned) });
        }
        Some(params)
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

/// Reads `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(crate) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = if text.starts_with('[') {
        text.split_at(text.find(']')? + 1)
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    let host = trim(host);
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b)) {
        return None;
    }
    let rest = trim(rest);
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(u16::try_from(decimal(trim(port))?).ok()?))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// A `sip:` or `sips:` URI; or one of another scheme, of which only the scheme is understood.
///
/// Parts are kept as they stand on the wire, `%` escapes included; [`Uri::user_text`] decodes. What is written is always
/// one legal URI: a character that may not stand in its place is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// `sip`, `sips`, or another one, in small letters.
    pub scheme: Scheme,
    /// User part, escaped as on the wire.
    pub user: Option<String>,
    /// Password in a URI: RFC 3261 §19.1.1 advises against it.
    pub password: Option<String>,
    /// Name or address; IPv6 in brackets. Of another scheme than `sip` and `sips`: all that follows its colon.
    pub host: String,
    /// `None`: the default port.
    pub port: Option<u16>,
    /// `transport`, `lr`, `user`, …, in order.
    pub params: Vec<Param>,
    /// What follows the `?`, as it stands.
    pub headers: Option<String>,
}

impl Uri {
    /// `sip:user@host`, from plain text: `user` is escaped as it needs.
    ///
    /// # Errors
    /// [`Error::Injection`] for control characters, [`Error::Malformed`] for a host (with or without `:port`) that is
    /// none.
    pub fn new(user: Option<&str>, host: &str) -> Result<Uri, Error> {
        value::check_text("user", user.unwrap_or(""))?;
        value::check_text("host", host)?;
        let (host, port) = host_port(host).ok_or(Error::Malformed { what: "host" })?;
        let user = user.map(|user| {
            let mut out = String::with_capacity(user.len());
            // A percent sign in plain text is a percent sign.
            user.split('%').enumerate().for_each(|(index, piece)| {
                out.push_str(if index > 0 { "%25" } else { "" });
                append_escaped(&mut out, piece, is_user_byte);
            });
            out
        });
        Ok(Uri {
            scheme: Scheme::Sip,
            user,
            password: None,
            host: host.to_owned(),
            port,
            params: vec![],
            headers: None,
        })
    }

    /// The user part without `%` escapes; bytes that are not UTF-8 become U+FFFD.
    pub fn user_text(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(unescape)
    }

    /// A parameter: `None` absent, `Some(None)` without value (`;lr`).
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        Param::find(&self.params, name)
    }

    /// Whether this is a `sip:` or `sips:` URI.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4).
    pub fn equivalent(&self, other: &Uri) -> bool {
        if !self.is_sip() || !other.is_sip() {
            return self == other;
        }
        self.scheme == other.scheme
            && self.user_text() == other.user_text()
            && self.password.as_deref().map(unescape) == other.password.as_deref().map(unescape)
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && params_equivalent(&self.params, &other.params)
            && self.headers == other.headers
    }

    pub(crate) fn append(&self, out: &mut String) {
        match &self.scheme {
            Scheme::Sip => out.push_str("sip"),
            Scheme::Sips => out.push_str("sips"),
            Scheme::Other(name) => append_escaped(out, name, |b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)),
        }
        out.push(':');
        if !self.is_sip() {
            return append_escaped(out, &self.host, is_opaque_byte);
        }
        if let Some(user) = &self.user {
            append_escaped(out, user, is_user_byte);
            if let Some(password) = &self.password {
                out.push(':');
                append_escaped(out, password, |b| is_user_byte(b) && !b"?/;".contains(&b));
            }
            out.push('@');
        }
        append_escaped(out, &self.host, |b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
        if let Some(port) = self.port {
            out.push(':');
            append_decimal(out, u64::from(port));
        }
        for param in &self.params {
            out.push(';');
            append_escaped(out, &param.name, is_param_byte);
            if let Some(value) = &param.value {
                out.push('=');
                append_escaped(out, value, is_param_byte);
            }
        }
        if let Some(headers) = &self.headers {
            out.push('?');
            append_escaped(out, headers, |b| is_param_byte(b) || b"?=".contains(&b));
        }
    }
}

/// RFC 3261 §19.1.4: `user`, `ttl`, `method` and `maddr` never match their absence; another parameter counts only when
/// both have it.
fn params_equivalent(a: &[Param], b: &[Param]) -> bool {
    let half = |a: &[Param], b: &[Param]| {
        a.iter().all(|param| match Param::find(b, &param.name) {
            Some(value) => value.map(str::to_ascii_lowercase) == param.value.as_deref().map(str::to_ascii_lowercase),
            None => !["user", "ttl", "method", "maddr", "transport"].iter().any(|n| param.name.eq_ignore_ascii_case(n)),
        })
    };
    half(a, b) && half(b, a)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

const fn is_user_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
}

const fn is_param_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

const fn is_opaque_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'%')
}

/// Adds `text`, escaping what `legal` does not let stand; escapes that are there stay.
fn append_escaped(out: &mut String, text: &str, legal: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let escape =
            byte == b'%' && bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        if legal(byte) || escape {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Decodes `%` escapes; a stray `%` stays.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let digit = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16));
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

impl FromStr for Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "URI" };
        if text.len() > MAX_LEN {
            return Err(Error::TooLong { what: "URI", limit: MAX_LEN });
        }
        value::check_text("URI", text)?;
        if text.bytes().any(|b| b" \t<>\"".contains(&b)) {
            return Err(malformed());
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(malformed)?;
        let scheme = match scheme.to_ascii_lowercase() {
            s if s == "sip" => Scheme::Sip,
            s if s == "sips" => Scheme::Sips,
            s if s.starts_with(|c: char| c.is_ascii_alphabetic())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
            {
                Scheme::Other(s)
            }
            _ => return Err(malformed()),
        };
        let mut uri =
            Uri { scheme, user: None, password: None, host: String::new(), port: None, params: vec![], headers: None };
        if !uri.is_sip() {
            uri.host = rest.to_owned();
            return if rest.is_empty() { Err(malformed()) } else { Ok(uri) };
        }
        // `;` and `?` may stand in the user part (RFC 3261 §25.1), so the `@` is looked for first.
        let rest = match rest.split_once('@') {
            None => rest,
            Some((userinfo, rest)) => {
                let (user, password) = match userinfo.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (userinfo, None),
                };
                if user.is_empty() {
                    return Err(malformed());
                }
                uri.user = Some(user.to_owned());
                uri.password = password.map(str::to_owned);
                rest
            }
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        uri.headers = headers;
        let (host, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_port(host).ok_or_else(malformed)?;
        uri.host = host.to_owned();
        uri.port = port;
        uri.params = Param::list(params).ok_or_else(malformed)?;
        Ok(uri)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(64);
        self.append(&mut out);
        f.write_str(&out)
    }
}

/// A name-addr or addr-spec with header parameters: what `From`, `To`, `Contact`, `Route` and `Record-Route` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Display name without quotes and escapes.
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
        value::check_text("display name", display_name.unwrap_or(""))?;
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
}

impl FromStr for NameAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "address" };
        if text.len() > MAX_LEN {
            return Err(Error::TooLong { what: "address", limit: MAX_LEN });
        }
        value::check_text("address", text)?;
        let text = trim(text);
        let quoted = if text.starts_with('"') { quoted_len(text).ok_or_else(malformed)? } else { 0 };
        let (name, rest) = match text[quoted..].find('<') {
            Some(angle) => {
                let (name, rest) = text.split_at(quoted + angle);
                (trim(name), &rest[1..])
            }
            // RFC 3261 §20.10: without `<>`, parameters belong to the header.
            None if quoted == 0 => {
                let (uri, params) = text.split_once(';').unwrap_or((text, ""));
                let params = Param::list(params).ok_or_else(malformed)?;
                return Ok(NameAddr { display_name: None, uri: trim(uri).parse()?, params });
            }
            None => return Err(malformed()),
        };
        let (uri, params) = rest.split_once('>').ok_or_else(malformed)?;
        let params = trim(params);
        if !params.is_empty() && !params.starts_with(';') {
            return Err(malformed());
        }
        Ok(NameAddr {
            display_name: (!name.is_empty()).then(|| value::unquote(name).into_owned()),
            uri: uri.parse()?,
            params: Param::list(params).ok_or_else(malformed)?,
        })
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
