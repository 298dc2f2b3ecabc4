//! Who sends and who receives (RFC 3264 §5.1, §6.1, §8.4).

use super::Section;

/// The direction of a medium, as the writer of the description sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways: what holds when nothing is said.
    #[default]
    SendRecv,
    /// The writer sends only: it put the other side on hold, with music perhaps.
    SendOnly,
    /// The writer receives only: it was put on hold.
    RecvOnly,
    /// Nobody sends.
    Inactive,
}

const ALL: [Direction; 4] = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

impl Direction {
    /// The attribute: `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// From what its writer does.
    pub fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer receives. One that does not has put the other side on hold.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same seen from the other side.
    pub fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// What may be answered to an offer of this direction by one who wants `wanted` (RFC 3264 §6.1).
    pub fn answer(self, wanted: Direction) -> Direction {
        Direction::new(wanted.sends() && self.receives(), wanted.receives() && self.sends())
    }

    pub(super) fn without_receiving(self) -> Direction {
        Direction::new(self.sends(), false)
    }

    /// The one that a section says; the first, should there be two.
    pub(super) fn of(section: &Section) -> Option<Direction> {
        section.lines().find_map(|line| {
            let name = line.strip_prefix("a=")?;
            ALL.into_iter().find(|direction| direction.as_str() == name)
        })
    }

    /// Says it in a section, in the place of what was said before.
    pub(super) fn put(self, section: &mut Section) {
        let mut place = section.0.len();
        for direction in ALL {
            if let Some(old) = section.remove(direction.as_str()) {
                place = place.min(old);
            }
        }
        let place = place.min(section.0.len());
        section.0.insert(place, ["a=", self.as_str()].concat());
    }
}
