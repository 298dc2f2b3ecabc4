//! The header list of a message: rsip's vocabulary of headers, looked up by name, safe against injection.

use rsip::Header;
use rsip::headers::UntypedHeader;

use crate::Error;
use crate::scan::{Pieces, check_text, elements, is_token, trim};

/// The headers of one message, in their order on the wire.
///
/// Names are looked up without regard to case, and compact forms are understood (`v` is `Via`, RFC 3261 §7.3.3). What
/// is written always carries the full name. Values cannot hold CR, LF, NUL or another control character: every way
/// in refuses them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Header>);

/// Writes what knows rsip's variants, from one list of them. A table makes a smaller wasm than a `match`.
macro_rules! vocabulary {
    ($($variant:ident $name:literal)*) => {
        /// The variants' names and how each is made.
        static VOCABULARY: &[(&str, fn(String) -> Header)] =
            &[$(($name, |value| Header::$variant(rsip::headers::$variant::new(value)))),*];

        fn parts(header: &Header) -> (&str, &str) {
            match header {
                $(Header::$variant(inner) => ($name, inner.value()),)*
                Header::Other(name, value) => (name, value),
            }
        }
    };
}

vocabulary! {
    Via "Via" From "From" To "To" CallId "Call-ID" CSeq "CSeq" Contact "Contact" MaxForwards "Max-Forwards"
    ContentLength "Content-Length" ContentType "Content-Type" Route "Route" RecordRoute "Record-Route"
    Allow "Allow" Supported "Supported" UserAgent "User-Agent" Server "Server" Expires "Expires"
    Authorization "Authorization" ProxyAuthorization "Proxy-Authorization" WwwAuthenticate "WWW-Authenticate"
    ProxyAuthenticate "Proxy-Authenticate" Require "Require" ProxyRequire "Proxy-Require"
    Unsupported "Unsupported" Accept "Accept" AcceptEncoding "Accept-Encoding" AcceptLanguage "Accept-Language"
    AlertInfo "Alert-Info" AuthenticationInfo "Authentication-Info" CallInfo "Call-Info"
    ContentDisposition "Content-Disposition" ContentEncoding "Content-Encoding"
    ContentLanguage "Content-Language" Date "Date" ErrorInfo "Error-Info" Event "Event"
    InReplyTo "In-Reply-To" MimeVersion "MIME-Version" MinExpires "Min-Expires" Organization "Organization"
    Priority "Priority" ReplyTo "Reply-To" RetryAfter "Retry-After" Subject "Subject"
    SubscriptionState "Subscription-State" Timestamp "Timestamp" Warning "Warning"
}

/// The header of that name; `name` is the full one, in any case.
fn make(name: &str, value: String) -> Header {
    // The usual spelling is found by one comparison; another one by trying them all.
    let known = VOCABULARY
        .iter()
        .find(|(known, _)| *known == name)
        .or_else(|| VOCABULARY.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
    match known {
        Some((_, make)) => make(value),
        None => Header::Other(name.to_owned(), value),
    }
}

/// The full name of a compact form (IANA's registry of SIP header fields), or the name itself.
pub(crate) fn full_name(name: &str) -> &str {
    let &[letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}

fn checked(name: &str, value: impl Into<String>) -> Result<Header, Error> {
    if !is_token(name) {
        return Err(Error::Injection { field: "header name".to_owned() });
    }
    let value = value.into();
    check_text(name, &value)?;
    let trimmed = trim(&value);
    let value = if trimmed.len() == value.len() { value } else { trimmed.to_owned() };
    Ok(make(full_name(name), value))
}

impl Headers {
    /// No headers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for so many headers.
    pub(crate) fn with_capacity(headers: usize) -> Self {
        Headers(Vec::with_capacity(headers))
    }

    /// The value of the first header of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.position(name).map(|place| parts(&self.0[place]).1)
    }

    /// The values of all headers of that name, one for each header line, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = full_name(name);
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The comma-separated elements of all headers of that name, in order; quoted strings and `<…>` stay whole.
    pub fn get_list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.get_all(name).flat_map(elements)
    }

    /// Whether a list header (`Supported`, `Require`, `Allow`, …) names `token`, without regard to case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.get_list(name).any(|element| element.eq_ignore_ascii_case(token))
    }

    /// Adds a header at the end.
    ///
    /// # Errors
    /// [`Error::Injection`] when the name is not a token or the value holds a control character.
    pub fn push(&mut self, name: &str, value: impl Into<String>) -> Result<(), Error> {
        self.0.push(checked(name, value)?);
        Ok(())
    }

    /// Adds a header before all others of its name (before everything when there is none): `Via`, `Route`.
    ///
    /// # Errors
    /// As [`Headers::push`].
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) -> Result<(), Error> {
        let header = checked(name, value)?;
        let place = self.position(name).unwrap_or(0);
        self.0.insert(place, header);
        Ok(())
    }

    /// Replaces all headers of that name by one, in the place of the first; at the end when there was none.
    ///
    /// # Errors
    /// As [`Headers::push`].
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), Error> {
        let header = checked(name, value)?;
        match self.position(name) {
            None => self.0.push(header),
            Some(place) => {
                self.remove(name);
                self.0.insert(place, header);
            }
        }
        Ok(())
    }

    /// Removes every header of that name.
    pub fn remove(&mut self, name: &str) {
        let name = full_name(name);
        self.0.retain(|header| !parts(header).0.eq_ignore_ascii_case(name));
    }

    /// Takes the first element of the first header of that name, as an element of the path takes its own `Via` or
    /// `Route` (RFC 3261 §16.4, §16.7). The rest of a line stays.
    pub fn pop_front(&mut self, name: &str) -> Option<String> {
        loop {
            let place = self.position(name)?;
            let mut pieces = Pieces::new(parts(&self.0[place]).1, b',');
            let first = pieces.find(|piece| !piece.is_empty()).map(str::to_owned);
            let rest = trim(pieces.rest()).to_owned();
            if elements(&rest).next().is_none() {
                self.0.remove(place);
            } else {
                self.0[place] = make(parts(&self.0[place]).0, rest);
            }
            // A line may be empty.
            if first.is_some() {
                return first;
            }
        }
    }

    /// All headers as (full name, value), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(parts)
    }

    /// The headers in rsip's vocabulary.
    pub fn as_rsip(&self) -> &[Header] {
        &self.0
    }

    /// Number of header lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a header that the parser has read: the name is a full one, the value a line.
    pub(crate) fn push_parsed(&mut self, name: &str, value: String) {
        self.0.push(make(name, value));
    }

    fn position(&self, name: &str) -> Option<usize> {
        let name = full_name(name);
        self.0.iter().position(|header| parts(header).0.eq_ignore_ascii_case(name))
    }
}
