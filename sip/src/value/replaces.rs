//! `Replaces`: which dialog a call takes the place of (RFC 3891 §6.1).

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::scan::{Pieces, cut, is_token, trim};

/// A dialog, named as the one that is asked to give it up sees it: `to_tag` is its own tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// Its `Call-ID`.
    pub call_id: String,
    /// The tag of the one that is asked.
    pub to_tag: String,
    /// The tag of its other end; `0` when that has none (RFC 3891 §3).
    pub from_tag: String,
    /// Only as long as the call is not answered (call pickup).
    pub early_only: bool,
}

impl FromStr for Replaces {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed { what: "Replaces" };
        let mut pieces = Pieces::new(text, b';');
        let call_id = pieces.next().unwrap_or("");
        if call_id.is_empty() || !call_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed());
        }
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for piece in pieces {
            let (name, value) = cut(piece, b'=');
            let (name, value) = (trim(name), value.map(trim));
            // §6.1: each of the tags exactly once.
            let tag = if name.eq_ignore_ascii_case("to-tag") {
                &mut to_tag
            } else if name.eq_ignore_ascii_case("from-tag") {
                &mut from_tag
            } else {
                early_only |= name.eq_ignore_ascii_case("early-only");
                continue;
            };
            let value = value.filter(|value| is_token(value)).ok_or_else(malformed)?;
            if tag.replace(value.to_owned()).is_some() {
                return Err(malformed());
            }
        }
        let (Some(to_tag), Some(from_tag)) = (to_tag, from_tag) else { return Err(malformed()) };
        Ok(Replaces { call_id: call_id.to_owned(), to_tag, from_tag, early_only })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.early_only { ";early-only" } else { "" };
        f.write_str(&[&self.call_id, ";to-tag=", &self.to_tag, ";from-tag=", &self.from_tag, early].concat())
    }
}
