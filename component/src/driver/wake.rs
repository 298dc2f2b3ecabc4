//! Waking: of the machine, of the page, of the network. What stood before is doubted at once, not after a keep-alive.

use std::cell::RefCell;
use std::rc::Rc;

use soft_phone_sip::Instant;
use wasm_bindgen::JsCast;
use web_sys::EventTarget;

use super::Driver;
use super::phone::Phone;
use crate::clock::{self, Timer};
use crate::js;
use crate::listener::Listener;
use crate::state::EpochMillis;

/// How often it is looked whether time has passed in which nothing ran, ms. Not every browser's clock counts it, but the
/// time of day does.
const BEAT: u64 = 2_000;
/// Late by more than this, the machine slept, ms; a page that is busy is late by less.
const SLEPT: EpochMillis = 3_000.0;
/// The same of a hidden page, whose timers browsers let run once a minute.
const SLEPT_HIDDEN: EpochMillis = 75_000.0;

impl Driver {
    /// Listens to what the browser tells of the network and of the page.
    pub(super) fn watch_network(self: &Rc<Self>) -> Vec<Listener> {
        let Some(window) = web_sys::window() else { return Vec::new() };
        let on = |target: &EventTarget, name, act: fn(&Rc<Driver>)| {
            let me = self.me.clone();
            Listener::new(target, name, move |_| {
                if let Some(driver) = me.upgrade() {
                    act(&driver);
                }
            })
        };
        let mut listeners = vec![
            on(&window, "online", Driver::wake),
            // A server on this machine, or in its network, may still be there.
            on(&window, "offline", |driver| driver.run(|phone, now| phone.doubt(now))),
        ];
        if let Some(document) = window.document() {
            // A hidden page's keep-alives may have been late, or not have left at all.
            listeners.push(on(&document, "visibilitychange", |driver| {
                if !is_hidden() {
                    driver.run(|phone, now| phone.look_again(now));
                }
            }));
            // Frozen, and running again (Page Lifecycle).
            listeners.push(on(&document, "resume", Driver::wake));
        }
        // Where a browser tells of it: another network, without having been offline.
        let connection = js::get(&window.navigator(), "connection").dyn_into::<EventTarget>().ok();
        let kind = |connection: &EventTarget| js::get(connection, "type").as_string();
        let before = RefCell::new(connection.as_ref().and_then(kind));
        listeners.extend(connection.map(|connection| {
            let (me, told) = (self.me.clone(), connection.clone());
            Listener::new(&connection, "change", move |_| {
                let Some(driver) = me.upgrade() else { return };
                let now = kind(&told);
                if before.replace(now.clone()) == now {
                    // Only its speed is guessed anew, which happens all the time.
                    driver.run(Phone::repair_at_once);
                } else {
                    driver.wake();
                }
            })
        }));
        listeners
    }

    fn wake(self: &Rc<Self>) {
        self.run(Phone::on_network_change);
    }

    /// Looks for sleep as long as there is a connection to lose.
    pub(super) fn keep_watch(self: &Rc<Self>) {
        let wanted = self.phone.borrow().plan.is_some();
        if wanted == self.beat.borrow().is_some() {
            return;
        }
        self.beat.replace(if wanted { self.next_beat() } else { None });
    }

    #[allow(clippy::cast_precision_loss, reason = "two seconds")]
    fn next_beat(self: &Rc<Self>) -> Option<Timer> {
        let due = clock::epoch_millis() + BEAT as EpochMillis;
        let me = self.me.clone();
        Timer::new(BEAT, move || {
            let Some(driver) = me.upgrade() else { return };
            driver.beat.take();
            if has_slept(clock::epoch_millis() - due, is_hidden()) {
                driver.wake();
            }
            driver.keep_watch();
        })
    }
}

impl Phone {
    /// Whether the connection lives is to be known soon.
    fn doubt(&mut self, now: Instant) {
        if let Some(plan) = &mut self.plan {
            plan.handle_doubt(now);
        }
    }

    /// Somebody looks at the phone: it had better be there.
    fn look_again(&mut self, now: Instant) {
        if let Some(plan) = &mut self.plan {
            plan.retry(now);
            plan.handle_doubt(now);
        }
    }
}

fn is_hidden() -> bool {
    web_sys::window().and_then(|window| window.document()).is_some_and(|document| document.hidden())
}

/// Whether a timer that is late by so much, ms, was late because nothing ran.
fn has_slept(late: EpochMillis, hidden: bool) -> bool {
    late > if hidden { SLEPT_HIDDEN } else { SLEPT }
}

#[cfg(test)]
mod tests {
    use super::has_slept;

    #[test]
    fn a_busy_page_and_a_hidden_one_are_late_without_sleep() {
        assert!(!has_slept(900.0, false));
        assert!(has_slept(8_000.0, false));
        assert!(!has_slept(58_000.0, true));
        assert!(has_slept(600_000.0, true));
        // The clock was set back.
        assert!(!has_slept(-3_600_000.0, false));
    }
}
