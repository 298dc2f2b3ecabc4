//! Texts that were sent and that came.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Cause, Direction, EpochMillis, Remote};

/// Texts that the window remembers.
pub const MESSAGES_KEPT: usize = 100;
/// Longest text of somebody else that the window shows, bytes.
const LONGEST_SHOWN: usize = 4_096;

/// One text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Counted from 1.
    pub id: u64,
    /// Who wrote it.
    pub direction: Direction,
    /// Who it is from, or goes to.
    pub remote: Remote,
    /// What it says; of somebody else: never markup.
    pub text: String,
    /// When it came or was sent.
    pub at: EpochMillis,
    /// What became of it.
    pub delivery: Delivery,
}

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// On its way, or waiting for a connection.
    Sending,
    /// Taken by the server or the far end; what came is so, too.
    Done,
    /// Not delivered.
    Failed(Cause),
}

/// The last texts, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// At most [`MESSAGES_KEPT`]. Shared, as every drawing copies the facts.
    pub list: Rc<Vec<Message>>,
    /// Those that came since the user looked.
    pub unread: usize,
    next: u64,
}

impl Messages {
    /// Those that another tab knows.
    pub fn known(list: Vec<Message>, unread: usize) -> Messages {
        Messages { next: list.last().map_or(0, |message| message.id), list: Rc::new(list), unread }
    }

    /// Adds a text at the end and returns its name.
    pub fn add(
        &mut self,
        direction: Direction,
        remote: Remote,
        mut text: String,
        at: EpochMillis,
        delivery: Delivery,
    ) -> u64 {
        if text.len() > LONGEST_SHOWN {
            let end = (0..=LONGEST_SHOWN).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        self.next += 1;
        let list = Rc::make_mut(&mut self.list);
        if list.len() == MESSAGES_KEPT {
            list.remove(0);
        }
        list.push(Message { id: self.next, direction, remote, text, at, delivery });
        if direction == Direction::Inbound {
            self.unread = (self.unread + 1).min(MESSAGES_KEPT);
        }
        self.next
    }

    /// Notes what became of a text, unless it is forgotten.
    pub fn settle(&mut self, id: u64, delivery: Delivery) {
        if let Some(message) = Rc::make_mut(&mut self.list).iter_mut().find(|message| message.id == id) {
            message.delivery = delivery;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut messages = Messages::default();
        for number in 0..MESSAGES_KEPT + 5 {
            let text = number.to_string();
            messages.add(Direction::Inbound, Remote::default(), text, 0.0, Delivery::Done);
        }
        assert_eq!(messages.list.len(), MESSAGES_KEPT);
        assert_eq!((messages.list[0].id, messages.list[0].text.as_str()), (6, "5"));
        assert_eq!(messages.unread, MESSAGES_KEPT);
        messages.settle(1, Delivery::Failed(Cause::Network));
        assert!(messages.list.iter().all(|message| message.delivery == Delivery::Done));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut messages = Messages::default();
        let long = ["x", &"ж".repeat(LONGEST_SHOWN)].concat();
        let id = messages.add(Direction::Outbound, Remote::default(), long, 0.0, Delivery::Sending);
        let text = &messages.list[0].text;
        assert!(text.len() <= LONGEST_SHOWN + '…'.len_utf8() && text.ends_with("ж…"));
        messages.settle(id, Delivery::Failed(Cause::NotFound));
        assert_eq!(messages.list[0].delivery, Delivery::Failed(Cause::NotFound));
        assert_eq!(messages.unread, 0, "our own are read");
    }
}
