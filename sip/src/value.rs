//! The small values of headers, `CSeq` and `Via`, and the pieces that values are made of.

mod auth;
mod replaces;
mod via;

use std::fmt;
use std::str::FromStr;

use crate::scan::trim;
use crate::{Error, Method};

pub use crate::scan::{check_text, decimal, elements, is_token, quote, unquote};
pub(crate) use auth::read_params;
pub use auth::{Challenge, Credentials};
pub use replaces::Replaces;
pub use via::Via;
pub(crate) use via::check_via;

/// The `CSeq` of a message (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2³¹ (RFC 3261 §8.1.1.5).
    pub seq: u32,
    /// Equal to the method of the request.
    pub method: Method,
}

/// Cuts a `CSeq` into number and method.
pub(crate) fn split_cseq(text: &str) -> Result<(u32, &str), Error> {
    let malformed = Error::Malformed { what: "CSeq" };
    let Some((number, method)) = trim(text).split_once([' ', '\t']) else { return Err(malformed) };
    match decimal(number) {
        Some(seq) if seq < 1 << 31 => Ok((seq as u32, trim(method))),
        _ => Err(malformed),
    }
}

impl FromStr for CSeq {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (seq, method) = split_cseq(text)?;
        Ok(CSeq { seq, method: method.parse()? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}
