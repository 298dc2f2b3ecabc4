//! A phone on a real WebSocket: an agent and its driver.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::transaction::Flow;
use soft_phone_sip::{Agent, Config, Event, Instant, RegistrationState, Transport};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longer than anything here takes, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub type Socket = WebSocketStream<TcpStream>;

/// A WebSocket to the demo that speaks SIP.
pub async fn connect(addr: SocketAddr) -> Socket {
    connect_over(TcpStream::connect(addr).await.unwrap(), addr).await
}

/// The same over a connection that is there.
pub async fn connect_over(stream: TcpStream, addr: SocketAddr) -> Socket {
    let mut request = format!("ws://{addr}/ws").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("sip"));
    let (socket, response) = client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
    socket
}

pub struct Phone {
    pub agent: Agent,
    socket: Socket,
    start: tokio::time::Instant,
}

impl Phone {
    pub async fn connect(addr: SocketAddr, number: &str, password: &str) -> Phone {
        let mut config = Config::new(format!("sip:{number}@soft-phone.test").parse().unwrap(), Transport::Ws);
        let secret = Secret::Password(password.into());
        config.credentials = Some(Credentials { username: number.into(), secret });
        let mut seed = [0; 32];
        seed[..number.len()].copy_from_slice(number.as_bytes());
        let mut agent = Agent::new(config, seed).unwrap();
        let start = tokio::time::Instant::now();
        agent.handle_connected(Instant::ZERO, Flow(1));
        Phone { agent, socket: connect(addr).await, start }
    }

    /// Connected and registered.
    pub async fn registered(addr: SocketAddr, number: &str) -> Phone {
        let mut phone = Phone::connect(addr, number, &format!("secret-{number}")).await;
        let now = phone.now();
        phone.agent.register(now).unwrap();
        phone.until(|event| matches!(event, Event::Registration { state: RegistrationState::Registered, .. })).await;
        phone
    }

    pub fn now(&self) -> Instant {
        Instant::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// Runs until an event that is waited for; the events before it are dropped.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let found = timeout(PATIENCE, async {
            loop {
                self.flush().await;
                while let Some(event) = self.agent.poll_event() {
                    if wanted(&event) {
                        return event;
                    }
                }
                self.step().await;
            }
        });
        found.await.expect("the event did not come")
    }

    /// Sends what is to be sent.
    pub async fn flush(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let text = String::from_utf8(transmit.payload).unwrap();
            self.socket.send(Message::text(text)).await.unwrap();
        }
    }

    async fn step(&mut self) {
        let deadline = self.agent.poll_timeout().map(|at| self.start + Duration::from_micros(at.as_micros()));
        let deadline = deadline.unwrap_or(self.start + PATIENCE * 4);
        tokio::select! {
            message = self.socket.next() => {
                let now = self.now();
                match message.expect("the server closed the connection").unwrap() {
                    Message::Text(text) => self.agent.handle_input(now, Flow(1), text.as_bytes()),
                    Message::Ping(_) => {}
                    other => panic!("unexpected {other:?}"),
                }
            }
            () = sleep_until(deadline) => {
                let now = self.now();
                self.agent.handle_timeout(now);
            }
        }
    }
}
