//! The headers of our requests and responses, and what a user may type as a target.

use std::time::Duration;

use super::entropy::Entropy;
use super::{CallOptions, Config, Transport};
use crate::message::{Request, Response};
use crate::registration::Binding;
use crate::value::{check_text, decimal, is_token};
use crate::{Body, CSeq, Error, Headers, Method, NameAddr, Remote, Uri};

/// What we do; `PUBLISH`, `REGISTER` and the like are refused with this list.
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, NOTIFY, REFER";

/// The only body that we read.
pub(super) const ACCEPT: &str = "application/sdp";

/// Who calls without saying who (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

/// Longest target, in bytes: far beyond any number, far below what a proxy would refuse.
const MAX_TARGET: usize = 1_024;

/// RFC 3261 §20.19: expiry times are below 2³² seconds.
const MAX_EXPIRES: u64 = 0xffff_ffff;

/// Contacts of an account that are listed.
const MAX_BINDINGS: usize = 64;

/// Headers that a caller of [`Agent::call`](super::Agent::call) may not set: they belong to the agent or would promise
/// what it does not do.
const RESERVED: [&str; 31] = [
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
    "RAck",
    "Answer-Mode",
    "Recv-Info",
    "Refer-To",
    "Referred-By",
    "Refer-Sub",
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
    /// What the registrar made of our instance: reached from anywhere, and lead to this phone alone (RFC 5627).
    gruu: Option<NameAddr>,
    /// The same, without saying whose.
    temporary: Option<NameAddr>,
    /// Our registration is bound to its connection (RFC 5626).
    pub(super) outbound: bool,
    user_agent: String,
    /// Trickle ICE is taken.
    pub(super) trickle: bool,
    pub(super) reliable: bool,
    /// RFC 3262 is.
    pub(super) prack: bool,
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
            gruu: None,
            temporary: None,
            outbound: false,
            user_agent: config.user_agent.clone(),
            trickle: config.trickle,
            reliable: config.transport != Transport::Udp,
            prack: config.reliable,
        })
    }

    /// Host and port that we call ourselves.
    pub(crate) fn sent_by(&self) -> String {
        let start = self.via.find(' ').map_or(0, |space| space + 1);
        self.via[start..].trim_end_matches(";branch=z9hG4bK").to_owned()
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
        self.hide(&mut request.headers, "From");
        Ok(())
    }

    /// Adds our Contact and what we do to a message of a dialog that is no INVITE and no answer to one.
    pub(super) fn add_contact(&self, headers: &mut Headers) {
        headers.push_parsed("Contact", self.contact(false));
        headers.push_parsed("Allow", ALLOW.to_owned());
    }

    /// Adds our Contact (RFC 3261 §8.1.1.8) and what we do.
    pub(super) fn offer_contact(&self, headers: &mut Headers) {
        self.add_contact(headers);
        // RFC 6086 §4.2.2: an empty list says that we know of packages and take none.
        headers.push_parsed("Recv-Info", self.packages().to_owned());
        let mut supported = vec!["replaces", "timer"];
        if self.prack {
            supported.push(super::reliable::RELIABLE);
        }
        if self.trickle {
            // RFC 8840 §6.
            supported.push(super::info::TRICKLE);
        }
        if self.gruu.is_some() {
            // RFC 5627 §4.4: our Contact is one.
            supported.push("gruu");
        }
        headers.push_parsed("Supported", supported.join(", "));
    }

    /// Whether a request of that method may demand an extension (RFC 3261 §8.2.2.3).
    pub(super) fn knows(&self, method: &Method, tag: &str) -> bool {
        let known = |name: &str| tag.eq_ignore_ascii_case(name);
        match method {
            Method::Refer => known("norefersub"),
            Method::Invite => known("replaces") || known("timer") || (self.prack && known(super::reliable::RELIABLE)),
            Method::Update => known("timer"),
            _ => self.prack && known(super::reliable::RELIABLE),
        }
    }

    /// Whether a request has been through our hands.
    pub(super) fn has_sent(&self, request: &Request) -> bool {
        let start = self.via.trim_end_matches(";branch=z9hG4bK");
        let ours = |via: &str| via.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(';'));
        request.headers.get_list("Via").any(ours)
    }

    /// Adds what a caller may wish to an INVITE.
    pub(super) fn add_wishes(&self, request: &mut Request, options: &CallOptions, tag: &str) -> Result<(), Error> {
        let headers = &mut request.headers;
        if let Some(replaces) = &options.replaces {
            let value = replaces.to_string();
            check_text("Replaces", &value)?;
            // A name that cannot be read back would be another one.
            if value.parse::<crate::Replaces>()? != *replaces {
                return Err(Error::Malformed { what: "Replaces" });
            }
            headers.set("Replaces", value)?;
            // RFC 3891 §6.2: who cannot take the place does not ring.
            headers.set("Require", "replaces")?;
        }
        if options.auto_answer {
            headers.push_parsed("Answer-Mode", "Auto".to_owned());
        }
        if options.anonymous {
            // RFC 3323 §4.1.1.3; RFC 3325 §9.3, §9.2: our own server hears who we are, and keeps it to itself.
            headers.set("From", [ANONYMOUS, ";tag=", tag].concat())?;
            headers.push_parsed("Privacy", "id".to_owned());
            headers.push_parsed("P-Preferred-Identity", self.name.to_string());
        }
        Ok(())
    }

    /// Takes our name out of the Contact where `ours`, the header that names us in this dialog, does not tell it.
    fn hide(&self, headers: &mut Headers, ours: &str) {
        if headers.get(ours).is_some_and(|name| name.starts_with(ANONYMOUS)) && headers.get("Contact").is_some() {
            // A Contact of ours can be written.
            let _ = headers.set("Contact", self.contact(true));
        }
    }

    /// The INFO packages that we take.
    pub(super) const fn packages(&self) -> &'static str {
        if self.trickle { super::info::TRICKLE } else { "" }
    }

    /// Where a peer reaches us in a dialog: the registrar's name for this phone, else our own (RFC 5627 §4.4);
    /// `anonymous`: without saying whose phone it is.
    pub(super) fn contact(&self, anonymous: bool) -> String {
        let (given, user) =
            if anonymous { (&self.temporary, Some("anonymous".to_owned())) } else { (&self.gruu, None) };
        if let Some(given) = given {
            return given.to_string();
        }
        let mut contact = self.contact.clone();
        contact.uri.user = user.or(contact.uri.user);
        if self.outbound {
            // RFC 5626 §4.3: what follows in the dialog shall come over the same connection.
            contact.uri.set_param("ob", None);
        }
        contact.to_string()
    }

    /// Adds the Contact and the expiry of a REGISTER (RFC 3261 §10.2, RFC 5626 §4.2.1, RFC 5627 §4.1). `plain`: without
    /// RFC 5626.
    pub(super) fn bind_contact(&self, headers: &mut Headers, expires: Duration, reg_id: u32, plain: bool) {
        let mut contact = self.contact.to_string();
        let mut supported = "path";
        if let Some(urn) = &self.instance {
            if plain {
                supported = "path, gruu";
            } else {
                supported = "path, gruu, outbound";
                contact.push_str(";reg-id=");
                crate::scan::append_decimal(&mut contact, u64::from(reg_id));
            }
            contact = [&contact, ";+sip.instance=\"<", urn, ">\""].concat();
        }
        headers.push_parsed("Supported", supported.to_owned());
        headers.push_parsed("Contact", contact);
        headers.push_parsed("Expires", expires.as_secs().to_string());
        headers.push_parsed("Allow", ALLOW.to_owned());
    }

    /// Whether the registrar can tell this phone from the account's others.
    pub(super) fn has_instance(&self) -> bool {
        self.instance.is_some()
    }

    /// All contacts that the answer to a REGISTER lists. Ours are known by the instance, or by the URI where the
    /// registrar leaves that out.
    pub(super) fn bindings(&self, response: &Response) -> Vec<Binding> {
        let contacts = response.contacts().into_iter().filter(|contact| contact.uri.is_sip());
        let binding = |contact: NameAddr| {
            let text = |name: &str| contact.param(name).flatten();
            let instance = text("+sip.instance").map(|value| value.trim_matches('"').trim_matches(['<', '>']));
            let number = text("reg-id").and_then(decimal).and_then(|number| u32::try_from(number).ok());
            let ours = match (&self.instance, instance) {
                // RFC 4122 §3: letters in either case.
                (Some(urn), Some(value)) => value.eq_ignore_ascii_case(urn),
                _ => contact.uri.user == self.contact.uri.user && contact.uri.host == self.contact.uri.host,
            };
            Binding {
                expires: text("expires").and_then(decimal).map(|secs| Duration::from_secs(secs.min(MAX_EXPIRES))),
                instance: instance.map(str::to_owned),
                reg_id: number,
                ours,
                uri: contact.uri,
            }
        };
        contacts.take(MAX_BINDINGS).map(binding).collect()
    }

    /// The time that a registrar granted to our binding over one flow (RFC 3261 §10.2.4); a registrar that lists none of ours has
    /// granted what its Expires says, or what we asked.
    pub(super) fn granted(bindings: &[Binding], reg_id: u32, response: &Response, asked: Duration) -> Duration {
        let ours = |it: &&Binding| it.ours && it.reg_id.is_none_or(|number| number == reg_id);
        let of_contact = bindings.iter().find(ours).and_then(|binding| binding.expires);
        let of_answer = || response.headers.get("Expires").and_then(decimal);
        of_contact.or_else(|| of_answer().map(|secs| Duration::from_secs(secs.min(MAX_EXPIRES)))).unwrap_or(asked)
    }

    /// Takes the names that the registrar gave this phone (RFC 5627 §4.2), or takes note that it gives none.
    pub(super) fn take_gruus(&mut self, response: &Response) {
        self.forget_gruus();
        let Some(urn) = &self.instance else { return };
        for contact in response.contacts() {
            let value = |name: &str| contact.params.iter().find(|param| param.name.eq_ignore_ascii_case(name))?.text();
            if !value("+sip.instance").is_some_and(|value| value.trim_matches(['<', '>']).eq_ignore_ascii_case(urn)) {
                continue;
            }
            let gruu = |name: &str| {
                let uri: Uri = value(name)?.parse().ok()?;
                NameAddr::new(None, uri).ok().filter(|it| it.uri.is_sip() && it.uri.param("gr").is_some())
            };
            self.gruu = gruu("pub-gruu");
            self.temporary = gruu("temp-gruu");
        }
    }

    /// The registration is over, and with it these names.
    pub(super) fn forget_gruus(&mut self) {
        self.gruu = None;
        self.temporary = None;
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
        self.hide(&mut response.headers, "To");
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
