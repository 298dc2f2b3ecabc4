//! `Via`: the path that a response takes back (RFC 3261 §20.42).

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::scan::{append_decimal, cut, is_token, trim};
use crate::uri::{Param, check_params, host_port};

/// One element of a `Via` header.
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

struct Parts<'a> {
    transport: &'a str,
    host: &'a str,
    port: Option<u16>,
    params: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, Error> {
    let malformed = || Error::Malformed { what: "Via" };
    // Spaces may stand around the slashes (RFC 4475 §3.1.1.1).
    let (name, rest) = cut(text, b'/');
    let (version, rest) = cut(rest.ok_or_else(malformed)?, b'/');
    if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
        return Err(malformed());
    }
    let (transport, rest) = trim(rest.ok_or_else(malformed)?).split_once([' ', '\t']).ok_or_else(malformed)?;
    let (sent_by, params) = cut(rest, b';');
    let (host, port) = host_port(sent_by).ok_or_else(malformed)?;
    if !is_token(transport) || params.is_some_and(|params| trim(params).is_empty()) {
        return Err(malformed());
    }
    Ok(Parts { transport, host, port, params: params.unwrap_or("") })
}

/// Whether an element can be read.
pub(crate) fn check_via(text: &str) -> Result<(), Error> {
    check_params(split(text)?.params)
}

impl FromStr for Via {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Parts { transport, host, port, params } = split(text)?;
        let params = Param::list(params)?;
        Ok(Via { transport: transport.to_ascii_uppercase(), host: host.to_owned(), port, params })
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
