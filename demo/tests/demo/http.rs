//! Pages, built files, accounts and their headers.

use soft_phone_demo::{Error, Options, start};

use crate::site::{Site, folder, users};

#[tokio::test]
async fn pages_carry_the_policy_that_the_element_needs() {
    let site = Site::start().await;
    for path in
        ["/", "/floating", "/demo/page.js", "/demo/page.css", "/demo/window.js", "/demo/favicon.svg", "/test/page.html"]
    {
        let (status, head, body) = site.get(path, "").await;
        assert_eq!(status, 200, "{path}");
        assert!(!body.is_empty());
        assert!(
            head.contains(
                "content-security-policy: default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
                 connect-src 'self' ws://127.0.0.1:* ws://localhost:* wss:; require-trusted-types-for 'script';"
            ),
            "{path}: {head}"
        );
        assert!(head.contains("x-content-type-options: nosniff"));
        assert!(head.contains("cache-control: no-store"));
    }
    // The policy forbids inline script and style: the pages must have none.
    for path in ["/", "/floating"] {
        let (_, _, body) = site.get(path, "").await;
        assert!(!body.contains("<style") && !body.contains("style=") && !body.contains(" onclick"), "{path}");
        assert_eq!(body.matches("<script").count(), body.matches("<script type=\"module\" src=").count(), "{path}");
        assert!(!body.to_ascii_lowercase().contains("password=\""));
    }
}

#[tokio::test]
async fn built_files_have_their_media_types_and_nothing_else_is_served() {
    let site = Site::start().await;
    let (status, head, body) = site.get("/soft-phone/soft-phone.js", "").await;
    assert_eq!((status, body.as_str()), (200, "export {};\n"));
    assert!(head.contains("content-type: text/javascript"), "{head}");
    assert!(head.contains("cache-control: no-store"));
    let (_, head, _) = site.get("/soft-phone/engine.wasm", "").await;
    assert!(head.contains("content-type: application/wasm"), "{head}");
    for path in
        ["/soft-phone/../secret.txt", "/soft-phone/%2e%2e/secret.txt", "/soft-phone/..%2fsecret.txt", "/secret.txt"]
    {
        let (status, _, body) = site.get(path, "").await;
        assert_eq!(status, 404, "{path}");
        assert!(!body.contains("not to be served"));
    }
    let (status, _, body) = site.get("/soft-phone/processor.js", "").await;
    assert_eq!(status, 404);
    assert!(body.contains("run `cargo xtask build`"), "{body}");
}

#[tokio::test]
async fn accounts_are_for_the_sites_own_pages() {
    let site = Site::start().await;
    let (status, head, body) = site.get("/account/alice", "Sec-Fetch-Site: same-origin\r\n").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json") && head.contains("cache-control: no-store"), "{head}");
    let account: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        account,
        serde_json::json!({
            "version": 1, "server": [format!("ws://{}/ws", site.addr)], "uri": "sip:1001@soft-phone.test",
            "username": "1001", "password": "secret-1001", "ha1": null, "displayName": "alice",
            "iceServers": [], "iceTransportPolicy": "all", "user": {"id": "alice", "name": "alice"}
        })
    );
    assert_eq!(site.get("/account/mallory", "").await.0, 404);
    let (status, _, body) = site.get("/account/alice", "Sec-Fetch-Site: cross-site\r\n").await;
    assert_eq!(status, 403);
    assert!(!body.contains("secret"));
    // DNS rebinding: the right address under another name.
    let (status, _, body) = site.get("/account/alice", "Host: evil.example:8080\r\n").await;
    assert_eq!(status, 421);
    assert!(!body.contains("secret"));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let folder = folder();
    let options = Options { dist: folder.join("extra"), users: users(), ..Options::default() };
    let error = start(options.clone()).await.unwrap_err();
    assert!(matches!(error, Error::NotBuilt { .. }));
    assert!(error.to_string().ends_with("holds no soft-phone.js: run `cargo xtask build`"), "{error}");

    let options = Options { dist: folder.join("dist"), listen: "0.0.0.0:0".parse().unwrap(), ..options };
    let error = start(options.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "0.0.0.0:0 is not a loopback address");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { listen: taken.local_addr().unwrap(), ..options };
    assert!(start(options.clone()).await.unwrap_err().is_address_in_use());

    let mut options = Options { listen: "127.0.0.1:0".parse().unwrap(), ..options };
    options.users[0].display_name = "Alice\r\nEvil: 1".into();
    assert!(matches!(start(options).await.unwrap_err(), Error::User { name, .. } if name == "alice"));
    std::fs::remove_dir_all(folder).unwrap();
}
