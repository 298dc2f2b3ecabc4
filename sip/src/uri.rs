//! SIP URIs (RFC 3261 §19.1, §25.1).

mod escape;
mod name_addr;
mod param;

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use rsip::Scheme;

use crate::Error;
use crate::scan::{append_decimal, check_text, cut, decimal, trim};
use escape::append_escaped;
pub(crate) use escape::unescape;

pub use name_addr::NameAddr;
pub(crate) use name_addr::check_name_addr;
pub use param::Param;
pub(crate) use param::{MAX_PARAMS, check_params};

/// Longest URI or name-addr that is read, in bytes.
pub const MAX_LEN: usize = 8_192;

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
    /// [`Error::Injection`] for control characters; [`Error::Malformed`] for an empty user or a host (with or without
    /// `:port`) that is none.
    pub fn new(user: Option<&str>, host: &str) -> Result<Uri, Error> {
        check_text("user", user.unwrap_or(""))?;
        check_text("host", host)?;
        let (host, port) = host_port(host).ok_or(Error::Malformed { what: "host" })?;
        if user == Some("") {
            return Err(Error::Malformed { what: "user" });
        }
        let user = user.map(|user| {
            let mut out = String::with_capacity(user.len());
            for (index, piece) in user.split('%').enumerate() {
                // In plain text a percent sign is a percent sign.
                out.push_str(if index > 0 { "%25" } else { "" });
                append_escaped(&mut out, piece, escape::is_user_byte);
            }
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

    /// The user part without `%` escapes, which may bring any character, NUL and CR included; bytes that are not UTF-8
    /// become U+FFFD.
    pub fn user_text(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.user.as_deref().map(unescape)
    }

    /// A parameter: `None` absent, `Some(None)` without value (`;lr`).
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        Param::find(&self.params, name)
    }

    /// Sets a parameter, in its place when it is there already.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        Param::set(&mut self.params, name, value);
    }

    /// Whether this is a `sip:` or `sips:` URI.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// Whether both name the same resource (RFC 3261 §19.1.4): as `==`, but escapes, the case of hosts and parameters, and
    /// the order of parameters and headers mean nothing. Other schemes are compared letter by letter.
    pub fn equivalent(&self, other: &Uri) -> bool {
        if !self.is_sip() || !other.is_sip() {
            return self == other;
        }
        let text = |part: &Option<String>| part.as_deref().map(|text| unescape(text).into_owned());
        self.scheme == other.scheme
            && text(&self.user) == text(&other.user)
            && text(&self.password) == text(&other.password)
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && params_match(&self.params, &other.params)
            && params_match(&other.params, &self.params)
            && sorted_headers(self) == sorted_headers(other)
    }

    pub(crate) fn append(&self, out: &mut String) {
        match &self.scheme {
            Scheme::Sip => out.push_str("sip:"),
            Scheme::Sips => out.push_str("sips:"),
            Scheme::Other(name) => {
                append_escaped(out, name, escape::is_scheme_byte);
                out.push(':');
                return append_escaped(out, &self.host, escape::is_opaque_byte);
            }
        }
        if let Some(user) = &self.user {
            append_escaped(out, user, escape::is_user_byte);
            if let Some(password) = &self.password {
                out.push(':');
                append_escaped(out, password, escape::is_password_byte);
            }
            out.push('@');
        }
        append_escaped(out, &self.host, escape::is_host_byte);
        if let Some(port) = self.port {
            out.push(':');
            append_decimal(out, u64::from(port));
        }
        for param in &self.params {
            out.push(';');
            append_escaped(out, &param.name, escape::is_param_byte);
            if let Some(value) = &param.value {
                out.push('=');
                append_escaped(out, value, escape::is_param_byte);
            }
        }
        if let Some(headers) = &self.headers {
            out.push('?');
            append_escaped(out, headers, escape::is_header_byte);
        }
    }
}

/// Text as the value of a URI's header (RFC 3261 §19.1.1): what the grammar does not let stand, and what would end the
/// value, is escaped.
pub(crate) fn escape_header(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (index, piece) in text.split('%').enumerate() {
        out.push_str(if index > 0 { "%25" } else { "" });
        append_escaped(&mut out, piece, |byte| escape::is_header_byte(byte) && byte != b'=' && byte != b'&');
    }
    out
}

/// One half of RFC 3261 §19.1.4: `user`, `ttl`, `method`, `maddr` and `transport` never match their absence; another
/// parameter counts only when both have it. Of a name that stands twice, which is illegal, the first counts.
fn params_match(a: &[Param], b: &[Param]) -> bool {
    a.iter().all(|param| match (Param::find(a, &param.name).flatten(), Param::find(b, &param.name)) {
        (Some(ours), Some(Some(theirs))) => unescape(theirs).eq_ignore_ascii_case(&unescape(ours)),
        (ours, Some(theirs)) => ours.is_none() && theirs.is_none(),
        (_, None) => {
            !["user", "ttl", "method", "maddr", "transport"].iter().any(|name| param.name.eq_ignore_ascii_case(name))
        }
    })
}

fn sorted_headers(uri: &Uri) -> Vec<(String, String)> {
    let text = uri.headers.as_deref().unwrap_or("");
    let mut headers = Vec::new();
    for header in text.split('&') {
        let (name, value) = cut(header, b'=');
        let header = (unescape(name).to_ascii_lowercase(), unescape(value.unwrap_or("")).into_owned());
        // Put in its place: sorting them afterwards would bring 2 kB of code into the page.
        headers.insert(headers.partition_point(|before| *before < header), header);
    }
    headers
}

/// Reads `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(crate) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let text = trim(text);
    let (host, rest) = if text.starts_with('[') {
        let (host, rest) = text.split_at(memchr::memchr(b']', text.as_bytes())? + 1);
        is_v6(&host[1..host.len() - 1]).then_some((host, rest))?
    } else {
        let (host, rest) = text.split_at(memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len()));
        let host = trim(host);
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            return None;
        }
        (host, rest)
    };
    match trim(rest).strip_prefix(':') {
        Some(port) => Some((host, Some(u16::try_from(decimal(trim(port))?).ok()?))),
        None => trim(rest).is_empty().then_some((host, None)),
    }
}

fn is_v6(text: &str) -> bool {
    if text.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    // RFC 5118 §4.10: the grammar of RFC 3261 puts a third colon between `::` and an IPv4 address, and such addresses
    // must be tolerated.
    let Some((start, end)) = text.split_once(":::") else { return false };
    !end.contains(':') && end.contains('.') && [start, "::", end].concat().parse::<Ipv6Addr>().is_ok()
}

/// A URI cut into its parts, nothing copied.
pub(crate) struct UriParts<'a> {
    /// As it stands; `sip` and `sips` in any case.
    pub(crate) scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    params: &'a str,
    pub(crate) headers: Option<&'a str>,
}

impl UriParts<'_> {
    pub(crate) fn is_sip(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("sip") || self.scheme.eq_ignore_ascii_case("sips")
    }

    pub(crate) fn into_uri(self) -> Result<Uri, Error> {
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Uri {
            scheme: match self.scheme.to_ascii_lowercase() {
                name if name == "sip" => Scheme::Sip,
                name if name == "sips" => Scheme::Sips,
                name => Scheme::Other(name),
            },
            user: owned(self.user),
            password: owned(self.password),
            host: self.host.to_owned(),
            port: self.port,
            params: Param::list(self.params)?,
            headers: owned(self.headers),
        })
    }
}

/// Cuts a URI and checks every part.
pub(crate) fn scan_uri(text: &str) -> Result<UriParts<'_>, Error> {
    let malformed = Error::Malformed { what: "URI" };
    if text.len() > MAX_LEN {
        return Err(Error::TooLong { what: "URI", limit: MAX_LEN });
    }
    // Letters beyond ASCII are let in, to be escaped when written; U+FFFD stands for what was not UTF-8.
    if text.bytes().any(|b| b <= b' ' || matches!(b, 0x7f | b'<' | b'>' | b'"' | b'\\')) || text.contains('\u{fffd}') {
        return Err(malformed);
    }
    let (scheme, Some(rest)) = cut(text, b':') else { return Err(malformed) };
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(escape::is_scheme_byte) {
        return Err(malformed);
    }
    let mut parts = UriParts { scheme, user: None, password: None, host: rest, port: None, params: "", headers: None };
    if !parts.is_sip() {
        return if rest.is_empty() { Err(malformed) } else { Ok(parts) };
    }
    // `;` and `?` may stand in the user part (RFC 3261 §25.1), so the `@` is looked for first.
    let rest = match cut(rest, b'@') {
        (rest, None) => rest,
        (userinfo, Some(rest)) => {
            let (user, password) = cut(userinfo, b':');
            if user.is_empty() {
                return Err(malformed);
            }
            (parts.user, parts.password) = (Some(user), password);
            rest
        }
    };
    let (rest, headers) = cut(rest, b'?');
    let (host, params) = cut(rest, b';');
    (parts.host, parts.port) = host_port(host).ok_or(malformed.clone())?;
    parts.headers = headers;
    parts.params = params.unwrap_or("");
    if params == Some("") {
        return Err(malformed);
    }
    check_params(parts.params).map_err(|_| malformed)?;
    Ok(parts)
}

impl FromStr for Uri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        check_text("URI", text)?;
        scan_uri(text)?.into_uri()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(64);
        self.append(&mut out);
        f.write_str(&out)
    }
}
