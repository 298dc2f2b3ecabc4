//! A SIP server that does what a test says, message by message, the same to every phone.
//!
//! It knows no transactions and no dialogs: what it sends is what the test wrote, so that it can also be wrong.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::browser::SOON;
use crate::fault::accept;

/// A server until this is dropped.
pub struct Script {
    addr: SocketAddr,
    lines: Mutex<UnboundedReceiver<Line>>,
    task: AbortHandle,
}

impl Script {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (found, lines) = unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, incoming) = unbounded_channel();
                let (outgoing, said) = unbounded_channel();
                let line = Line { incoming, outgoing, passed: VecDeque::new(), branches: 0 };
                if found.send(line).is_err() {
                    return;
                }
                tokio::spawn(async move {
                    // A phone may go at any time; the test looks at what it did before.
                    let _ended = carry(stream, heard, said).await;
                });
            }
        });
        Ok(Self { addr, lines: Mutex::new(lines), task: task.abort_handle() })
    }

    /// Where phones connect.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// The next phone that connects.
    ///
    /// # Errors
    /// When none does soon.
    pub async fn line(&self) -> Result<Line> {
        let mut lines = self.lines.lock().await;
        timeout(SOON, lines.recv()).await.context("no phone has connected")?.context("the server has ended")
    }

    /// The next phone that connects, once it is signed in.
    ///
    /// # Errors
    /// When none does soon.
    pub async fn signed_in(&self) -> Result<Line> {
        let mut line = self.line().await?;
        let register = line.expect("REGISTER ").await?;
        line.send(register.registered())?;
        Ok(line)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Between the WebSocket and the test. Keep-alives (RFC 5626 §3.5.1) are answered here.
async fn carry(stream: TcpStream, heard: UnboundedSender<Message>, mut said: UnboundedReceiver<String>) -> Result<()> {
    let mut phone = accept(stream).await?;
    loop {
        tokio::select! {
            frame = phone.next() => {
                let Some(frame) = frame else { return Ok(()) };
                let frame = frame?;
                if frame.is_text() || frame.is_binary() {
                    let text = String::from_utf8_lossy(&frame.into_data()).into_owned();
                    if text.trim().is_empty() {
                        phone.send(Frame::text("\r\n")).await?;
                    } else if heard.send(Message { at: Instant::now(), text }).is_err() {
                        return Ok(());
                    }
                }
            }
            text = said.recv() => {
                let Some(text) = text else { return Ok(()) };
                phone.send(Frame::text(text)).await?;
            }
        }
    }
}

/// The connection of one phone.
pub struct Line {
    incoming: UnboundedReceiver<Message>,
    outgoing: UnboundedSender<String>,
    /// What came and was not waited for.
    passed: VecDeque<Message>,
    branches: u32,
}

impl Line {
    /// The next message that begins like this; those before it are kept, see [`Self::passed`].
    ///
    /// # Errors
    /// When none comes soon; with what came instead.
    pub async fn expect(&mut self, start: &str) -> Result<Message> {
        self.expect_within(start, SOON).await
    }

    /// As [`Self::expect`], with another patience.
    ///
    /// # Errors
    /// When none comes in time; with what came instead.
    pub async fn expect_within(&mut self, start: &str, limit: Duration) -> Result<Message> {
        let end = Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(end, self.incoming.recv()).await {
                Ok(Some(message)) if message.text.starts_with(start) => return Ok(message),
                // A phone signs in again when it likes to.
                Ok(Some(message)) if message.text.starts_with("REGISTER ") => self.send(message.registered())?,
                Ok(Some(message)) => self.passed.push_back(message),
                Ok(None) => bail!("the phone has gone, {start:?} never came; before it: {}", self.summary()),
                Err(_) => bail!("{start:?} did not come within {limit:?}; before it: {}", self.summary()),
            }
        }
    }

    /// What has come so far and was not waited for, oldest first.
    pub fn passed(&mut self) -> Vec<Message> {
        while let Ok(message) = self.incoming.try_recv() {
            self.passed.push_back(message);
        }
        self.passed.drain(..).collect()
    }

    /// Sends a message as it is.
    ///
    /// # Errors
    /// When the phone has gone.
    pub fn send(&self, text: String) -> Result<()> {
        self.outgoing.send(text).map_err(|_| anyhow::anyhow!("the phone has gone"))
    }

    /// As [`Message::request`]; the branch is new.
    pub fn request(&mut self, method: &str, cseq: u32, invite: &Message, tag: &str, body: &str) -> String {
        self.branches += 1;
        invite.request(method, cseq, tag, self.branches, "", body)
    }

    fn summary(&self) -> String {
        let lines = self.passed.iter().map(|message| message.text.lines().next().unwrap_or_default());
        lines.collect::<Vec<_>>().join(", ")
    }
}

/// A message of a phone.
#[derive(Clone, Debug)]
pub struct Message {
    /// When it came.
    pub at: Instant,
    /// As it came.
    pub text: String,
}

impl Message {
    /// The first value of a header by its full name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// All values of a header, each line one.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.text.lines().take_while(|line| !line.is_empty());
        lines.filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The tag of `From` or `To`.
    pub fn tag(&self, header: &str) -> Option<&str> {
        let (_, tag) = self.header(header)?.split_once(";tag=")?;
        tag.split(';').next()
    }

    /// The number of `CSeq`.
    pub fn cseq(&self) -> Option<u32> {
        self.header("CSeq")?.split_whitespace().next()?.parse().ok()
    }

    /// What follows the headers.
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// The URI of its contact.
    pub fn contact(&self) -> &str {
        let contact = self.header("Contact").unwrap_or_default();
        contact.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(contact, |(uri, _)| uri)
    }

    /// A response to this request, of the far end `tag`; `extra` holds whole lines.
    pub fn reply(&self, status: &str, tag: &str, extra: &str, body: &str) -> String {
        let mut head = String::new();
        for name in ["Via", "Record-Route"] {
            for value in self.headers(name) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let to = self.header("To").unwrap_or_default();
        let to = if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
        let _ = write!(head, "To: {to}\r\n");
        for name in ["From", "Call-ID", "CSeq"] {
            let _ = write!(head, "{name}: {}\r\n", self.header(name).unwrap_or_default());
        }
        compose(&format!("SIP/2.0 {status}"), &format!("{head}{extra}"), body)
    }

    /// A request of the far end `tag` in the dialog that this request of the phone began; `extra` holds whole lines.
    pub fn request(&self, method: &str, cseq: u32, tag: &str, branch: u32, extra: &str, body: &str) -> String {
        let header = |name| self.header(name).unwrap_or_default();
        let head = format!(
            "Via: SIP/2.0/WS script.invalid;branch=z9hG4bK-script-{branch}\r\nMax-Forwards: 70\r\n\
             From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{tag}@127.0.0.1>\r\n",
            header("To"),
            header("From"),
            header("Call-ID"),
        );
        compose(&format!("{method} {} SIP/2.0", self.contact()), &format!("{head}{extra}"), body)
    }

    /// 200 to a REGISTER, for ten minutes.
    pub fn registered(&self) -> String {
        let contact = self.header("Contact").unwrap_or_default();
        let contact = contact.split(";expires=").next().unwrap_or_default();
        self.reply("200 OK", "registrar", &format!("Contact: {contact};expires=600\r\n"), "")
    }

    /// 200 to an INVITE, of the far end `tag`.
    pub fn accepted(&self, tag: &str) -> String {
        self.accepted_with(tag, &description(self.body(), "active"))
    }

    /// The same with this answer.
    pub fn accepted_with(&self, tag: &str, answer: &str) -> String {
        let extra = format!("Contact: <sip:{tag}@127.0.0.1>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n");
        self.reply("200 OK", tag, &extra, answer)
    }
}

/// A message of its parts, with the headers that its body needs.
pub fn compose(start: &str, headers: &str, body: &str) -> String {
    let kind = if body.starts_with("v=0") { "Content-Type: application/sdp\r\n" } else { "" };
    format!("{start}\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A description of a far end that is never reached: what a browser takes for the answer to `offer` (`setup`
/// `active`), or for an offer after it (`actpass`).
pub fn description(offer: &str, setup: &str) -> String {
    let mid = offer.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap_or("0");
    let print = ["AB"; 32].join(":");
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        &format!("a=group:BUNDLE {mid}"),
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        "c=IN IP4 0.0.0.0",
        "a=rtpmap:0 PCMU/8000",
        &format!("a=mid:{mid}"),
        "a=ice-ufrag:scri",
        "a=ice-pwd:0123456789abcdefghijkl",
        &format!("a=fingerprint:sha-256 {print}"),
        &format!("a=setup:{setup}"),
        "a=rtcp-mux",
        "a=sendrecv",
        "",
    ]
    .join("\r\n")
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Message, description};

    #[test]
    fn a_reply_takes_from_the_request_what_it_must() {
        let text = "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
                    To: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nContact: \"A\" <sip:a@a.invalid>;+sip.ice\r\n\r\na=mid:5\r\n";
        let invite = Message { at: Instant::now(), text: text.to_owned() };
        assert_eq!((invite.cseq(), invite.tag("From"), invite.tag("To")), (Some(7), Some("1"), None));
        assert_eq!(invite.contact(), "sip:a@a.invalid");
        let reply = invite.reply("180 Ringing", "2", "", "");
        assert!(reply.starts_with(
            "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nTo: <sip:b@x>;tag=2\r\n"
        ));
        assert!(invite.accepted("2").contains("\r\nContent-Type: application/sdp\r\n"));
        assert!(description(invite.body(), "active").contains("a=mid:5\r\n"));
    }
}
