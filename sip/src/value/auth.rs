//! Challenges and credentials as they stand in headers (RFC 3261 §25.1, RFC 7616 §3.3 and §3.4).

use std::fmt;
use std::str::FromStr;

use crate::scan::{append_quoted, check_text, cut, elements, is_token, quoted_len, trim, unquote};
use crate::uri::MAX_PARAMS;
use crate::{Error, Param};

/// An authentication challenge: the value of one `WWW-Authenticate` or `Proxy-Authenticate` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `Digest`, or a scheme that we cannot answer.
    pub scheme: String,
    /// Parameters in order; names in small letters, values without their quotes and escapes.
    pub params: Vec<Param>,
}

/// An answer to a challenge: the value of one `Authorization` or `Proxy-Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `Digest`, or another scheme.
    pub scheme: String,
    /// Parameters in order; names in small letters, values without their quotes and escapes.
    pub params: Vec<Param>,
}

/// Shows names only: who has a response can try passwords against it.
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

    /// The realm; empty when there is none.
    pub fn realm(&self) -> &str {
        self.param("realm").unwrap_or("")
    }

    /// Whether only the nonce was too old: the same credentials with the new nonce will do (RFC 7616 §3.3).
    pub fn is_stale(&self) -> bool {
        self.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
}

impl Credentials {
    /// A parameter's value, without quotes.
    pub fn param(&self, name: &str) -> Option<&str> {
        Param::find(&self.params, name).flatten()
    }
}

fn read(text: &str) -> Result<(String, Vec<Param>), Error> {
    let malformed = || Error::Malformed { what: "authentication header" };
    check_text("authentication header", text)?;
    let (scheme, rest) = trim(text).split_once([' ', '\t']).unwrap_or((trim(text), ""));
    if !is_token(scheme) {
        return Err(malformed());
    }
    Ok((scheme.to_owned(), read_params(rest)?))
}

/// The parameters alone, as `Authentication-Info` has them (RFC 3261 §20.6): names in small letters, values without
/// quotes.
pub(crate) fn read_params(text: &str) -> Result<Vec<Param>, Error> {
    let mut params = Vec::new();
    for piece in elements(text) {
        if params.len() >= MAX_PARAMS {
            return Err(Error::TooLong { what: "authentication header", limit: MAX_PARAMS });
        }
        let (name, value) = match cut(piece, b'=') {
            (name, Some(value)) if is_token(trim(name)) => (trim(name).to_ascii_lowercase(), Some(trim(value))),
            // Basic, Negotiate and the like carry one opaque word, which may end in `=`.
            _ => (piece.to_owned(), None),
        };
        if value.is_some_and(|value| value.starts_with('"') && quoted_len(value) != Some(value.len())) {
            return Err(Error::Malformed { what: "authentication header" });
        }
        params.push(Param { name, value: value.map(|value| unquote(value).into_owned()) });
    }
    Ok(params)
}

fn write(f: &mut fmt::Formatter<'_>, scheme: &str, params: &[Param], bare: &[&str]) -> fmt::Result {
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
        read(text).map(|(scheme, params)| Challenge { scheme, params })
    }
}

impl FromStr for Credentials {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).map(|(scheme, params)| Credentials { scheme, params })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3261 §25.1: qop is quoted in a challenge, a bare token in credentials.
        write(f, &self.scheme, &self.params, &["algorithm", "stale"])
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.scheme, &self.params, &["algorithm", "qop", "nc"])
    }
}
