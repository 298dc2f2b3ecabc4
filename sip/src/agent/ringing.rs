//! Calls that ring while their connection goes: the page is left or killed, the network changes. An answer is known by the
//! `Via` and the `CSeq` that it repeats, not by the connection that it comes over (RFC 3261 §17.1.3), so the call rings on over
//! the next one, and is answered there. A CANCEL that was sent meanwhile is lost: we ask whether the caller still waits.
//!
//! ```text
//! rings ─► connection lost ─► 20 s without another ─► ended (network)
//!                          └► another one: 180 ─► every 4 s OPTIONS in the dialog ─► 481 ─► ended (missed)
//! ```

use std::time::Duration;

use super::auth::Tried;
use super::{Agent, Pending, Purpose, Timer};
use crate::call::{Call, CallId, CallState, Cause, Ending, Offer};
use crate::message::Response;
use crate::transaction::ServerKey;
use crate::{Instant, Method};

/// How long a call rings without a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often we ask whether the caller still waits. Asterisk 22 is silent to it while he does, and has done with a call that it
/// could not cancel 32 s later.
const ASK_AFTER: Duration = Duration::from_secs(4);

/// How PJSIP says that it has a dialog, and no call in it.
const NO_CALL: &str = "Unhandled by dialog usages";

impl Call {
    /// Whether it rings and can do so over another connection: nothing of it but the INVITE has begun.
    pub(super) fn rings_on(&self) -> bool {
        self.state == CallState::Incoming
            && self.offer.is_some()
            && self.early_offer.is_none()
            && self.reliable.is_none()
            && self.replaces.is_none()
    }
}

impl Agent {
    /// The transaction of an INVITE went with its connection. Whether the call goes on without it.
    pub(super) fn wait_to_ring(&mut self, now: Instant, key: ServerKey) -> bool {
        let is_its = |call: &Call| call.rings_on() && call.offer.as_ref().is_some_and(|offer| offer.key == key);
        let Some(id) = self.calls.find(is_its) else { return false };
        let Some(call) = self.calls.get_mut(id) else { return false };
        call.flow = None;
        self.timers.stop(Timer::Ask(id));
        self.timers.set(Timer::Unheard(id), now + PATIENCE);
        true
    }

    /// A connection is there: what rings without one rings on over it.
    pub(super) fn ring_on(&mut self, now: Instant) {
        let Some(flow) = self.flow else { return };
        for id in self.calls.keys(|call| call.flow.is_none() && call.rings_on()) {
            let Some(Call { offer: Some(offer), flow: over, .. }) = self.calls.get_mut(id) else { continue };
            let Ok(key) = self.layer.resume(now, flow, self.identity.reliable, &offer.request) else { continue };
            *offer = Offer { key, flow, ..offer.clone() };
            *over = Some(flow);
            self.timers.stop(Timer::Unheard(id));
            // Also tells the caller's side where we are now.
            let _ = self.ring(now, id);
            self.timers.set(Timer::Ask(id), now + ASK_AFTER);
        }
    }

    /// Asks the caller's side whether the call is still there.
    pub(super) fn ask_caller(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state == CallState::Incoming) else { return };
        let Some(dialog) = &mut call.dialog else { return };
        let request = dialog.request(Method::Options);
        // Refused when there are too many transactions, or no connection: later, then.
        let _ = self.send_request(now, Pending { purpose: Purpose::Ask(id), request, tried: Tried::default() });
        self.timers.set(Timer::Ask(id), now + ASK_AFTER);
    }

    /// The answer to it. Any but these, or none, says nothing of the call.
    pub(super) fn on_asked(&mut self, now: Instant, id: CallId, response: &Response) {
        let gone = response.status == 481 || (response.status == 500 && response.reason == NO_CALL);
        if gone && self.calls.get(id).is_some_and(|call| call.state == CallState::Incoming) {
            // Nobody waits for it; the INVITE's transaction would wait for ever.
            self.refuse_offer(now, id, 487, None);
            self.withdraw(now, id, Ending::local(Cause::Missed));
        }
    }
}
