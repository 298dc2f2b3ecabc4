//! All cases, in the order of the acceptance table: those that share the machine, then those that have it for themselves.

mod asterisk;
mod calls;
mod creme;
mod crm;
mod csp;
mod demo;
mod dial;
mod errors;
mod firefox;
mod impaired;
mod instance;
mod isolated;
mod leave;
mod lines;
mod messages;
mod moving;
mod network;
mod neural;
mod pair;
mod peer;
mod peer_faults;
mod popup;
mod receive;
mod recovery;
mod reload;
mod ring_time;
mod routing;
mod sign_in;
mod soak;
mod tabs;
mod voice;
mod window;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use crate::rig::Rig;

/// The future of a running case.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// No test takes longer, unless something hangs; one that is asked for may.
pub fn limit() -> Duration {
    let long = [soak::CALLS, impaired::FOLDER].iter().any(|asked| std::env::var_os(asked).is_some());
    Duration::from_secs(if long { 7_200 } else { 150 })
}

/// A test: a name to choose it by, and what it does.
pub struct Case {
    /// `file::behaviour`.
    pub name: &'static str,
    /// What it needs of the machine.
    pub machine: Machine,
    /// Runs it.
    pub run: for<'a> fn(&'a Rig) -> Running<'a>,
}

/// What a case needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// A share: nothing in it comes too late when it waits a little.
    Quiet,
    /// A share of its own: it compares voices.
    Shared,
    /// To come first: it compares voices where a core less is heard.
    First,
    /// All of it: it measures time.
    Alone,
}

impl Machine {
    /// Whether a case that needs this may run beside one that needs that.
    pub fn beside(self, other: Self) -> bool {
        match (self, other) {
            (Self::Alone, _) | (_, Self::Alone) => false,
            (Self::Quiet, _) | (_, Self::Quiet) | (Self::Shared, Self::Shared) => true,
            (Self::First, _) | (_, Self::First) => false,
        }
    }
}

/// Lists cases of a module under their own names.
macro_rules! cases {
    ($machine:ident; $($module:ident: $($case:ident)+;)+) => {
        vec![$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            machine: Machine::$machine,
            run: |rig| Box::pin($module::$case(rig)),
        }),+),+]
    };
}

/// Every case; or those that take long, when one asks for them.
pub fn all() -> Vec<Case> {
    if std::env::var_os(soak::CALLS).is_some() {
        return cases! { Alone; soak: chromium firefox; };
    }
    if std::env::var_os(impaired::FOLDER).is_some() {
        return cases! { Alone; impaired: networks long_call memory_of_a_long_call; };
    }
    let mut cases = cases! { Quiet;
        // These wait for half a minute and longer: in front, so that at the end no worker waits for the other one.
        peer_faults: gathering_that_never_ends second_challenge forked_second_answer glare session_interval_too_small;
        crm: cards cards_firefox kept kept_firefox written refused page_goes page_goes_firefox page_is_reloaded zammad
            account_goes;
        peer: console;
        asterisk: sign_in sign_in_with_sha256 wrong_password hang_up_before_answer hang_up_at_once
            the_other_side_hangs_up busy declined unknown_number unavailable incoming_declined incoming_missed;
        calls: digits_in_the_media digits_by_info digits_in_firefox do_not_disturb codecs;
        messages: texts texts_firefox texts_not_delivered lamp lamp_firefox presence presence_firefox mailbox
            mailbox_firefox mailbox_without_subscription publish;
        pair: declined missed;
        firefox: endings;
        errors: malformed_account account_unauthorized account_missing account_unreachable server_url no_sip no_server
            next_server cut_in_the_middle_of_invite no_microphone microphone_denied header_injection;
        window: opens corners moves fits buttons languages modes;
        csp: chromium firefox;
        instance: reload reload_firefox two_phones;
        tabs: eight three_firefox idle cut_off;
        network: server_pings register_passed_over;
        routing: without_a_name;
        sign_in: before_expiry after_a_refusal;
        creme: call;
        demo: call;
        dial: links links_firefox out_prefix lookup lookup_firefox lookup_fails;
        leave: while_it_rings firefox;
    };
    cases.extend(cases! { Shared;
        lines: session_timer;
        network: half_open_connection media_stall wss trickled_candidates;
        peer: chromium;
        asterisk: echo mute incoming_answered;
        calls: devices auto_answer;
        lines: hold_in_chromium held_by_the_far_end second_call call_waiting blind_transfer failed_transfer
            attended_transfer transferred conference server_restarts;
        pair: asterisk embedded embedded_numbers;
        recovery: connection_lost;
        reload: as_it_was too_late no_microphone;
        tabs: ringing in_a_call;
        popup: blocked answered;
        moving: server_cut_off far_end_hangs_up_meanwhile network_away turn sleep server_restarts_idle;
        routing: sent_elsewhere answered_by_itself taken_over;
        sign_in: sound_blocked;
    });
    cases.extend(cases! { First;
        // Firefox's recordings have gaps where it has less than a core, and our worklet plays what comes in time.
        peer: firefox;
        lines: hold_in_firefox bridge;
        recovery: connection_lost_firefox;
        network: wss_firefox;
        calls: quality;
        firefox: echo calls_chromium is_called;
        reload: gap gap_firefox;
        // Windows that open and sign in: not tried beside another case since a race in them was mended.
        popup: closed crm outlives_pages outlives_pages_firefox;
        moving: server_cut_off_firefox address address_firefox roaming_firefox;
        isolated: chromium firefox;
        receive: by_default older codecs codecs_firefox opinion_of_codec opinion_of_codec_firefox
            after_reload after_reload_firefox without;
        voice: engines engines_firefox echo_firefox worklet_breaks worklet_breaks_firefox no_engine devices
            forty_calls;
        neural: suppresses falls_back;
    });
    cases.extend(cases! { Alone;
        dial: words words_firefox;
        ring_time: chromium;
        receive: steps steps_firefox cost cost_firefox;
        // In Chromium a room that skips some milliseconds is another path for the echo: 16 to 36 dB less of it beside
        // another case, 54 to 71 alone.
        voice: overload overload_firefox cost echo;
    });
    cases
}

/// Waits until Asterisk has no channel left.
///
/// # Errors
/// When one is left after `limit`.
async fn asterisk_is_idle(rig: &Rig, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    loop {
        let channels = rig.asterisk.channels().await?;
        if channels == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < end, "Asterisk still has {channels} channels");
    }
}
