//! English.

use soft_phone_sip::presence::Availability;

use super::{Plural, Sound, Text};
use crate::state::lamps::LampState;
use crate::state::{CallState, Cause, DeviceKind, Direction, Problem, RegistrationState};

/// CLDR: `one` is 1, all else `other`.
pub(super) fn plural(count: u32) -> Plural {
    if count == 1 { Plural::One } else { Plural::Many }
}

/// The sentence in English.
pub(super) fn text(text: Text) -> &'static str {
    match text {
        Text::Phone => "Phone",
        Text::OpenPhone => "Open the phone",
        Text::ClosePhone => "Close the phone",
        Text::MoveWindow => "Move the window. Arrow keys move it, Home puts it back.",
        Text::Number => "Number to call",
        Text::NumberHint => "Name or number",
        Text::Erase => "Delete the last character",
        Text::Keypad => "Keypad",
        Text::Call => "Call",
        Text::HangUp => "Hang up",
        Text::Answer => "Answer",
        Text::Decline => "Decline",
        Text::Mute => "Mute",
        Text::Hold => "Hold",
        Text::Transfer => "Transfer",
        Text::Redirect => "Forward",
        Text::NewCall => "New call",
        Text::ConnectBoth => "Connect the two and leave",
        Text::Conference => "Conference",
        Text::InConference => "In a conference",
        Text::OtherCalls => "Other calls",
        Text::ShowKeypad => "Keypad",
        Text::Back => "Back to the call",
        Text::TonesSent => "Digits sent",
        Text::Settings => "Settings",
        Text::Device(DeviceKind::Microphone) => "Microphone",
        Text::Device(DeviceKind::Speaker) => "Loudspeaker",
        Text::Device(DeviceKind::Ringer) => "Ring on",
        Text::SystemDevice => "As the system has it",
        Text::UnnamedDevice => "Device %",
        Text::DoNotDisturb => "Do not disturb",
        Text::AutoAnswer => "Answer by itself",
        Text::HideNumber => "Hide my number",
        Text::PreferredCodec => "Codec",
        Text::AnyCodec => "Any",
        Text::SignOut => "Sign out",
        Text::Sound(Sound::Good) => "Good sound",
        Text::Sound(Sound::Fair) => "Fair sound",
        Text::Sound(Sound::Poor) => "Poor sound: check your network",
        Text::RemoteHeld => "The other side has put you on hold",
        Text::CallWaits => "The network is away. The call waits until it is back.",
        Text::SoundInterrupted => "The sound is interrupted. It is being connected again…",
        Text::ServerAway => "No connection to the phone server. You can go on speaking.",
        Text::MicrophoneLevel => "Microphone level",
        Text::Duration => "Time in the call",
        Text::Dismiss => "Got it",
        Text::TryAgain => "Try now",
        Text::SignIn => "Sign in",
        Text::EnableSound => "Turn sound on",
        Text::UnknownCaller => "Unknown caller",
        Text::Registration(state) => registration(state),
        Text::InCall(state) => call(state),
        Text::Muted => "You are muted",
        Text::Problem(problem) => self::problem(problem),
        Text::Ended(cause, direction) => ended(cause, direction),
        Text::ForwardedBy => "Forwarded by %",
        Text::IsCalling => "% is calling",
        Text::IncomingBody => "Click here to see the call.",
        Text::RetrySeconds(Plural::One) => "Next try in % second.",
        Text::RetrySeconds(_) => "Next try in % seconds.",
        Text::RetryMinutes(Plural::One) => "Next try in % minute.",
        Text::RetryMinutes(_) => "Next try in % minutes.",
        Text::RetryNow => "Trying again…",
        Text::Messages => "Messages",
        Text::MessagesUnread => "Messages, % new",
        Text::MessageTo => "To",
        Text::MessageText => "Message",
        Text::Send => "Send",
        Text::MessageFrom => "%:",
        Text::MessageYou => "You to %:",
        Text::MessageSending => "Sending…",
        Text::NotDelivered(cause) => not_delivered(cause),
        Text::Colleagues => "Colleagues",
        Text::WatchHint => "Number to watch",
        Text::WatchKind => "What to watch",
        Text::WatchLine => "Calls",
        Text::WatchPresence => "Presence",
        Text::Watch => "Watch",
        Text::Unwatch => "Stop watching %",
        Text::Lamp(LampState::Unknown) => "not known yet",
        Text::Lamp(LampState::Refused) => "the server does not tell",
        Text::Lamp(LampState::Free) => "free",
        Text::Lamp(LampState::Ringing) => "ringing",
        Text::Lamp(LampState::Busy) => "busy",
        Text::Lamp(LampState::Away) => "away",
        Text::Lamp(LampState::Offline) => "not reachable",
        Text::OwnStatus => "I am",
        Text::Status(None) => "Not told",
        Text::Status(Some(Availability::Available)) => "Available",
        Text::Status(Some(Availability::Busy)) => "Busy",
        Text::Status(Some(Availability::Away)) => "Away",
        Text::Status(Some(Availability::Offline)) => "Not reachable",
        Text::MailboxNew => "New voice messages",
        Text::MailboxCount => "New voice messages: %",
    }
}

fn not_delivered(cause: Cause) -> &'static str {
    match cause {
        Cause::NotFound => "Not delivered: nobody has this address.",
        Cause::Unavailable | Cause::NoAnswer | Cause::Busy => "Not delivered: not reachable now. Try again later.",
        Cause::Declined => "Not delivered: it was refused.",
        Cause::Unauthorized => "Not delivered: you may not write there. Ask your administrator.",
        Cause::Network => "The connection was lost: it may not have arrived.",
        _ => "Not delivered. If it happens again, tell your administrator.",
    }
}

fn registration(state: RegistrationState) -> &'static str {
    match state {
        RegistrationState::Offline => "Not signed in",
        RegistrationState::Connecting => "Connecting…",
        RegistrationState::Registering => "Signing in…",
        RegistrationState::Registered => "Ready for calls",
        RegistrationState::Unregistering => "Signing out…",
        RegistrationState::Failed => "Signing in failed. Try again in a few minutes.",
    }
}

fn call(state: CallState) -> &'static str {
    match state {
        CallState::Dialing => "Calling…",
        CallState::Ringing => "Ringing…",
        CallState::Early => "Calling… You can hear the line.",
        CallState::Incoming => "Incoming call",
        CallState::Answering => "Connecting the call…",
        CallState::Active => "In a call",
        CallState::Held => "On hold",
        CallState::Ending => "Hanging up…",
        CallState::Ended => "Call ended",
    }
}

fn problem(problem: Problem) -> &'static str {
    match problem {
        Problem::NotConfigured => "The phone is not set up yet. Ask your administrator for a phone account.",
        Problem::AccountInvalid => {
            "Your phone settings cannot be read. Ask your administrator to check the phone account."
        }
        Problem::AccountSignIn => "You are signed out of this site. Sign in and reload the page.",
        Problem::AccountMissing => "You have no phone account. Ask your administrator to add one.",
        Problem::AccountUnreachable => "Your phone settings could not be loaded. Check your internet connection.",
        Problem::ServerUrl => {
            "The address of the phone server is not secure. Ask your administrator to use one that begins with wss://."
        }
        Problem::Network => "No connection to the phone server. Check your internet connection.",
        Problem::NotSip => {
            "The server is there, but it is not a phone server. Ask your administrator to check its address."
        }
        Problem::Unauthorized => {
            "The phone server did not accept your user name or password. Ask your administrator to check them."
        }
        Problem::RegistrarError => "The phone server could not sign you in. If it stays so, tell your administrator.",
        Problem::MicrophoneMissing => "No microphone was found. Plug one in and try again.",
        Problem::MicrophoneDenied => {
            "The microphone is blocked. Allow it in the site settings beside the page's address, then try again."
        }
        Problem::MicrophoneBusy => {
            "The microphone cannot be used. Close other programs that may be using it, then try again."
        }
        Problem::MicrophoneWaits => "Nobody hears you yet: allow the microphone when the browser asks.",
        Problem::SoundBlocked => "The browser keeps the sound off until you click.",
        Problem::Unsupported => "This browser cannot make calls. Update it, or use Chrome, Edge, Firefox or Safari.",
        Problem::NumberInvalid => "This cannot be dialled. Check the number and call again.",
        Problem::TransferFailed => "The transfer did not work. You are still in the call.",
        Problem::MessageTooLong => "This message is too long. Send it in two parts.",
        Problem::PresenceRefused => "The phone server does not tell others how you are.",
        Problem::PopupBlocked => {
            "The browser has blocked the phone's own window. The phone works on this page; allow pop-ups for this site."
        }
        Problem::NotRegistered => "Calls need a connection to the phone server. Sign in, then call again.",
    }
}

fn ended(cause: Cause, direction: Direction) -> &'static str {
    match (cause, direction) {
        (Cause::AnsweredElsewhere, _) => "Answered on another of your phones",
        (Cause::Busy, Direction::Outbound) => "The line is busy. Try again a little later.",
        (Cause::Busy, Direction::Inbound) => "You were busy, the caller was told so",
        (Cause::Cancelled, _) => "Call cancelled",
        (Cause::Declined, Direction::Outbound) => "Your call was declined. Try again later.",
        (Cause::Declined, Direction::Inbound) => "You declined the call",
        (Cause::Failed, _) => "The call failed. Try again; if it happens again, tell your administrator.",
        (Cause::MediaFailed, _) => "The sound could not be connected. Try again, or use another network.",
        (Cause::Missed, _) => "Missed call from %",
        (Cause::Network, _) => "The connection was lost. Check your internet connection, then call again.",
        (Cause::NoAnswer, Direction::Outbound) => "No answer. Try again later.",
        (Cause::NoAnswer, Direction::Inbound) => "The call was not answered",
        (Cause::NotFound, _) => "This number does not exist. Check it and call again.",
        (Cause::Redirected, _) => "This number has moved. Ask for the new one.",
        (Cause::RemoteHangup, _) => "The other side hung up",
        (Cause::LocalHangup, _) => "You hung up",
        (Cause::Unavailable, _) => "Nobody can be reached at this number now. Try again later.",
        (Cause::Unauthorized, _) => "You are not allowed to call this number. Ask your administrator.",
    }
}
