//! Which server URLs are allowed: `wss://` anywhere, `ws://` to this machine only.

/// Whether SIP may travel to that URL: without TLS, passwords' digests and who calls whom would be read on the way.
pub fn is_allowed(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let Some(rest) = rest.strip_prefix("//") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // User information would be a secret in the DOM, and a way to make a host look like another one.
    if authority.is_empty()
        || authority.contains(['@', '\\'])
        || url.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return false;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "wss" => true,
        "ws" => is_loopback(host(authority)),
        _ => false,
    }
}

/// Whether the URL, which [`is_allowed`], is carried by TLS.
pub fn is_secure(url: &str) -> bool {
    url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss:"))
}

/// The authority without its port, and without an IPv6 address's brackets.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || name.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_anywhere_and_plain_only_to_this_machine() {
        for url in [
            "wss://pbx.example.com/ws",
            "WSS://pbx.example.com:8089/ws",
            "ws://127.0.0.1:8088/ws",
            "ws://127.9.9.9/",
            "ws://localhost:5066",
            "ws://LOCALHOST./x",
            "ws://[::1]:8088/ws",
        ] {
            assert!(is_allowed(url), "{url}");
        }
        for url in [
            "ws://pbx.example.com/ws",
            "ws://10.0.0.1/",
            "ws://127.0.0.1.example.com/",
            "ws://localhost.example.com/",
            "ws://localhost@example.com/",
            "ws://[::2]/",
            "wss://user:secret@pbx.example.com/",
            "https://pbx.example.com/",
            "javascript:alert(1)",
            "wss://",
            "wss:///ws",
            "pbx.example.com",
            "",
            "wss://a\u{a}b/",
        ] {
            assert!(!is_allowed(url), "{url}");
        }
        assert!(is_secure("WSS://x/") && !is_secure("ws://x/"));
    }
}
