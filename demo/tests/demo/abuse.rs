//! What the WebSocket does not take.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::phone::{PATIENCE, Phone, Socket, connect, connect_over};
use crate::site::Site;

/// Reads until the server closes; the texts that came before.
async fn texts(socket: &mut Socket) -> Vec<String> {
    let read = async {
        let mut texts = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Close(_) => break,
                _ => {}
            }
        }
        texts
    };
    timeout(PATIENCE, read).await.expect("the server does not close")
}

#[tokio::test]
async fn only_sip_and_only_pages_of_this_machine() {
    let site = Site::start().await;
    let (status, _, body) = site.handshake("Connection: close\r\n").await;
    assert_eq!(status, 400);
    assert!(body.contains("subprotocol must be \"sip\""), "{body}");
    assert_eq!(site.handshake("Sec-WebSocket-Protocol: chat\r\nConnection: close\r\n").await.0, 400);
    let foreign = "Sec-WebSocket-Protocol: sip\r\nOrigin: https://evil.example\r\nConnection: close\r\n";
    assert_eq!(site.handshake(foreign).await.0, 403);
    let (status, head, _) = site.handshake("Sec-WebSocket-Protocol: chat, sip\r\nOrigin: http://localhost:1\r\n").await;
    assert_eq!(status, 101);
    assert!(head.contains("sec-websocket-protocol: sip"), "{head}");
}

#[tokio::test]
async fn a_ping_gets_a_pong_in_text_and_in_binary() {
    let site = Site::start().await;
    let mut socket = connect(site.addr).await;
    for ping in [Message::text("\r\n\r\n"), Message::binary(&b"\r\n\r\n"[..])] {
        socket.send(ping).await.unwrap();
        let pong = timeout(PATIENCE, async {
            loop {
                if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                    break text;
                }
            }
        });
        assert_eq!(pong.await.unwrap().as_str(), "\r\n");
    }
}

#[tokio::test]
async fn noise_and_what_is_too_large_end_the_connection_and_nobody_elses() {
    let site = Site::start().await;
    let mut alice = Phone::registered(site.addr, "1001").await;

    let mut noisy = connect(site.addr).await;
    for _ in 0..30 {
        noisy.send(Message::binary(vec![0xff, 0x00, 0x0d])).await.unwrap();
    }
    assert_eq!(texts(&mut noisy).await, [] as [&str; 0]);

    let mut large = connect(site.addr).await;
    // The server may close before all of it is written.
    let _ = large.send(Message::text("x".repeat(100_000))).await;
    texts(&mut large).await;

    let now = alice.now();
    alice.agent.unregister(now).unwrap();
    alice.until(|_| true).await;
}

#[tokio::test]
async fn a_flood_ends_the_connection() {
    let site = Site::start().await;
    let mut socket = connect(site.addr).await;
    for _ in 0..2_000 {
        if socket.send(Message::text("\r\n")).await.is_err() {
            break;
        }
    }
    texts(&mut socket).await;
}

#[tokio::test]
async fn a_phone_that_does_not_read_loses_its_connection() {
    let site = Site::start().await;
    let tcp = TcpSocket::new_v4().unwrap();
    // The smallest that the system gives: what is not read stays with the server.
    tcp.set_recv_buffer_size(4_096).unwrap();
    let stream = tcp.connect(site.addr).await.unwrap();
    let mut slow = connect_over(stream, site.addr).await;
    // Each is answered by its own Via lines, which is nearly all of it.
    let vias = format!("Via: SIP/2.0/WS a.invalid;branch=z9hG4bK0;x={}\r\n", "x".repeat(8_000)).repeat(7);
    let mut sent = 0_u32;
    let flood = async {
        loop {
            let request = format!(
                "OPTIONS sip:soft-phone.test SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{sent}\r\n{vias}\
                 Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: {sent}\r\n\
                 CSeq: 1 OPTIONS\r\n\r\n"
            );
            if slow.send(Message::text(request)).await.is_err() {
                break;
            }
            sent += 1;
        }
    };
    timeout(PATIENCE, flood).await.expect("a slow reader is kept for ever");
    assert!(sent < 200, "the flood was ended, not the slowness");
    // The server is as well as before.
    Phone::registered(site.addr, "1001").await;
}

#[tokio::test]
async fn connections_are_bounded_and_shutdown_closes_them() {
    let mut site = Site::start().await;
    let mut sockets = Vec::new();
    for _ in 0..64 {
        sockets.push(connect(site.addr).await);
    }
    assert_eq!(site.handshake("Sec-WebSocket-Protocol: sip\r\nConnection: close\r\n").await.0, 503);
    site.shutdown().await;
    for socket in &mut sockets {
        texts(socket).await;
    }
}
