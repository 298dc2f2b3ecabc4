//! Sockets: threads that read them, and what the agent's thread writes to.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use soft_phone_sip::frame::{Frame, Framer};
use soft_phone_sip::{Flow, Transport};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use crate::options::Options;

/// Senders of datagrams that are listened to.
const MAX_PEERS: usize = 1_024;

/// A peer that does not read for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Pauses before the server is tried again: doubled from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(16));

/// What the threads hand to the agent's.
pub enum Input {
    /// A line of the standard input.
    Command(Vec<u8>),
    /// A line that was skipped.
    TooLong { limit: u64 },
    /// The standard input is closed.
    End,
    /// A connection is there, or somebody wrote for the first time.
    Connected { flow: Flow, peer: String, writer: Writer, default: bool },
    /// One message.
    Received { flow: Flow, bytes: Vec<u8> },
    /// A keep-alive that wants its answer (RFC 5626 §4.4.1).
    Ping { flow: Flow },
    /// A connection is gone.
    Closed { flow: Flow, why: String },
    /// A connection could not be made, or a socket has failed.
    Failed { why: String },
}

/// The way out of a flow.
pub enum Writer {
    Datagrams(Arc<UdpSocket>, SocketAddr),
    Stream(TcpStream),
    WebSocket(Box<WebSocket<Shared>>),
}

impl Writer {
    /// Where the other end is, if it is known.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Writer::Datagrams(_, peer) => Some(*peer),
            Writer::Stream(stream) => stream.peer_addr().ok(),
            Writer::WebSocket(_) => None,
        }
    }

    /// Sends one message.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        match self {
            Writer::Datagrams(socket, peer) => {
                socket.send_to(bytes, *peer).map(drop).map_err(|error| error.to_string())
            }
            Writer::Stream(stream) => stream.write_all(bytes).map_err(|error| error.to_string()),
            Writer::WebSocket(socket) => {
                // RFC 7118 §4.2: text where it is UTF-8, which every message without a foreign body is.
                let message = match std::str::from_utf8(bytes) {
                    Ok(text) => Message::text(text),
                    Err(_) => Message::binary(bytes.to_vec()),
                };
                socket.send(message).map_err(|error| error.to_string())
            }
        }
    }

    /// Lets the thread that reads it end.
    pub fn close(&mut self) {
        let stream = match self {
            Writer::Datagrams(..) => return,
            Writer::Stream(stream) => &*stream,
            Writer::WebSocket(socket) => {
                // The stream is closed below, whether the peer hears of it or not.
                let _ = socket.close(None);
                let _ = socket.flush();
                &socket.get_ref().reader
            }
        };
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

/// A stream whose reader and writer are two WebSocket machines: one thread waits for frames, another sends some. Each
/// write is whole, so that the reader's pongs never fall into the middle of a frame.
pub struct Shared {
    reader: TcpStream,
    writer: Arc<Mutex<TcpStream>>,
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Numbers for flows; 1 is the server's datagrams.
static NEXT: AtomicU64 = AtomicU64::new(2);

fn next_flow() -> Flow {
    Flow(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Closed when the server has been tried once.
type Tried = Sender<()>;

/// Opens the socket on `--local`, starts the threads. Where it really listens, and what is closed as soon as the server
/// has been tried once.
pub fn start(options: &Options, to_phone: &SyncSender<Input>) -> Result<(SocketAddr, Receiver<()>), String> {
    let (trying, tried) = mpsc::channel();
    let failed = |error: io::Error| format!("--local {}: {error}", options.local);
    match options.transport {
        Transport::Udp => {
            let socket = Arc::new(UdpSocket::bind(options.local).map_err(failed)?);
            let local = socket.local_addr().map_err(failed)?;
            let server = options.server.as_deref().map(resolve).transpose()?;
            let to_phone = to_phone.clone();
            thread::spawn(move || read_datagrams(&socket, server, &to_phone, trying));
            Ok((local, tried))
        }
        Transport::Tcp => {
            let listener = TcpListener::bind(options.local).map_err(failed)?;
            let local = listener.local_addr().map_err(failed)?;
            let default = options.server.is_none();
            let accepting = to_phone.clone();
            thread::spawn(move || accept(&listener, default, &accepting));
            if let Some(server) = options.server.clone() {
                let to_phone = to_phone.clone();
                thread::spawn(move || keep_connected(&to_phone, trying, || connect(&server), read_stream));
            }
            Ok((local, tried))
        }
        _ => {
            let url = options.server.clone().ok_or("--server is missing: a URL such as ws://127.0.0.1:8088/ws")?;
            url.as_str().into_client_request().map_err(|error| format!("--server {url}: {error}"))?;
            let to_phone = to_phone.clone();
            thread::spawn(move || keep_connected(&to_phone, trying, || connect_websocket(&url), read_frames));
            Ok((options.local, tried))
        }
    }
}

fn resolve(server: &str) -> Result<SocketAddr, String> {
    let mut addresses = server.to_socket_addrs().map_err(|error| format!("--server {server}: {error}"))?;
    addresses.next().ok_or_else(|| format!("--server {server}: no address"))
}

/// Names each sender once. The phone is over when it does not take what is sent: then the thread ends.
fn read_datagrams(socket: &Arc<UdpSocket>, server: Option<SocketAddr>, to_phone: &SyncSender<Input>, trying: Tried) {
    let mut peers: BTreeMap<SocketAddr, Flow> = BTreeMap::new();
    let greet = |peer: SocketAddr, flow: Flow, default: bool| {
        let writer = Writer::Datagrams(Arc::clone(socket), peer);
        to_phone.send(Input::Connected { flow, peer: peer.to_string(), writer, default })
    };
    if let Some(server) = server {
        peers.insert(server, Flow(1));
        if greet(server, Flow(1), true).is_err() {
            return;
        }
    }
    drop(trying);
    let mut buffer = vec![0; 65_536];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            // An earlier datagram found nobody: the transactions notice by themselves.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted) => {
                continue;
            }
            Err(error) => {
                // Whether it is heard or not: without the socket there is nothing left to do.
                let _ = to_phone.send(Input::Failed { why: error.to_string() });
                return;
            }
        };
        let known = peers.get(&peer).copied();
        let flow = known.unwrap_or_else(next_flow);
        if known.is_none() {
            if peers.len() >= MAX_PEERS {
                continue;
            }
            peers.insert(peer, flow);
            if greet(peer, flow, server.is_none()).is_err() {
                return;
            }
        }
        if to_phone.send(Input::Received { flow, bytes: buffer[..length].to_vec() }).is_err() {
            return;
        }
    }
}

fn accept(listener: &TcpListener, default: bool, to_phone: &SyncSender<Input>) {
    for stream in listener.incoming() {
        let opened = stream.and_then(|stream| open_stream(&stream));
        let sent = match opened {
            Ok(connection) => {
                let flow = next_flow();
                let (peer, writer, reader) = connection;
                let sent = to_phone.send(Input::Connected { flow, peer, writer, default });
                let to_phone = to_phone.clone();
                thread::spawn(move || {
                    let why = read_stream(flow, reader, &to_phone);
                    // Nobody hears it when the phone is over.
                    let _ = to_phone.send(Input::Closed { flow, why });
                });
                sent
            }
            Err(error) => to_phone.send(Input::Failed { why: error.to_string() }),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A connection: its peer, the way out, and what its thread reads.
type Connection<R> = (String, Writer, R);

/// Connects again and again, as long as the phone lives.
fn keep_connected<R>(
    to_phone: &SyncSender<Input>,
    trying: Tried,
    connect: impl Fn() -> Result<Connection<R>, String>,
    read: impl Fn(Flow, R, &SyncSender<Input>) -> String,
) {
    let mut pause = RETRY.0;
    let mut trying = Some(trying);
    loop {
        let sent = match connect() {
            Ok((peer, writer, reader)) => {
                pause = RETRY.0;
                let flow = next_flow();
                to_phone.send(Input::Connected { flow, peer, writer, default: true }).and_then(|()| {
                    trying = None;
                    let why = read(flow, reader, to_phone);
                    to_phone.send(Input::Closed { flow, why })
                })
            }
            Err(why) => to_phone.send(Input::Failed { why }),
        };
        trying = None;
        if sent.is_err() {
            return;
        }
        thread::sleep(pause);
        pause = pause.saturating_mul(2).min(RETRY.1);
    }
}

fn open_stream(stream: &TcpStream) -> io::Result<Connection<TcpStream>> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    let peer = stream.peer_addr()?.to_string();
    Ok((peer, Writer::Stream(stream.try_clone()?), stream.try_clone()?))
}

fn connect(server: &str) -> Result<Connection<TcpStream>, String> {
    let opened = TcpStream::connect(server).and_then(|stream| open_stream(&stream));
    opened.map_err(|error| format!("{server}: {error}"))
}

/// Reads until the end; why it ended.
fn read_stream(flow: Flow, mut stream: TcpStream, to_phone: &SyncSender<Input>) -> String {
    let mut framer = Framer::default();
    let mut buffer = vec![0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return "closed by the peer".to_owned(),
            Ok(length) => framer.push(&buffer[..length]),
            Err(error) => return error.to_string(),
        }
        loop {
            let input = match framer.poll() {
                Ok(None) => break,
                Ok(Some(Frame::Message(bytes))) => Input::Received { flow, bytes },
                Ok(Some(Frame::Ping)) => Input::Ping { flow },
                Ok(Some(Frame::Pong)) => continue,
                Err(fault) => return format!("the stream cannot be cut into messages: {fault}"),
            };
            if to_phone.send(input).is_err() {
                return "the phone is over".to_owned();
            }
        }
    }
}

fn connect_websocket(url: &str) -> Result<Connection<WebSocket<Shared>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let mut request = url.into_client_request().map_err(|error| failed(&error))?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("sip"));
    let host = request.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let stream = TcpStream::connect((host.as_str(), request.uri().port_u16().unwrap_or(80)));
    let stream = stream.and_then(|stream| {
        let (peer, writer, reader) = open_stream(&stream)?;
        drop(writer);
        Ok((peer, Arc::new(Mutex::new(stream.try_clone()?)), reader, stream))
    });
    let (peer, writer, reader, stream) = stream.map_err(|error| failed(&error))?;
    let socket = Shared { reader, writer: Arc::clone(&writer) };
    let (socket, _) = tungstenite::client(request, socket).map_err(|error| failed(&error))?;
    let writer = WebSocket::from_raw_socket(Shared { reader: stream, writer }, Role::Client, None);
    Ok((peer, Writer::WebSocket(Box::new(writer)), socket))
}

fn read_frames(flow: Flow, mut socket: WebSocket<Shared>, to_phone: &SyncSender<Input>) -> String {
    loop {
        let bytes = match socket.read() {
            Ok(Message::Text(text)) => text.as_bytes().to_vec(),
            Ok(Message::Binary(bytes)) => bytes.to_vec(),
            // Pongs leave with the next read.
            Ok(_) => continue,
            Err(error) => return error.to_string(),
        };
        // RFC 5626 §3.5.1 over WebSocket: CRLF keep-alives are answered as on any stream.
        let input = if bytes == b"\r\n\r\n" { Input::Ping { flow } } else { Input::Received { flow, bytes } };
        if to_phone.send(input).is_err() {
            return "the phone is over".to_owned();
        }
    }
}
