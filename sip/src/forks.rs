//! One state of what several phones say of one subscription, as the event package has it (RFC 6665 §5.4.9).

use crate::dialog_info::DialogInfo;
use crate::message_summary::{Counts, Summary};

/// Phones whose state is kept: more than the agent lets speak.
const MAX_FORKS: usize = 64;

/// What is known of each phone, by its number in [`Event::Notify`](crate::Event::Notify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forks<T>(Vec<(u32, T)>);

impl<T> Default for Forks<T> {
    fn default() -> Self {
        Forks(Vec::new())
    }
}

impl<T> Forks<T> {
    /// What is known of a phone.
    pub fn get_mut(&mut self, fork: u32) -> Option<&mut T> {
        self.0.iter_mut().find(|(of, _)| *of == fork).map(|(_, state)| state)
    }

    /// Takes what a phone says in place of what it said; past 64 phones it is left out.
    pub fn set(&mut self, fork: u32, state: T) {
        let room = self.0.len() < MAX_FORKS;
        match self.get_mut(fork) {
            Some(known) => *known = state,
            None if room => self.0.push((fork, state)),
            None => {}
        }
    }

    /// Whether more than one phone has spoken.
    pub fn several(&self) -> bool {
        self.0.len() > 1
    }

    /// A phone says no more: its dialog is over.
    pub fn forget(&mut self, fork: u32) {
        self.0.retain(|(of, _)| *of != fork);
    }
}

impl Forks<DialogInfo> {
    /// The dialogs of all phones (RFC 4235 §3.9); `None` while nothing is known.
    pub fn merged(&self) -> Option<DialogInfo> {
        let (_, first) = self.0.first()?;
        let mut all = first.clone();
        for (_, next) in &self.0[1..] {
            all.dialogs.extend(next.dialogs.iter().cloned());
        }
        Some(all)
    }
}

impl Forks<Summary> {
    /// The messages in all mailboxes together (RFC 3842 §3.9); `None` while nothing is known.
    pub fn merged(&self) -> Option<Summary> {
        let (_, first) = self.0.first()?;
        let mut all = first.clone();
        for (_, next) in &self.0[1..] {
            all.waiting |= next.waiting;
            all.account = all.account.or_else(|| next.account.clone());
            Counts::add(&mut all.voice, next.voice);
            Counts::add(&mut all.other, next.other);
        }
        Some(all)
    }
}
