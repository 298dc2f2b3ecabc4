//! Requests and responses, what every part of the crate asks of them, and their bytes.

use crate::header::Headers;
use crate::scan::append_decimal;
use crate::uri::{NameAddr, Uri};
use crate::value::{CSeq, Via};
use crate::{Error, Method};

/// A SIP message (RFC 3261 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// RFC 3261 §7.1.
    Request(Request),
    /// RFC 3261 §7.2.
    Response(Response),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// Headers but `Content-Length`, which is written from the body.
    pub headers: Headers,
    /// The body, opaque here.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// Reason phrase, for people.
    pub reason: String,
    /// Headers but `Content-Length`, which is written from the body.
    pub headers: Headers,
    /// The body, opaque here.
    pub body: Vec<u8>,
}

impl Headers {
    /// The `Call-ID`; empty when it is missing, which the parser refuses.
    pub fn call_id(&self) -> &str {
        self.get("Call-ID").unwrap_or("")
    }

    /// The `CSeq`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Malformed`].
    pub fn cseq(&self) -> Result<CSeq, Error> {
        self.need("CSeq")?.parse()
    }

    /// The `From`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Malformed`].
    pub fn from(&self) -> Result<NameAddr, Error> {
        NameAddr::from_wire(self.need("From")?)
    }

    /// The `To`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Malformed`].
    pub fn to(&self) -> Result<NameAddr, Error> {
        NameAddr::from_wire(self.need("To")?)
    }

    /// The first `Via`: who sent this message last.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Malformed`].
    pub fn top_via(&self) -> Result<Via, Error> {
        self.get_list("Via").next().ok_or(Error::Missing { header: "Via" })?.parse()
    }

    /// Every `Via` that can be read, the last hop first.
    pub fn vias(&self) -> Vec<Via> {
        self.get_list("Via").filter_map(|via| via.parse().ok()).collect()
    }

    /// Every `Contact` that can be read, in order. `Contact: *` is none: see [`Headers::get`].
    pub fn contacts(&self) -> Vec<NameAddr> {
        self.routes("Contact")
    }

    /// Every address of the list header `name` (`Route`, `Record-Route`, `Path`, …) that can be read, in order.
    pub fn routes(&self, name: &str) -> Vec<NameAddr> {
        self.get_list(name).filter_map(|element| NameAddr::from_wire(element).ok()).collect()
    }

    /// The media type of the body, without parameters: `application/sdp`.
    pub fn content_type(&self) -> Option<&str> {
        self.get("Content-Type").map(|value| value.split(';').next().unwrap_or(value).trim_end())
    }

    fn need(&self, header: &'static str) -> Result<&str, Error> {
        self.get(header).ok_or(Error::Missing { header })
    }
}

/// The accessors that requests and responses share: they ask the headers.
macro_rules! shared_accessors {
    ($kind:ty) => {
        impl $kind {
            /// See [`Headers::call_id`].
            pub fn call_id(&self) -> &str {
                self.headers.call_id()
            }

            /// See [`Headers::cseq`].
            ///
            /// # Errors
            /// [`Error::Missing`], [`Error::Malformed`].
            pub fn cseq(&self) -> Result<CSeq, Error> {
                self.headers.cseq()
            }

            /// See [`Headers::from`].
            ///
            /// # Errors
            /// [`Error::Missing`], [`Error::Malformed`].
            pub fn from(&self) -> Result<NameAddr, Error> {
                self.headers.from()
            }

            /// See [`Headers::to`].
            ///
            /// # Errors
            /// [`Error::Missing`], [`Error::Malformed`].
            pub fn to(&self) -> Result<NameAddr, Error> {
                self.headers.to()
            }

            /// See [`Headers::top_via`].
            ///
            /// # Errors
            /// [`Error::Missing`], [`Error::Malformed`].
            pub fn top_via(&self) -> Result<Via, Error> {
                self.headers.top_via()
            }

            /// See [`Headers::vias`].
            pub fn vias(&self) -> Vec<Via> {
                self.headers.vias()
            }

            /// See [`Headers::contacts`].
            pub fn contacts(&self) -> Vec<NameAddr> {
                self.headers.contacts()
            }

            /// See [`Headers::routes`].
            pub fn routes(&self, name: &str) -> Vec<NameAddr> {
                self.headers.routes(name)
            }

            /// See [`Headers::content_type`].
            pub fn content_type(&self) -> Option<&str> {
                self.headers.content_type()
            }
        }
    };
}

shared_accessors!(Request);
shared_accessors!(Response);

impl Message {
    /// The headers of either kind.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The headers of either kind.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }

    /// The body of either kind.
    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }

    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, uri: Uri) -> Request {
        Request { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    /// The request as it goes on the wire, with an exact `Content-Length`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(1_024 + self.body.len());
        append_clean(&mut out, self.method.as_str());
        out.push(' ');
        self.uri.append(&mut out);
        out.push_str(" SIP/2.0\r\n");
        finish(out, &self.headers, &self.body)
    }
}

impl Response {
    /// A response to `request` with the headers that RFC 3261 §8.2.6.2 wants copied: every `Via`, `From`, `To`,
    /// `Call-ID` and `CSeq`. `to_tag` is added to a `To` that has none; `reason` `None` is the standard phrase.
    pub fn to_request(request: &Request, status: u16, reason: Option<&str>, to_tag: Option<&str>) -> Response {
        let mut headers = Headers::new();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in request.headers.get_all(name) {
                let mut value = value.to_owned();
                if let ("To", Some(tag)) = (name, to_tag)
                    && request.to().is_ok_and(|to| to.tag().is_none())
                {
                    value.push_str(";tag=");
                    append_clean(&mut value, tag);
                }
                headers.push_parsed(name, value);
            }
        }
        let reason = reason.unwrap_or_else(|| reason_phrase(status)).to_owned();
        Response { status, reason, headers, body: Vec::new() }
    }

    /// The response as it goes on the wire, with an exact `Content-Length`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(1_024 + self.body.len());
        out.push_str("SIP/2.0 ");
        append_decimal(&mut out, u64::from(self.status));
        out.push(' ');
        append_clean(&mut out, &self.reason);
        out.push_str("\r\n");
        finish(out, &self.headers, &self.body)
    }
}

/// Adds text of a public field: a control character, which would end the line, is left out. Who builds messages from
/// a user's text has refused it long before ([`crate::value::check_text`]); this is the last line of defence.
fn append_clean(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        out.extend(text.chars().filter(|c| !c.is_control()));
    } else {
        out.push_str(text);
    }
}

fn finish(mut out: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    for (name, value) in headers.iter() {
        if name != "Content-Length" {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push_str("\r\n");
        }
    }
    out.push_str("Content-Length: ");
    append_decimal(&mut out, body.len() as u64);
    out.push_str("\r\n\r\n");
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The phrase that goes with a status (IANA's registry of SIP response codes); the class's for one that is not listed.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        433 => "Anonymity Disallowed",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        469 => "Bad Info Package",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Trying",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
