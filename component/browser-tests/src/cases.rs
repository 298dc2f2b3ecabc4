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
    /// A share: it waits most of the time, and for nothing that comes too late with another case beside it.
    Shared,
    /// All of it: it measures sound or time.
    Alone,
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
    let mut cases = cases! { Shared;
        // These wait for half a minute and longer: in front, so that at the end no lane waits for the other one.
        peer_faults: forked_second_answer glare session_interval_too_small second_challenge gathering_that_never_ends;
        lines: session_timer;
        crm: cards cards_firefox;
        network: half_open_connection media_stall;
        peer: chromium console;
        asterisk: sign_in sign_in_with_sha256 wrong_password echo mute hang_up_before_answer hang_up_at_once
            the_other_side_hangs_up busy declined unknown_number unavailable incoming_answered incoming_declined
            incoming_missed;
        calls: digits_in_the_media digits_by_info digits_in_firefox devices do_not_disturb auto_answer codecs;
        lines: hold_in_chromium held_by_the_far_end second_call call_waiting blind_transfer
            failed_transfer attended_transfer transferred conference server_restarts;
        messages: texts texts_firefox texts_not_delivered lamp lamp_firefox presence presence_firefox mailbox
            mailbox_firefox mailbox_without_subscription publish;
        pair: asterisk embedded declined missed embedded_numbers;
        firefox: endings;
        errors: malformed_account account_unauthorized account_missing account_unreachable server_url no_sip no_server
            next_server cut_in_the_middle_of_invite no_microphone microphone_denied header_injection;
        window: opens corners moves fits buttons languages modes;
        csp: chromium firefox;
        instance: reload reload_firefox two_phones;
        recovery: connection_lost;
        reload: as_it_was too_late no_microphone;
        tabs: eight three_firefox idle ringing in_a_call cut_off;
        popup: blocked answered;
        network: wss trickled_candidates server_pings register_passed_over;
        moving: server_cut_off far_end_hangs_up_meanwhile network_away turn sleep server_restarts_idle;
        routing: sent_elsewhere answered_by_itself without_a_name taken_over;
        sign_in: before_expiry after_a_refusal sound_blocked;
        crm: kept kept_firefox written refused page_goes page_goes_firefox
            page_is_reloaded zammad account_goes;
        creme: call;
        demo: call;
        dial: links links_firefox out_prefix lookup lookup_firefox lookup_fails;
        leave: while_it_rings firefox;
    };
    cases.extend(cases! { Alone;
        // Firefox's recordings have gaps where it has less than a core.
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
        dial: words words_firefox;
        ring_time: chromium;
        receive: by_default older codecs codecs_firefox steps steps_firefox after_reload after_reload_firefox without;
        voice: engines engines_firefox echo echo_firefox overload overload_firefox worklet_breaks
            worklet_breaks_firefox no_engine devices forty_calls cost;
        neural: suppresses falls_back;
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
