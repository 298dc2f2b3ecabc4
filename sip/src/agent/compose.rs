//! The headers of our requests and responses, and what a user may type as a target.

use std::time::Duration;

use super::entropy::Entropy;
use super::{CallOptions, Config, Transport};
use crate::message::{Request, Response};
use crate::value::{check_text, is_token};
use crate::{Body, CSeq, Error, Headers, Method, NameAddr, Remote, Uri};

/// What we do; `UPDATE`, `INFO`, `REFER` and the like are refused with this list.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";

/// The only body that we read.
pub(super) const ACCEPT: &str = "application/sdp";

/// Longest target, in bytes: far beyond any number, far below what a proxy would refuse.
const MAX_TARGET: usize = 1_024;

/// RFC 3261 §20.19: expiry times are below 2³² seconds.
const MAX_EXPIRES: u64 = 0xffff_ffff;

/// Headers that a caller of [`Agent::call`](super::Agent::call) may not set: they belong to the agent or would promise
/// what it does not do.
const RESERVED: [&str; 25] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Route",
    "Record-Route",
    "Max-Forwards",
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Authorization",
    "Proxy-Authorization",
    "Require",
    "Proxy-Require",
    "Supported",
    "Allow",
    "User-Agent",
    "Expires",
    "Event",
    "Replaces",
    "Session-Expires",
    "Min-SE",
    "RSeq",
];

/// The parts of messages that stay the same as long as the account does.
#[derive(Debug)]
pub(super) struct Identity {
    /// Address of record with the display name; the From of a request without its tag.
    pub(super) name: NameAddr,
    /// The address of record's domain: where REGISTER goes and where plain numbers live.
    pub(super) domain: Uri,
    /// `SIP/2.0/WSS host:port;branch=`.
    via: String,
    /// Ends a Via.
    via_params: &'static str,
    contact: NameAddr,
    /// Of the registration only.
    instance: Option<String>,
    user_agent: String,
    pub(super) reliable: bool,
}

impl Identity {
    pub(super) fn new(config: &Config, entropy: &mut Entropy) -> Result<Identity, Error> {
        if !config.uri.is_sip() {
            return Err(Error::Malformed { what: "address of record" });
        }
        check_text("User-Agent", &config.user_agent)?;
        let name = NameAddr::new(config.display_name.as_deref(), bare(&config.uri))?;
        let mut domain = bare(&config.uri);
        domain.user = None;
        // RFC 7118 §5: a browser has no name that others could reach.
        let sent_by = config.sent_by.clone().unwrap_or_else(|| entropy.token() + ".invalid");
        let mut contact = Uri::new(None, &sent_by)?;
        contact.user.clone_from(&config.uri.user);
        let (via, param) = match config.transport {
            Transport::Udp => ("UDP", None),
            Transport::Tcp => ("TCP", Some("tcp")),
            Transport::Tls => ("TLS", Some("tls")),
            Transport::Ws => ("WS", Some("ws")),
            Transport::Wss => ("WSS", Some("ws")),
        };
        if let Some(transport) = param {
            contact.params.push(crate::Param::new("transport", Some(transport))?);
        }
        if let Some(urn) = &config.instance_id
            && !(urn.starts_with("urn:") && urn.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\".contains(&b)))
        {
            return Err(Error::Malformed { what: "instance id" });
        }
        Ok(Identity {
            name,
            domain,
            via: ["SIP/2.0/", via, " ", &sent_by, ";branch=z9hG4bK"].concat(),
            // RFC 3581: the answer comes back to the port that we sent from.
            via_params: if config.transport == Transport::Udp { ";rport" } else { "" },
            contact: NameAddr::new(None, contact)?,
            instance: config.instance_id.clone(),
            user_agent: config.user_agent.clone(),
            reliable: config.transport != Transport::Udp,
        })
    }

    /// A request outside any dialog, without Via (RFC 3261 §8.1.1).
    pub(super) fn request(
        &self,
        method: Method,
        uri: Uri,
        to: &NameAddr,
        call_id: &str,
        from_tag: &str,
        seq: u32,
    ) -> Request {
        let mut request = Request::new(method.clone(), uri);
        let mut from = self.name.clone();
        from.set_tag(from_tag);
        let headers = &mut request.headers;
        headers.push_parsed("From", from.to_string());
        headers.push_parsed("To", to.to_string());
        headers.push_parsed("Call-ID", call_id.to_owned());
        headers.push_parsed("CSeq", CSeq { seq, method }.to_string());
        request
    }

    /// Adds what every request of ours has: a Via with a fresh branch, Max-Forwards, User-Agent.
    pub(super) fn stamp(&self, request: &mut Request, entropy: &mut Entropy) -> Result<(), Error> {
        let via = [&self.via, entropy.token().as_str(), self.via_params].concat();
        request.headers.push_front("Via", via)?;
        request.headers.push_parsed("Max-Forwards", "70".to_owned());
        request.headers.push_parsed("User-Agent", self.user_agent.clone());
        Ok(())
    }

    /// Adds our Contact (RFC 3261 §8.1.1.8) and what we do.
    pub(super) fn offer_contact(&self, headers: &mut Headers) {
        headers.push_parsed("Contact", self.contact.to_string());
        headers.push_parsed("Allow", ALLOW.to_owned());
    }

    /// Adds the Contact and the expiry of a REGISTER (RFC 3261 §10.2, RFC 5626 §4.2.1).
    pub(super) fn bind_contact(&self, headers: &mut Headers, expires: Duration) {
        let mut contact = self.contact.to_string();
        if let Some(urn) = &self.instance {
            contact = [&contact, ";reg-id=1;+sip.instance=\"<", urn, ">\""].concat();
            // RFC 5626 §4.2.1 asks for both tags.
            headers.push_parsed("Supported", "path, outbound".to_owned());
        }
        headers.push_parsed("Contact", contact);
        headers.push_parsed("Expires", expires.as_secs().to_string());
        headers.push_parsed("Allow", ALLOW.to_owned());
    }

    /// The time that a registrar granted to our binding (RFC 3261 §10.2.4); a registrar that lists none of ours has
    /// granted what its Expires says, or what we asked.
    pub(super) fn granted(&self, response: &Response, asked: Duration) -> Duration {
        let ours = |contact: &NameAddr| match (&self.instance, contact.param("+sip.instance").flatten()) {
            (Some(urn), Some(value)) => value.trim_matches('"').trim_matches(['<', '>']) == urn,
            _ => contact.uri.user == self.contact.uri.user && contact.uri.host == self.contact.uri.host,
        };
        let of_contact = response
            .contacts()
            .iter()
            .find(|contact| ours(contact))
            .and_then(|contact| contact.param("expires").flatten().and_then(crate::value::decimal));
        of_contact
            .or_else(|| response.headers.get("Expires").and_then(crate::value::decimal))
            .map_or(asked, |seconds| Duration::from_secs(seconds.min(MAX_EXPIRES)))
    }

    /// A response to a request of the network.
    pub(super) fn response(&self, request: &Request, status: u16, reason: Option<&str>, tag: &str) -> Response {
        let mut response = Response::to_request(request, status, reason, Some(tag));
        response.headers.push_parsed("Server", self.user_agent.clone());
        response
    }

    /// A response that makes a dialog: with our Contact and the route that the INVITE recorded (RFC 3261 §12.1.1).
    pub(super) fn dialog_response(
        &self,
        request: &Request,
        status: u16,
        tag: &str,
        body: Option<Body>,
    ) -> Result<Response, Error> {
        let mut response = self.response(request, status, None, tag);
        for route in request.headers.get_all("Record-Route") {
            response.headers.push_parsed("Record-Route", route.to_owned());
        }
        self.offer_contact(&mut response.headers);
        if let Some(body) = body {
            response.headers.push("Content-Type", body.content_type)?;
            response.body = body.bytes;
        }
        Ok(response)
    }

    /// Reads what a user may type: a number, `user@host`, a `sip:`, `sips:` or `tel:` URI, or one of these in `<>` with a
    /// name before it.
    pub(super) fn target(&self, text: &str) -> Result<NameAddr, Error> {
        check_text("target", text)?;
        if text.len() > MAX_TARGET {
            return Err(Error::TooLong { what: "target", limit: MAX_TARGET });
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Malformed { what: "target" });
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let mut name = if text.contains('<') {
            text.parse::<NameAddr>()?
        } else if ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            NameAddr::new(None, text.parse()?)?
        } else if let Some((user, host)) = text.rsplit_once('@').filter(|(user, _)| !user.contains(':')) {
            NameAddr::new(None, Uri::new(Some(user), host)?)?
        } else if text.contains([':', '/', '@']) {
            // An address of another kind, not a number.
            return Err(Error::Malformed { what: "target" });
        } else {
            let mut uri = self.domain.clone();
            uri.user = Uri::new(Some(text), &self.domain.host)?.user;
            NameAddr::new(None, uri)?
        };
        name.params.clear();
        // RFC 3261 §19.1.5: a URI may bring headers along; whoever wrote the link must not write our INVITE.
        name.uri.headers = None;
        name.uri.params.retain(|param| !param.name.eq_ignore_ascii_case("method"));
        match &name.uri.scheme {
            rsip::Scheme::Sip | rsip::Scheme::Sips => {}
            rsip::Scheme::Other(scheme) if scheme.eq_ignore_ascii_case("tel") => {
                // §19.1.6: the number without its visual separators becomes a user of our own domain.
                let number = name.uri.host.split(';').next().unwrap_or("");
                let number: String = number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
                if number.is_empty() {
                    return Err(Error::Malformed { what: "target" });
                }
                let mut uri = self.domain.clone();
                uri.user = Uri::new(Some(&number), &self.domain.host)?.user;
                uri.params.push(crate::Param::new("user", Some("phone"))?);
                name.uri = uri;
            }
            rsip::Scheme::Other(_) => return Err(Error::Malformed { what: "target" }),
        }
        Ok(name)
    }
}

/// Adds the headers that a caller asked for.
pub(super) fn add_options(request: &mut Request, options: CallOptions) -> Result<(), Error> {
    for (name, value) in options.headers {
        if !is_token(&name) {
            return Err(Error::Injection { field: "header name".to_owned() });
        }
        let full = crate::header::full_name(&name);
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(full)) {
            return Err(Error::Reserved { header: name });
        }
        request.headers.push(&name, value)?;
    }
    Ok(())
}

/// The session description of a message.
pub(super) fn description(headers: &Headers, body: &[u8]) -> Option<Body> {
    if body.is_empty() {
        return None;
    }
    let content_type = headers.content_type()?.to_owned();
    content_type.eq_ignore_ascii_case(ACCEPT).then(|| Body { content_type, bytes: body.to_vec() })
}

/// Who the network says the other end is (RFC 3325 §9.1).
pub(super) fn asserted(headers: &Headers) -> Option<Remote> {
    let name: NameAddr = headers.get_list("P-Asserted-Identity").find_map(|value| value.parse().ok())?;
    Some(name.into())
}

/// The text of a Reason header (RFC 3326), and whether it says that the call was answered elsewhere.
pub(super) fn reason_of(headers: &Headers) -> (Option<String>, bool) {
    let (mut text, mut elsewhere) = (None, false);
    for value in headers.get_list("Reason") {
        let mut parts = crate::scan::Pieces::new(value, b';');
        let sip = parts.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("SIP"));
        for part in parts {
            match part.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("cause") => {
                    elsewhere |= sip && value.trim() == "200";
                }
                Some((name, value)) if name.trim().eq_ignore_ascii_case("text") => {
                    text.get_or_insert_with(|| crate::value::unquote(value.trim()).into_owned());
                }
                _ => {}
            }
        }
    }
    (text, elsewhere)
}

/// Scheme, user, host and port: an address of record.
fn bare(uri: &Uri) -> Uri {
    Uri { password: None, params: Vec::new(), headers: None, ..uri.clone() }
}
