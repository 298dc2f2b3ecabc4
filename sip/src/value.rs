//! Pieces that header values are made of: tokens, quoted strings, lists and parameters; and the small values `CSeq`,
//! `Via`, challenges and credentials.
//!
//! The scanners here borrow and never allocate; every one reads its text once.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::uri::{Param, host_port};
use crate::{Error, Method};

/// Elements of one list header that are looked at; a longer list is cut. Bounds work, not the wire.
pub const MAX_ELEMENTS: usize = 256;

/// Whether `byte` may stand in a token (RFC 3261 §25.1).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// Whether `text` is a token (RFC 3261 §25.1): not empty, and no separator, space or non-ASCII character in it.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Refuses text with CR, LF, NUL or another control character but the tab: all that a user, a page or an account puts
/// into a message goes through here.
///
/// # Errors
/// [`Error::Injection`] naming `field`.
pub fn check_text(field: &str, text: &str) -> Result<(), Error> {
    // C1 controls are refused too: some peers read U+0085 as the end of a line.
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Error::Injection { field: field.to_owned() });
    }
    Ok(())
}

/// Without the linear white space around it.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
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
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
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

/// Splits text at a separator that stands outside quoted strings and `<…>`. Elements come trimmed; empty ones are
/// left out, as RFC 3261 §7.3.1's lists mean nothing by them.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a str,
    separator: u8,
    left: usize,
}

impl<'a> Elements<'a> {
    /// The elements of `text` between `separator`s: `b','` or `b';'`.
    pub fn new(text: &'a str, separator: u8) -> Self {
        Elements { rest: text, separator, left: MAX_ELEMENTS }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a str {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() && self.left > 0 {
            let end = separator_at(self.rest, self.separator).unwrap_or(self.rest.len());
            let element = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or("");
            if !element.is_empty() {
                self.left -= 1;
                return Some(element);
            }
        }
        None
    }
}

/// Where the first `separator` outside quoted strings and `<…>` stands.
pub(crate) fn separator_at(text: &str, separator: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut angle = false;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if !angle => at += quoted_len(&text[at..])?,
            b'<' => {
                angle = true;
                at += 1;
            }
            b'>' => {
                angle = false;
                at += 1;
            }
            byte if byte == separator && !angle => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Reads an unsigned decimal number of digits only: no sign, no space, no overflow.
pub fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 32 {
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

/// The `CSeq` of a message (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2³¹ (RFC 3261 §8.1.1.5).
    pub seq: u32,
    /// Equal to the method of the request.
    pub method: Method,
}

impl FromStr for CSeq {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: "CSeq" };
        let Some((number, method)) = trim(text).split_once([' ', '\t']) else { return Err(malformed) };
        match decimal(number) {
            Some(seq) if seq < 1 << 31 => Ok(CSeq { seq: seq as u32, method: trim(method).parse()? }),
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

/// One element of a `Via` header (RFC 3261 §20.42).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or another token, in capitals.
    pub transport: String,
    /// Name or address of who sent the message; IPv6 in brackets.
    pub host: String,
    /// `None`: the default port of the transport.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, …, in order.
    pub params: Vec<Param>,
}

impl Via {
    /// The transaction's identifier, if the parameter is there.
    pub fn branch(&self) -> Option<&str> {
        self.param("branch").flatten()
    }

    /// A parameter: `None` absent, `Some(None)` without value (`;rport`).
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        Param::find(&self.params, name)
    }

    /// Sets a parameter, in its place when it is there already.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        Param::set(&mut self.params, name, value);
    }

    /// `host` or `host:port`, as the peer wrote it.
    pub fn sent_by(&self) -> String {
        let mut out = self.host.clone();
        if let Some(port) = self.port {
            out.push(':');
            append_decimal(&mut out, u64::from(port));
        }
        out
    }
}

impl FromStr for Via {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "Via" };
        let mut parts = text.splitn(3, '/').map(trim);
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" {
            return Err(malformed());
        }
        let (transport, rest) = rest.split_once([' ', '\t']).ok_or_else(malformed)?;
        if !is_token(transport) {
            return Err(malformed());
        }
        let (sent_by, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_port(trim(sent_by)).ok_or_else(malformed)?;
        Ok(Via {
            transport: transport.to_ascii_uppercase(),
            host: host.to_owned(),
            port,
            params: Param::list(params).ok_or_else(malformed)?,
        })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(64);
        out.push_str("SIP/2.0/");
        out.push_str(&self.transport);
        out.push(' ');
        out.push_str(&self.sent_by());
        Param::append_all(&self.params, &mut out);
        f.write_str(&out)
    }
}

/// An authentication challenge: the value of one `WWW-Authenticate` or `Proxy-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `Digest`, or a scheme that we cannot answer.
    pub scheme: String,
    /// Parameters in order; values without their quotes and escapes.
    pub params: Vec<Param>,
}

/// An answer to a challenge: the value of one `Authorization` or `Proxy-Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `Digest`, or another scheme.
    pub scheme: String,
    /// Parameters in order; values without their quotes and escapes.
    pub params: Vec<Param>,
}

/// Shows names only: a response is as good as a password to who can guess.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.params.iter().map(|param| param.name.as_str()).collect();
        f.debug_struct("Credentials").field("scheme", &self.scheme).field("params", &names).finish()
    }
}

impl Challenge {
    /// A parameter's value, without quotes.
    pub fn param(&self, name: &str) -> Option<&str> {
        Param::find(&self.params, name).flatten()
    }
}

impl Credentials {
    /// A parameter's value, without quotes.
    pub fn param(&self, name: &str) -> Option<&str> {
        Param::find(&self.params, name).flatten()
    }
}

fn auth(text: &str) -> Result<(String, Vec<Param>), Error> {
    let malformed = || Error::Malformed { what: "authentication header" };
    let text = trim(text);
    let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    if !is_token(scheme) {
        return Err(malformed());
    }
    let mut params = Vec::new();
    for element in Elements::new(rest, b',') {
        let Some((name, value)) = element.split_once('=') else {
            // Basic, Negotiate and the like carry one opaque word.
            params.push(Param { name: element.to_owned(), value: None });
            continue;
        };
        let value = trim(value);
        if value.starts_with('"') && quoted_len(value) != Some(value.len()) {
            return Err(malformed());
        }
        params.push(Param { name: trim(name).to_ascii_lowercase(), value: Some(unquote(value).into_owned()) });
    }
    Ok((scheme.to_owned(), params))
}

fn write_auth(f: &mut fmt::Formatter<'_>, scheme: &str, params: &[Param], bare: &[&str]) -> fmt::Result {
    let mut out = String::with_capacity(256);
    out.push_str(scheme);
    for (index, param) in params.iter().enumerate() {
        out.push_str(if index == 0 { " " } else { ", " });
        out.push_str(&param.name);
        if let Some(value) = &param.value {
            out.push('=');
            if bare.contains(&param.name.as_str()) && is_token(value) {
                out.push_str(value);
            } else {
                append_quoted(&mut out, value);
            }
        }
    }
    f.write_str(&out)
}

impl FromStr for Challenge {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        auth(text).map(|(scheme, params)| Challenge { scheme, params })
    }
}

impl FromStr for Credentials {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        auth(text).map(|(scheme, params)| Credentials { scheme, params })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3261 §25.1: qop is quoted in a challenge, a bare token in credentials.
        write_auth(f, &self.scheme, &self.params, &["algorithm", "stale"])
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_auth(f, &self.scheme, &self.params, &["algorithm", "qop", "nc"])
    }
}
