//! Changes of a session that stands: hold, ICE restart, and the offer and answer that they take (RFC 3264 §8).

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaStreamTrack, RtcOfferOptions, RtcPeerConnectionState, RtcRtpTransceiverDirection, RtcSessionDescriptionInit,
    RtcSignalingState,
};

use super::{Inner, Report, Session};
use crate::js;

/// What our next offer is to bring about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The far end is on hold.
    pub held: bool,
    /// The far end holds us, too.
    pub remote_held: bool,
    /// ICE begins anew, on the network that there is now (RFC 8839 §4.4.1).
    pub restart: bool,
}

impl Session {
    /// Makes an offer: [`Report::Offer`] brings it. [`Session::renewed`] takes its answer, [`Session::roll_back`] takes
    /// it back.
    pub fn offer(&self, wish: Wish) {
        let inner = self.0.clone();
        inner.wish.set(wish);
        self.enqueue(async move {
            inner.open_microphone();
            let sdp = match inner.make_offer(wish.restart).await {
                Ok(()) => inner.local_sdp(),
                Err(_) => None,
            };
            inner.told.set(true);
            inner.tell(Report::Offer(sdp));
        });
    }

    /// Our offer was refused: the session is as it was, with `held` as it is.
    pub fn roll_back(&self, held: bool) {
        let inner = self.0.clone();
        inner.wish.set(Wish { held, ..inner.wish.get() });
        self.enqueue(async move {
            if inner.connection.signaling_state() == RtcSignalingState::HaveLocalOffer {
                let description = js::object(&[("type", "rollback".into())]);
                let description: RtcSessionDescriptionInit = description.unchecked_into();
                let _ = JsFuture::from(inner.connection.set_local_description(&description)).await;
            }
            inner.direct();
            inner.open_microphone();
        });
    }

    /// The answer to an offer of ours; [`Report::Settled`] says when it is in force.
    pub fn renewed(&self, sdp: String) {
        let inner = self.0.clone();
        self.enqueue(async move {
            // The far end's own offer came between ours and its answer and took ours back (JSEP, RFC 8829 §4.1.8.2):
            // what it answers now is the same offer, sent again.
            let lost = inner.connection.signaling_state() == RtcSignalingState::Stable;
            let ready = if lost { inner.make_offer(false).await } else { Ok(()) };
            let applied = match ready {
                Ok(()) => inner.set_remote("answer", sdp).await,
                Err(error) => Err(error),
            };
            match applied {
                Ok(()) => inner.tell(Report::Settled),
                Err(_) => inner.fail(None),
            }
        });
    }

    /// Our description as it stands.
    pub fn description(&self) -> Option<String> {
        self.0.local_sdp()
    }

    /// A candidate of the far end, or an empty one: there will be no more. One of another generation is not taken.
    pub fn add_candidate(&self, mid: &str, candidate: &str, ufrag: Option<&str>) {
        let inner = self.0.clone();
        let candidate = js::object(&[
            ("candidate", candidate.into()),
            ("sdpMid", mid.into()),
            ("usernameFragment", js::text_or_null(ufrag)),
        ]);
        // Behind the description that it belongs to.
        self.enqueue(async move {
            if let Some(added) = js::call(&inner.connection, "addIceCandidate", &[candidate.into()]) {
                let _ = JsFuture::from(added.unchecked_into::<Promise>()).await;
            }
        });
    }

    /// Whether packets find their way.
    pub fn is_connected(&self) -> bool {
        self.0.connection.connection_state() == RtcPeerConnectionState::Connected
    }

    /// Sends this track in the microphone's place, or the microphone again.
    pub fn send_instead(&self, track: Option<MediaStreamTrack>) {
        let inner = self.0.clone();
        inner.instead.replace(track);
        self.enqueue(async move {
            let _ = inner.send_track().await;
        });
    }
}

impl Inner {
    async fn make_offer(&self, restart: bool) -> Result<(), JsValue> {
        self.direct();
        let options = RtcOfferOptions::new();
        options.set_ice_restart(restart);
        let offer = self.connection.create_offer_with_rtc_offer_options(&options);
        self.set_local(offer, restart).await?;
        if restart {
            self.gathering.sendable().await;
        }
        Ok(())
    }

    /// Which way the sound goes, by the wish.
    pub(super) fn direct(&self) {
        let Wish { held, remote_held, .. } = self.wish.get();
        if let Some(transceiver) = self.transceiver() {
            transceiver.set_direction(match (held, remote_held) {
                (false, _) => RtcRtpTransceiverDirection::Sendrecv,
                // RFC 3264 §8.4: who is on hold already is held back with "inactive".
                (true, false) => RtcRtpTransceiverDirection::Sendonly,
                (true, true) => RtcRtpTransceiverDirection::Inactive,
            });
        }
    }
}
