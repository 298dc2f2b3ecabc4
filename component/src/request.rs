//! What the view asks for. The driver decides; the answer is a change of the facts.

use serde::{Deserialize, Serialize};

use crate::state::DeviceKind;

/// A wish of the user, from a click, a key or a drag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Sign in.
    Register,
    /// Sign out.
    Unregister,
    /// Call what is in the number field.
    Call {
        /// As typed.
        number: String,
    },
    /// Answer the call that comes in.
    Answer {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
    },
    /// Decline the call that comes in.
    Decline {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
    },
    /// Hang up, or give up dialling.
    Hangup {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
    },
    /// Cut off the microphone, or let it through again.
    Mute {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
        /// True to cut it off.
        muted: bool,
    },
    /// Put the call on hold, or take it back.
    Hold {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
        /// True to hold.
        held: bool,
    },
    /// Speak in this call; the one that is spoken in is put on hold.
    Switch {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
    },
    /// Let somebody else have the far end.
    Transfer {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
        /// As typed.
        target: String,
    },
    /// Send the call that comes in elsewhere.
    Redirect {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
        /// As typed.
        target: String,
    },
    /// Connect the far ends of two calls, and leave.
    TransferTo {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
        /// The other call's.
        other: String,
    },
    /// Speak with the far ends of all calls at once.
    Conference,
    /// Send a keypad tone.
    Dtmf {
        /// [`Call::id`](crate::state::Call::id).
        call: String,
        /// One of `0` to `9`, `*`, `#`.
        tone: String,
    },
    /// Refuse every call from now on, or let them through again.
    DoNotDisturb {
        /// True to refuse.
        on: bool,
    },
    /// Answer every call from now on, or let them ring again.
    AutoAnswer {
        /// True to answer.
        on: bool,
    },
    /// Do not say who calls from now on, or say it again.
    Anonymous {
        /// True to hide it.
        on: bool,
    },
    /// Offer this codec first.
    Codec {
        /// Its name; empty: as the browser has it.
        name: String,
    },
    /// Use another device.
    Device {
        /// What for.
        kind: DeviceKind,
        /// [`Device::id`](crate::state::Device::id), or empty for the system's default.
        id: String,
    },
    /// Send a text.
    Message {
        /// As typed.
        target: String,
        /// What it says.
        text: String,
    },
    /// The user sees the texts.
    ReadMessages,
    /// Call whom a lamp is about, or take over the call that rings there.
    Lamp {
        /// [`Lamp::key`](crate::state::lamps::Lamp::key).
        key: u64,
    },
    /// Show a lamp for somebody.
    Watch {
        /// As typed.
        target: String,
        /// `dialog` or `presence`.
        package: String,
    },
    /// Take a lamp away.
    Unwatch {
        /// [`Lamp::key`](crate::state::lamps::Lamp::key).
        key: u64,
    },
    /// Tell others how we are.
    Publish {
        /// One of `available`, `busy`, `away`, `offline`; empty: tell it no more.
        status: String,
    },
    /// Call the mailbox.
    Mailbox,
    /// Show the window.
    Open,
    /// Hide the window.
    Close,
    /// The user touched the window: sound may be allowed from here on.
    UserGesture,
    /// The user read the notice.
    DismissNotice,
}
