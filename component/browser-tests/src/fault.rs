//! Servers that misbehave: what a phone meets outside of a test.

use std::net::SocketAddr;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, connect_async};

use crate::asterisk::SERVER;

/// How a server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Speaks WebSocket with the subprotocol `sip`, and answers everything with a greeting that is no SIP.
    NoSip,
    /// Passes everything on to Asterisk, until an INVITE with credentials comes: then the connection is cut.
    CutsAtInvite,
}

/// A server that misbehaves until this is dropped.
pub struct Server {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(fault: Fault) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // Either side may go at any time; the test looks at what the phone makes of it.
                    let _ended = serve(stream, fault).await;
                });
            }
        });
        Ok(Self { addr, task: task.abort_handle() })
    }

    /// Where phones connect.
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, fault: Fault) -> Result<()> {
    let phone = accept(stream).await?;
    match fault {
        Fault::NoSip => greet(phone).await,
        Fault::CutsAtInvite => forward_until_invite(phone).await,
    }
}

/// Accepts a WebSocket and the subprotocol that was asked for.
///
/// # Errors
/// When the other side speaks no WebSocket.
#[allow(clippy::result_large_err, reason = "the signature is the library's")]
pub async fn accept(stream: TcpStream) -> Result<WebSocketStream<TcpStream>> {
    let agree = |_: &Request, mut response: Response| {
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("sip"));
        Ok(response)
    };
    Ok(accept_hdr_async(stream, agree).await?)
}

async fn greet(mut phone: WebSocketStream<TcpStream>) -> Result<()> {
    while let Some(message) = phone.next().await {
        if message?.is_text() {
            phone.send(Message::text("hello, this is a chat")).await?;
        }
    }
    Ok(())
}

async fn forward_until_invite(mut phone: WebSocketStream<TcpStream>) -> Result<()> {
    let mut request = SERVER.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("sip"));
    let (mut asterisk, _) = connect_async(request).await?;
    loop {
        tokio::select! {
            Some(message) = phone.next() => {
                let message = message?;
                let text = String::from_utf8_lossy(&message.clone().into_data()).into_owned();
                if text.starts_with("INVITE ") && text.contains("Authorization:") {
                    // Without a closing handshake, as when a cable is pulled and the kernel gives up.
                    return Ok(());
                }
                asterisk.send(message).await?;
            }
            Some(message) = asterisk.next() => phone.send(message?).await?,
            else => return Ok(()),
        }
    }
}
