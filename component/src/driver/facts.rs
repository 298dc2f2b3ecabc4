//! From what `sip` and the socket know to what the page is told. No browser in here.

use soft_phone_sip as sip;

use crate::socket::Phase;
use crate::state::{Problem, RegistrationState, Remote};

/// What decides how the sign-in stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The account cannot be had or used.
    pub fault: Option<Problem>,
    /// The account is being fetched.
    pub loading: bool,
    /// Somebody wants us to be signed in.
    pub wanted: bool,
    /// The connection.
    pub phase: Phase,
    /// What was wrong with the connection that was dropped last.
    pub link_fault: Option<Problem>,
    /// The registration.
    pub agent: sip::RegistrationState,
    /// Why it failed.
    pub cause: Option<sip::Cause>,
}

/// State of the sign-in, and the problem to tell.
pub fn registration(inputs: &Inputs) -> (RegistrationState, Option<Problem>) {
    match inputs.fault {
        _ if inputs.loading => return (RegistrationState::Connecting, None),
        // Nothing was asked of the phone yet: no failure.
        Some(Problem::NotConfigured) => return (RegistrationState::Offline, Some(Problem::NotConfigured)),
        Some(fault) => return (RegistrationState::Failed, Some(fault)),
        None => {}
    }
    match inputs.phase {
        Phase::Idle => (RegistrationState::Offline, None),
        Phase::Opening if inputs.wanted => (RegistrationState::Connecting, inputs.link_fault),
        Phase::Opening => (RegistrationState::Offline, inputs.link_fault),
        Phase::Waiting { .. } => match inputs.link_fault {
            Some(Problem::NotSip) => (RegistrationState::Failed, Some(Problem::NotSip)),
            _ => (RegistrationState::Offline, Some(Problem::Network)),
        },
        Phase::Open => match inputs.agent {
            sip::RegistrationState::Offline => (RegistrationState::Offline, None),
            sip::RegistrationState::Registering => (RegistrationState::Registering, None),
            sip::RegistrationState::Registered => (RegistrationState::Registered, None),
            sip::RegistrationState::Unregistering => (RegistrationState::Unregistering, None),
            sip::RegistrationState::Failed => (RegistrationState::Failed, Some(refusal(inputs.cause))),
        },
    }
}

fn refusal(cause: Option<sip::Cause>) -> Problem {
    match cause {
        Some(sip::Cause::Unauthorized) => Problem::Unauthorized,
        Some(sip::Cause::Network) => Problem::Network,
        _ => Problem::RegistrarError,
    }
}

impl From<&sip::Remote> for Remote {
    fn from(remote: &sip::Remote) -> Self {
        let number = match remote.uri.user_text() {
            Some(user) => user.into_owned(),
            // `tel:+7…`: the number stands where a host would.
            None => remote.uri.host.clone(),
        };
        Remote { number, uri: remote.uri.to_string(), name: remote.display_name.clone().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(agent: sip::RegistrationState, cause: Option<sip::Cause>) -> Inputs {
        Inputs { fault: None, loading: false, wanted: true, phase: Phase::Open, link_fault: None, agent, cause }
    }

    #[test]
    fn the_account_comes_before_the_connection_and_that_before_the_registrar() {
        let registered = open(sip::RegistrationState::Registered, None);
        assert_eq!(registration(&registered), (RegistrationState::Registered, None));
        let waiting = Inputs { phase: Phase::Waiting { until: sip::Instant::ZERO }, ..registered.clone() };
        assert_eq!(registration(&waiting), (RegistrationState::Offline, Some(Problem::Network)));
        let not_sip = Inputs { link_fault: Some(Problem::NotSip), ..waiting.clone() };
        assert_eq!(registration(&not_sip), (RegistrationState::Failed, Some(Problem::NotSip)));
        let fault = Inputs { fault: Some(Problem::AccountMissing), ..waiting.clone() };
        assert_eq!(registration(&fault), (RegistrationState::Failed, Some(Problem::AccountMissing)));
        let empty = Inputs { fault: Some(Problem::NotConfigured), ..waiting };
        assert_eq!(registration(&empty), (RegistrationState::Offline, Some(Problem::NotConfigured)));
        let loading = Inputs { loading: true, ..empty };
        assert_eq!(registration(&loading), (RegistrationState::Connecting, None));
    }

    #[test]
    fn a_refusal_names_its_reason() {
        for (cause, problem) in [
            (Some(sip::Cause::Unauthorized), Problem::Unauthorized),
            (Some(sip::Cause::Network), Problem::Network),
            (Some(sip::Cause::Failed), Problem::RegistrarError),
            (None, Problem::RegistrarError),
        ] {
            let inputs = open(sip::RegistrationState::Failed, cause);
            assert_eq!(registration(&inputs), (RegistrationState::Failed, Some(problem)));
        }
    }

    #[test]
    fn a_far_end_has_a_number_whatever_its_uri() {
        for (uri, number) in
            [("sip:+7916@x", "+7916"), ("tel:+7916", "+7916"), ("sip:pbx.example.com", "pbx.example.com")]
        {
            let remote = sip::Remote { uri: uri.parse().unwrap(), display_name: None };
            assert_eq!(Remote::from(&remote).number, number);
        }
    }
}
