//! A demo on a port of its own, and a few bytes of HTTP to talk to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use soft_phone_demo::{Agent, Options, Running, User, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A running demo; its folder goes with it.
pub struct Site {
    pub addr: SocketAddr,
    running: Option<Running>,
    folder: PathBuf,
}

/// A folder that holds what `cargo xtask build` would have written, as far as the server cares.
pub fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("soft-phone-demo-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(folder.join("dist")).unwrap();
    std::fs::create_dir_all(folder.join("extra")).unwrap();
    std::fs::write(folder.join("dist/soft-phone.js"), "export {};\n").unwrap();
    std::fs::write(folder.join("dist/engine.wasm"), b"\0asm").unwrap();
    std::fs::write(folder.join("extra/page.html"), "<!doctype html>\n").unwrap();
    std::fs::write(folder.join("secret.txt"), "not to be served\n").unwrap();
    folder
}

pub fn users() -> Vec<User> {
    let user =
        |name: &str, number: &str| User { password: format!("secret-{number}"), ..User::new(name, number, name) };
    vec![user("alice", "1001"), user("bob", "1002"), user("carol", "1003")]
}

/// Dora and Egon, and Frida, who has no phone; their passwords are their names backwards.
pub fn agents() -> Vec<Agent> {
    let agent = |agent: Agent| Agent { password: agent.user.name.chars().rev().collect(), ..agent };
    Agent::demo().into_iter().map(agent).collect()
}

impl Site {
    pub async fn start() -> Site {
        Site::start_with(None).await
    }

    /// With a database that may be there already.
    pub async fn start_with(database: Option<PathBuf>) -> Site {
        let folder = folder();
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            dist: folder.join("dist"),
            extra: Some(folder.join("extra")),
            users: users(),
            agents: agents(),
            database,
        };
        let running = start(options).await.unwrap();
        Site { addr: running.addr, running: Some(running), folder }
    }

    pub async fn shutdown(&mut self) {
        self.running.take().unwrap().shutdown().await;
    }

    /// `GET path` with further header lines; the status, the header block and the body.
    pub async fn get(&self, path: &str, headers: &str) -> (u16, String, String) {
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.addr) };
        self.exchange(&format!("GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await
    }

    /// A WebSocket handshake with these header lines; the status and the header block.
    pub async fn handshake(&self, headers: &str) -> (u16, String, String) {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
            self.addr
        );
        self.exchange(&request).await
    }

    pub async fn exchange(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        loop {
            let mut buffer = [0; 4_096];
            let length = stream.read(&mut buffer).await.unwrap();
            answer.extend_from_slice(&buffer[..length]);
            // An accepted handshake stays open.
            if length == 0 || answer.starts_with(b"HTTP/1.1 101") && answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        // Names of headers are in any letters; the values of some are not.
        let head: Vec<String> = head.lines().map(lower_name).collect();
        (status, head.join("\r\n"), body.to_owned())
    }
}

/// A header line with its name in small letters.
fn lower_name(line: &str) -> String {
    match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
        None => line.to_owned(),
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Left behind in the temporary folder at worst.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
