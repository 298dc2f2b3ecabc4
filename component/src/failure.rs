//! Why a promise was rejected: `SoftPhoneError {code, message, sipStatus, sipReason}`.

use soft_phone_sip as sip;

use crate::state::{Cause, Problem};

/// What a rejected promise or an error event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A [`Problem`], a [`Cause`], or one of the codes below.
    pub code: &'static str,
    /// One English sentence for the console; the window has its own words.
    pub message: String,
    /// Status of the SIP answer behind it.
    pub sip_status: Option<u16>,
    /// Reason phrase of that answer.
    pub sip_reason: Option<String>,
}

/// A listener of `soft-phone-dial` prevented the call.
pub const VETOED: &str = "vetoed";
/// The call cannot do that now.
pub const WRONG_STATE: &str = "wrong-state";
/// The element was removed from the page, or the page closes.
pub const CLOSED: &str = "closed";

impl Failure {
    /// A failure without a SIP answer.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), sip_status: None, sip_reason: None }
    }

    /// The call cannot do that in the state it is in.
    pub fn wrong_state(state: &str) -> Self {
        Failure::new(WRONG_STATE, ["not possible while ", state].concat())
    }

    /// The same, told by a SIP answer.
    pub fn with_sip(mut self, status: Option<u16>, reason: Option<String>) -> Self {
        self.sip_status = status;
        self.sip_reason = reason;
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure::new(problem.as_str(), sentence(problem))
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Failure::new(cause.as_str(), ["the call ended: ", cause.as_str()].concat())
    }
}

impl From<sip::Error> for Failure {
    fn from(error: sip::Error) -> Self {
        let code = match &error {
            sip::Error::Injection { .. } | sip::Error::Malformed { .. } | sip::Error::TooLong { .. } => {
                Problem::NumberInvalid.as_str()
            }
            sip::Error::NotConnected => Problem::Network.as_str(),
            sip::Error::UnknownCall | sip::Error::WrongState { .. } => WRONG_STATE,
            _ => Cause::Failed.as_str(),
        };
        Failure::new(code, error.to_string())
    }
}

/// What a developer reads in the console.
const fn sentence(problem: Problem) -> &'static str {
    match problem {
        Problem::NotConfigured => "no account: set account-url, account, or server and uri",
        Problem::AccountInvalid => "the account is not valid account JSON",
        Problem::AccountSignIn => "the account URL wants the user to sign in",
        Problem::AccountMissing => "this user has no phone account",
        Problem::AccountUnreachable => "the account URL cannot be reached",
        Problem::ServerUrl => "server must be wss:// (or ws:// to a loopback address)",
        Problem::Network => "the SIP server cannot be reached",
        Problem::NotSip => "the server does not speak SIP over WebSocket",
        Problem::Unauthorized => "the registrar refused user name or password",
        Problem::RegistrarError => "the registrar refused the registration",
        Problem::MicrophoneMissing => "there is no microphone",
        Problem::MicrophoneDenied => "access to the microphone is denied",
        Problem::MicrophoneBusy => "the microphone cannot be read",
        Problem::MicrophoneWaits => "the browser asks for the microphone, nobody hears us yet",
        Problem::SoundBlocked => "the browser plays no sound before a click on the page",
        Problem::Unsupported => "this browser lacks WebRTC, or the page is not served securely",
        Problem::NumberInvalid => "this cannot be dialled",
        Problem::NotRegistered => "not signed in",
        Problem::TransferFailed => "the transfer failed, the call is still there",
        Problem::MessageTooLong => "a text has, with its headers, at most 1300 bytes (RFC 3428 §8)",
        Problem::PresenceRefused => "the server does not take our presence",
        Problem::PopupBlocked => "the browser opens no window for the phone, it goes on in the page",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_sip_keep_their_meaning() {
        let injection = Failure::from(sip::Error::Injection { field: "uri".to_owned() });
        assert_eq!((injection.code, injection.message.as_str()), ("number-invalid", "control character in uri"));
        assert_eq!(Failure::from(sip::Error::NotConnected).code, "network");
        assert_eq!(Failure::from(sip::Error::WrongState { state: "ended" }).code, "wrong-state");
    }
}
