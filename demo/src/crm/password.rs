//! Passwords of agents: Argon2id, each with a salt of its own.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// A hash that no password has: somebody whom nobody knows takes as long as somebody whom they do.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29mdHBob25lZGVtbw$xPp7ZkZHcrYp4NSwoVMVS0mP1PH1Pc5q3v3vYXwPV8c";

/// The hash of a password, as a PHC string; empty, which nothing matches, when the system has no entropy.
pub(crate) async fn hash(password: String) -> String {
    let work = move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string());
    tokio::task::spawn_blocking(work).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Whether the password has this hash; `None` stands for somebody who is not known.
pub(crate) async fn is_right(password: String, hash: Option<String>) -> bool {
    let work = move || {
        let known = hash.is_some();
        let parsed = PasswordHash::new(hash.as_deref().unwrap_or(NOBODY));
        parsed.is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()) && known
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_two_hashes_differ() {
        let (first, second) = (hash("a".into()).await, hash("a".into()).await);
        assert!(first.starts_with("$argon2id$") && first != second);
        assert!(is_right("a".into(), Some(first.clone())).await);
        assert!(!is_right("b".into(), Some(first)).await);
        assert!(!is_right(String::new(), Some(String::new())).await);
        assert!(!is_right("a".into(), None).await);
        // Work is done for nobody, too.
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
