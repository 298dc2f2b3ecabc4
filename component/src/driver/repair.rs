//! Media that find their way no more: ICE begins anew (RFC 8839 §4.4.1), then the call does, a few times, before it is
//! given up.
//!
//! ```text
//! silent, lost ─► server there ─► restart ─► anew, 3 times ─► found
//!      │                │            ▲             └───────► given up
//!      │                ▼ away       │ back
//!      └──────────► the call waits ──┘
//!                       └─ 2 minutes ─► given up
//! ```
//! Either takes the server: while the connection to it is away none is tried, and none counts. A call that begins anew is
//! another one in the place of the one that there was, as after a reload (`recovery`): it helps where the far end has
//! another address, too, which some (Asterisk 22) do not tell in the answer to a restart.

use std::time::Duration;

use soft_phone_sip::{CallId, Instant};

use super::calls::Entry;
use super::phone::Phone;
use crate::clock;
use crate::media::Path;
use crate::media::quality::Sample;
use crate::socket::{Phase, Plan};
use crate::state::{CallState, Cause};

/// How long a silent way may come back by itself: most do (a cable pulled, a change of the radio cell).
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it may take when the server is there again: where addresses are as they were, the way is found again by the next
/// check of it, and a restart would only cost the sound that comes already.
const RETURN: Duration = Duration::from_millis(500);
/// How long a restart may wait for its answer, and what follows for the way. Nothing is given up when the call begins anew
/// after it.
const FIRST_TRY: Duration = Duration::from_secs(3);
const CHECKS: Duration = Duration::from_millis(700);
/// How long any other try may take, and how many there are in all.
const TRY: Duration = Duration::from_secs(10);
const TRIES: u8 = 4;
/// While the connection is in doubt, it is looked at so often whether a try can be made.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long a call without a way waits for the network.
const LONGEST: Duration = Duration::from_secs(120);
/// Two looks that are nearer than this miss no packet: of a silence Opus sends one each 400 ms.
const MISSED: Duration = Duration::from_millis(450);
/// So many looks at the statistics without a packet are a stall: six seconds.
const STALLED: u8 = 3;

/// What is known of the way of a call's packets.
#[derive(Debug, Default)]
pub struct Repair {
    /// When something is due.
    pub at: Option<Instant>,
    /// Since when there is no way.
    since: Option<Instant>,
    tries: u8,
    /// The network has been another one since the way was found, perhaps: what still looks like a way need not be one.
    moved: bool,
    /// The browser has given the way up: it does not come back by itself.
    failed: bool,
    /// Looks at the statistics in which nothing came; [`SEEN_TO`] when nothing more is to be done about it.
    idle: u8,
    /// When they were looked at last.
    looked: Option<Instant>,
    doubt: Doubt,
    /// The media are new: their way is still to be found for the first time.
    pub anew: bool,
    /// The call was taken up from another page, and ends when `at` comes.
    once: bool,
}

/// Something has happened that packets may not have survived: where none comes until the next look there is no way, whatever
/// the browser says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doubt {
    #[default]
    None,
    /// The next look is what the one behind it is compared with.
    Begun,
    Looking,
}

/// Packets that do not come although all was done: the far end is silent.
const SEEN_TO: u8 = u8::MAX;

/// What is to be done about a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// ICE begins anew.
    Restart,
    /// The call does.
    Anew,
    /// No more tries.
    GiveUp(Cause),
}

impl Repair {
    /// Of a call whose first way must be found until then.
    pub fn resumed(deadline: Instant) -> Repair {
        Repair { at: Some(deadline), anew: true, once: true, ..Repair::default() }
    }

    /// Whether it matters soon how packets come.
    pub fn is_urgent(&self) -> bool {
        self.doubt != Doubt::None || self.at.is_some()
    }

    /// Packets `come`, or not; `found`: the browser says that there is a way.
    fn handle_look(&mut self, now: Instant, come: bool, found: bool) {
        let soon = self.looked.replace(now).is_some_and(|before| now < before + MISSED);
        if self.doubt == Doubt::Begun {
            self.doubt = Doubt::Looking;
        } else if soon && !come {
            // It tells nothing: one look was asked for earlier and came late, or the other sooner.
        } else if come && found && !self.anew {
            *self = Repair::default();
        } else if come {
            self.idle = 0;
        } else {
            self.idle = self.idle.saturating_add(1);
            let stalled = self.idle == STALLED || self.doubt == Doubt::Looking;
            // A way that is known to be gone is seen to already.
            if stalled && self.at.is_none() {
                self.since.get_or_insert(now);
                self.at = Some(now);
            }
        }
    }

    /// The answer to an offer of ours is in force.
    pub fn handle_answer(&mut self, now: Instant) {
        if self.tries == 1 && !self.anew {
            self.at = self.at.map(|at| at.min(now + CHECKS));
        }
    }

    /// Whether nothing more is to be done: packets had stopped, ICE has begun anew, and the way still stands.
    fn handle_stall(&mut self, now: Instant, found: bool) -> bool {
        let due = self.at.is_some_and(|at| now >= at);
        let over = due && found && self.tries > 0 && self.idle >= STALLED && self.doubt == Doubt::None && !self.anew;
        if over {
            *self = Repair { idle: SEEN_TO, ..Repair::default() };
        }
        over
    }

    /// There is a way; whether it has to be looked at.
    fn handle_found(&mut self) -> bool {
        let before = std::mem::take(self);
        if before.anew || before.idle >= STALLED {
            self.idle = SEEN_TO;
        } else if before.tries > 0 {
            // The far end may go on to send on the way before the restart, as Asterisk does while that looks alive.
            self.tries = before.tries;
            self.doubt = Doubt::Begun;
        }
        self.doubt != Doubt::None
    }

    /// Whether there is another try to come.
    pub fn has_tries(&self) -> bool {
        !self.once && self.at.is_some() && self.tries < TRIES
    }

    /// The way is silent, or has failed for good.
    fn handle_gone(&mut self, now: Instant, for_good: bool) {
        self.since.get_or_insert(now);
        self.failed |= for_good;
        if for_good && self.tries == 0 && !self.once {
            self.at = Some(now);
        }
        self.at.get_or_insert(if self.moved { now } else { now + PATIENCE });
    }

    /// The connection to the server is there again; `sound`: packets seem to find their way, which may be believed where
    /// nothing speaks against it.
    fn handle_server(&mut self, now: Instant, sound: bool) {
        if sound && !self.moved && self.since.is_none() {
            return;
        }
        self.since.get_or_insert(now);
        let tried = std::mem::take(&mut self.tries) > 0;
        self.at = Some(if self.moved || self.failed || tried { now } else { now + RETURN });
    }

    /// The network is another one, perhaps; `sound`: packets seem to find their way.
    fn handle_move(&mut self, now: Instant, sound: bool) {
        if self.once {
            return;
        }
        self.moved = true;
        if !sound {
            self.since.get_or_insert(now);
            self.at = Some(now);
        }
    }

    /// What is due; `server`: the connection to it is there.
    fn handle_timeout(&mut self, now: Instant, server: bool) -> Option<Step> {
        self.at.take_if(|at| now >= *at)?;
        if self.once {
            return Some(Step::GiveUp(Cause::MediaFailed));
        }
        let last = *self.since.get_or_insert(now) + LONGEST;
        if now >= last {
            return Some(Step::GiveUp(Cause::Network));
        }
        if !server {
            self.at = Some(last);
            return None;
        }
        if self.tries >= TRIES {
            return Some(Step::GiveUp(Cause::MediaFailed));
        }
        self.tries += 1;
        self.moved = false;
        self.failed = false;
        let restart = self.tries == 1 && !self.anew;
        self.at = Some(now + if restart { FIRST_TRY } else { TRY });
        Some(if restart { Step::Restart } else { Step::Anew })
    }
}

impl Phone {
    /// The browser says how the way stands.
    pub(super) fn on_path(&mut self, now: Instant, key: u64, path: Path) {
        let Some(entry) = self.entry(key) else { return };
        let stands = entry.is_established();
        match path {
            Path::Found => {
                let anew = entry.repair.anew;
                let look = entry.repair.handle_found();
                entry.shared.facts.borrow_mut().cut = false;
                if anew {
                    self.on_resumed(key);
                }
                if look {
                    self.look_soon();
                }
            }
            // Before the call stands there is nothing to go back to.
            Path::Lost if !stands => self.fail_at(now, key, None),
            Path::Lost | Path::Silent => {
                entry.shared.facts.borrow_mut().cut = stands;
                entry.repair.handle_gone(now, path == Path::Lost);
                // The same may have happened to the connection, where nobody would notice for half a minute.
                if let Some(plan) = &mut self.plan {
                    plan.handle_doubt(now);
                }
                self.repair(now, key);
            }
        }
    }

    /// The network is another one, perhaps. Calls whose packets still come are left alone.
    pub(super) fn on_network_change(&mut self, now: Instant) {
        if let Some(plan) = &mut self.plan {
            plan.handle_online(now);
        }
        for entry in self.calls.iter_mut().filter(|entry| entry.is_established()) {
            let found = entry.has_way();
            entry.repair.handle_move(now, found);
        }
        self.repair_due(now);
    }

    /// Calls that have no way look for one now.
    pub(super) fn repair_at_once(&mut self, now: Instant) {
        for entry in self.calls.iter_mut().filter(|entry| entry.is_established() && !entry.has_way()) {
            entry.repair.handle_gone(now, true);
        }
        self.repair_due(now);
    }

    /// The connection of a call is another one: the far end has to learn of it, and media that have no way find one by it.
    pub(super) fn on_recover(&mut self, now: Instant, call: CallId) {
        let Some(key) = self.key_of_sip(call) else { return };
        let Some(entry) = self.entry(key) else { return };
        if entry.repair.once {
            return self.restart_at(key);
        }
        let found = entry.has_way();
        entry.repair.handle_server(now, found);
        if entry.repair.at.is_some_and(|at| now >= at) {
            return self.repair(now, key);
        }
        entry.repair.doubt = Doubt::Begun;
        entry.line.renew = true;
        self.pursue(key);
        self.look_soon();
    }

    /// Tries that are due.
    pub(super) fn repair_due(&mut self, now: Instant) {
        let due = |entry: &Entry| entry.repair.at.filter(|at| now >= *at).map(|_| entry.key);
        let keys: Vec<u64> = self.calls.iter().filter_map(due).collect();
        for key in keys {
            self.repair(now, key);
        }
    }

    fn repair(&mut self, now: Instant, key: u64) {
        let (server, doubted) = (self.has_server(), self.plan.as_ref().is_some_and(Plan::is_doubted));
        let Some(entry) = self.entry(key) else { return };
        // An offer on a connection that is dead may arrive behind the one on the next, and undo it.
        if doubted && !entry.repair.once && entry.repair.at.is_some_and(|at| now >= at) {
            entry.repair.at = Some(now + LOOK_AGAIN);
            return;
        }
        let found = entry.has_way();
        if entry.repair.handle_stall(now, found) {
            return;
        }
        match entry.repair.handle_timeout(now, server) {
            None => {}
            Some(Step::Restart) => self.restart_at(key),
            Some(Step::Anew) => self.begin_anew(now, key),
            Some(Step::GiveUp(Cause::MediaFailed)) => self.fail_at(now, key, None),
            Some(Step::GiveUp(cause)) => {
                entry.verdict.get_or_insert((cause, None));
                self.fail_with(now, key, cause);
            }
        }
    }

    /// Whether what we send leaves.
    fn has_server(&self) -> bool {
        self.plan.as_ref().map(Plan::phase) == Some(Phase::Open)
    }

    /// Packets that stop although the way stands: the far end, or something between, has lost it. One new beginning, or two
    /// where there is a reason; a far end that is only silent is not hung up on.
    pub(super) fn watch_for_stall(&mut self, key: u64, before: Option<&Sample>, now: &Sample) {
        let server = self.has_server();
        let Some(entry) = self.entry(key) else { return };
        let speaking = entry.state() == CallState::Active && !entry.shared.facts.borrow().remote_held;
        if !speaking || now.received == 0.0 {
            entry.repair.idle = 0;
        } else if server {
            let (at, found) = (clock::now(), entry.has_way());
            let come = before.is_none_or(|before| now.received > before.received);
            entry.repair.handle_look(at, come, found);
            self.repair_due(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    const RESTART: Option<Step> = Some(Step::Restart);
    const ANEW: Option<Step> = Some(Step::Anew);

    /// The second try and those behind it, with media of its own each.
    fn begin_anew(repair: &mut Repair, now: Instant) {
        assert_eq!(repair.handle_timeout(now, true), ANEW);
        repair.anew = true;
    }

    #[test]
    fn a_silent_way_has_three_seconds_and_four_tries() {
        let mut repair = Repair::default();
        repair.handle_gone(at(10), false);
        assert_eq!(repair.handle_timeout(at(12), true), None);
        assert_eq!(repair.at, Some(at(13)));
        assert_eq!(repair.handle_timeout(at(13), true), RESTART);
        assert_eq!(repair.at, Some(at(13) + FIRST_TRY));
        for _ in 0..3 {
            repair.handle_gone(at(13), true);
            assert!(repair.has_tries());
            let due = repair.at.expect("another try");
            begin_anew(&mut repair, due);
            assert_eq!(repair.at, Some(due + TRY));
        }
        assert!(!repair.has_tries());
        assert_eq!(repair.handle_timeout(at(13) + FIRST_TRY + 3 * TRY, true), Some(Step::GiveUp(Cause::MediaFailed)));
    }

    #[test]
    fn a_way_that_failed_is_looked_for_at_once() {
        let mut repair = Repair::default();
        repair.handle_gone(at(10), true);
        assert_eq!(repair.handle_timeout(at(10), true), RESTART);

        let mut repair = Repair::default();
        repair.handle_gone(at(10), false);
        repair.handle_gone(at(11), true);
        assert_eq!(repair.handle_timeout(at(11), true), RESTART);
    }

    #[test]
    fn without_the_server_no_try_counts_and_the_first_is_made_when_it_is_back() {
        let mut repair = Repair::default();
        repair.handle_gone(at(10), true);
        for now in [10, 11, 60, 100] {
            assert_eq!(repair.handle_timeout(at(now), false), None);
        }
        repair.handle_server(at(100), false);
        assert_eq!(repair.handle_timeout(at(100), true), RESTART);
        // The answer is there after half a second: a way is found soon, or not at all.
        repair.handle_answer(at(100) + CHECKS / 2);
        assert_eq!(repair.handle_timeout(at(101), true), None);
        for now in [102, 112] {
            begin_anew(&mut repair, at(now));
        }
    }

    #[test]
    fn a_way_that_is_only_silent_has_a_moment_to_come_back_with_the_server() {
        let mut repair = Repair::default();
        repair.handle_gone(at(10), false);
        assert_eq!(repair.handle_timeout(at(13), false), None);
        repair.handle_server(at(20), false);
        assert_eq!(repair.handle_timeout(at(20) + RETURN / 2, true), None);
        assert_eq!(repair.handle_timeout(at(20) + RETURN, true), RESTART);
        // On another network there is nothing to wait for.
        let mut repair = Repair::default();
        repair.handle_gone(at(10), false);
        repair.handle_move(at(19), false);
        repair.handle_server(at(20), false);
        assert_eq!(repair.handle_timeout(at(20), true), RESTART);
    }

    #[test]
    fn tries_that_the_server_never_got_are_made_again() {
        let mut repair = Repair::default();
        repair.handle_gone(at(0), true);
        assert_eq!(repair.handle_timeout(at(0), true), RESTART);
        for now in [3, 13, 23] {
            begin_anew(&mut repair, at(now));
        }
        repair.handle_server(at(25), false);
        // A restart of media that never found a way is worth nothing.
        begin_anew(&mut repair, at(25));
        assert!(repair.has_tries());
    }

    #[test]
    fn a_network_that_stays_away_ends_the_call_after_two_minutes() {
        let mut repair = Repair::default();
        repair.handle_gone(at(10), false);
        assert_eq!(repair.handle_timeout(at(13), false), None);
        assert_eq!(repair.at, Some(at(130)));
        assert_eq!(repair.handle_timeout(at(129), false), None);
        assert_eq!(repair.handle_timeout(at(130), false), Some(Step::GiveUp(Cause::Network)));
    }

    #[test]
    fn packets_that_stop_for_six_seconds_cost_one_restart() {
        let mut repair = Repair::default();
        for now in [2, 4] {
            repair.handle_look(at(now), false, true);
            assert_eq!(repair.at, None);
        }
        repair.handle_look(at(6), false, true);
        assert_eq!(repair.handle_timeout(at(6), true), RESTART);
        assert!(!repair.handle_found());
        for now in 7..300 {
            repair.handle_look(at(now), false, true);
            assert_eq!(repair.at, None, "the far end is only silent");
        }
        repair.handle_look(at(300), true, true);
        for now in [302, 304, 306] {
            repair.handle_look(at(now), false, true);
        }
        assert_eq!(repair.handle_timeout(at(306), true), RESTART);
        // A browser that has never lost the way does not say that it is found.
        repair.handle_answer(at(306));
        repair.handle_look(at(306), false, true);
        assert!(!repair.handle_stall(at(306), true));
        assert!(repair.handle_stall(at(307), true));
        assert_eq!(repair.at, None);
    }

    #[test]
    fn a_way_in_doubt_is_believed_when_packets_come() {
        let mut repair = Repair { doubt: Doubt::Begun, ..Repair::default() };
        repair.handle_look(at(10), true, true);
        assert!(repair.is_urgent(), "they may have come before there was a doubt");
        repair.handle_look(at(11), true, true);
        assert_eq!((repair.is_urgent(), repair.at), (false, None));

        let mut repair = Repair { doubt: Doubt::Begun, ..Repair::default() };
        repair.handle_look(at(10), true, true);
        repair.handle_look(at(10) + MISSED / 9, false, true);
        assert_eq!(repair.at, None, "there was no time for a packet");
        repair.handle_look(at(11), false, true);
        assert_eq!(repair.at, Some(at(11)));

        let mut repair = Repair { doubt: Doubt::Begun, ..Repair::default() };
        repair.handle_look(at(10), true, true);
        repair.handle_look(at(11), false, true);
        assert_eq!(repair.handle_timeout(at(11), true), RESTART);
        // Found, but nothing comes by it: the call begins anew, and what comes then is all that there is.
        assert!(repair.handle_found());
        repair.handle_look(at(12), false, true);
        repair.handle_look(at(13), false, true);
        begin_anew(&mut repair, at(13));
        // The answer to a restart that comes late says nothing of the new media.
        repair.handle_answer(at(13));
        assert_eq!(repair.at, Some(at(13) + TRY));
        assert!(!repair.handle_found());
        repair.handle_look(at(15), false, true);
        assert_eq!(repair.at, None);
    }

    #[test]
    fn a_restart_is_over_when_packets_come_on_the_way_that_there_was() {
        let mut repair = Repair::default();
        repair.handle_gone(at(10), true);
        assert_eq!(repair.handle_timeout(at(10), true), RESTART);
        repair.handle_look(at(11), true, false);
        assert!(repair.at.is_some(), "they came before the way was lost");
        repair.handle_look(at(11), true, true);
        assert_eq!(repair.at, None);
    }

    #[test]
    fn media_that_went_on_without_the_server_are_left_alone() {
        let mut repair = Repair::default();
        repair.handle_server(at(10), true);
        assert_eq!((repair.at, repair.handle_timeout(at(200), true)), (None, None));
    }

    #[test]
    fn after_a_change_of_the_network_nothing_that_looks_like_a_way_is_believed() {
        let mut repair = Repair::default();
        repair.handle_move(at(10), true);
        assert_eq!(repair.at, None, "packets come: nothing is to be done yet");
        repair.handle_server(at(12), true);
        assert_eq!(repair.handle_timeout(at(12), true), RESTART);

        let mut repair = Repair::default();
        repair.handle_move(at(10), true);
        repair.handle_gone(at(15), false);
        assert_eq!(repair.handle_timeout(at(15), true), RESTART, "no patience with a way of the network before");

        let mut repair = Repair::default();
        repair.handle_move(at(10), false);
        assert_eq!(repair.handle_timeout(at(10), true), RESTART);
    }

    #[test]
    fn a_call_that_was_taken_up_has_until_its_deadline() {
        let mut repair = Repair::resumed(at(20));
        repair.handle_gone(at(5), false);
        repair.handle_gone(at(5), true);
        repair.handle_move(at(6), false);
        assert_eq!(repair.handle_timeout(at(19), true), None);
        assert_eq!(repair.handle_timeout(at(20), true), Some(Step::GiveUp(Cause::MediaFailed)));
    }
}
