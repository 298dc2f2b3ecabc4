//! Media that find their way no more: ICE begins anew (RFC 8839 §4.4.1), a few times, before the call is given up.

use std::time::Duration;

use soft_phone_sip::Instant;

use super::calls::Entry;
use super::phone::Phone;
use crate::media::Path;
use crate::media::quality::Sample;
use crate::state::CallState;

/// How long a silent way may come back by itself: most do (a cable pulled, a change of the radio cell).
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one try may take, and how many there are.
const TRY: Duration = Duration::from_secs(10);
const TRIES: u8 = 4;
/// So many looks at the statistics without a packet are a stall: six seconds.
const STALLED: u8 = 3;

/// What is known of the way of a call's packets.
#[derive(Default)]
pub struct Repair {
    /// When the next try begins.
    pub at: Option<Instant>,
    tries: u8,
    /// Looks at the statistics in which nothing came.
    idle: u8,
    /// The call was taken up from another page: its way is still to be found for the first time.
    pub resumed: bool,
}

impl Repair {
    /// Of a call whose first way must be found until then.
    pub fn resumed(deadline: Instant) -> Repair {
        Repair { at: Some(deadline), tries: TRIES, idle: 0, resumed: true }
    }
}

impl Phone {
    /// The browser says how the way stands.
    pub(super) fn on_path(&mut self, now: Instant, key: u64, path: Path) {
        let Some(entry) = self.entry(key) else { return };
        match path {
            Path::Found => {
                let resumed = std::mem::take(&mut entry.repair).resumed;
                if resumed {
                    self.on_resumed(key);
                }
            }
            // Before the call stands there is nothing to go back to.
            Path::Lost if !entry.is_established() => self.fail_at(now, key, None),
            Path::Lost if entry.repair.at.is_none() => self.repair(now, key),
            Path::Lost => {}
            Path::Silent => {
                entry.repair.at.get_or_insert(now + PATIENCE);
            }
        }
    }

    /// The network is another one, perhaps. Calls whose packets still come are left alone.
    pub(super) fn on_network_change(&mut self, now: Instant) {
        for entry in self.calls.iter_mut().filter(|entry| entry.is_established()) {
            let found = entry.media.as_ref().is_some_and(|media| media.is_connected());
            if !found {
                entry.repair.at = Some(now);
            }
        }
    }

    /// Tries that are due.
    pub(super) fn repair_due(&mut self, now: Instant) {
        let due = |entry: &mut Entry| entry.repair.at.take_if(|at| now >= *at).map(|_| entry.key);
        let keys: Vec<u64> = self.calls.iter_mut().filter_map(due).collect();
        for key in keys {
            self.repair(now, key);
        }
    }

    fn repair(&mut self, now: Instant, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        if entry.repair.tries >= TRIES {
            return self.fail_at(now, key, None);
        }
        entry.repair.tries += 1;
        entry.repair.at = Some(now + TRY);
        self.restart_at(key);
    }

    /// Packets that stop although the way stands: the far end, or something between, has lost it. One new beginning; a
    /// far end that is only silent is not hung up on.
    pub(super) fn watch_for_stall(&mut self, key: u64, before: &Sample, now: &Sample) {
        let Some(entry) = self.entry(key) else { return };
        let speaking = entry.state() == CallState::Active && !entry.shared.facts.borrow().remote_held;
        if !speaking || now.received == 0.0 || now.received > before.received {
            entry.repair.idle = 0;
            return;
        }
        entry.repair.idle = entry.repair.idle.saturating_add(1);
        if entry.repair.idle == STALLED {
            self.restart_at(key);
        }
    }
}
