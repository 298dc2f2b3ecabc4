//! Which of the far end's answers is applied, and as what.
//!
//! A call may bring several: early media (183), the same again, other phones' after a fork, and the one that counts
//! (200). A peer connection takes any number of provisional answers and then exactly one final one.

/// What to do with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply it, more may follow (`pranswer`).
    Provisional(String),
    /// Apply it, it is the last (`answer`).
    Final(String),
    /// Nothing: it is known already, or belongs to a phone that we do not listen to.
    Skip,
    /// The call was answered without any session description: there can be no media.
    Missing,
}

/// The answers to one offer.
#[derive(Debug, Default)]
pub struct Answers {
    /// The last early answer of each phone (RFC 3261 §13.2.2.4: the 2xx may leave it out).
    early: Vec<(u32, String)>,
    /// The phone that is heard before the answer: the first that sent any media.
    heard: Option<u32>,
    settled: bool,
}

impl Answers {
    /// A provisional answer of the phone `fork`.
    pub fn early(&mut self, fork: u32, sdp: String) -> Step {
        if self.settled {
            return Step::Skip;
        }
        let known = match self.early.iter_mut().find(|(known, _)| *known == fork) {
            Some((_, last)) => {
                let same = *last == sdp;
                last.clone_from(&sdp);
                same
            }
            None => {
                self.early.push((fork, sdp.clone()));
                false
            }
        };
        // One peer connection can play one phone only: the first one keeps it until somebody answers.
        if *self.heard.get_or_insert(fork) != fork || known { Step::Skip } else { Step::Provisional(sdp) }
    }

    /// The final answer of the phone `fork`; without `sdp` its last early one holds.
    pub fn last(&mut self, fork: u32, sdp: Option<String>) -> Step {
        if self.settled {
            return Step::Skip;
        }
        let sdp = sdp.or_else(|| self.early.iter().find(|(known, _)| *known == fork).map(|(_, early)| early.clone()));
        match sdp {
            Some(sdp) => {
                self.settled = true;
                Step::Final(sdp)
            }
            None => Step::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn early_media_then_the_answer() {
        let mut answers = Answers::default();
        assert_eq!(answers.early(0, s("a")), Step::Provisional(s("a")));
        assert_eq!(answers.early(0, s("a")), Step::Skip);
        assert_eq!(answers.early(0, s("b")), Step::Provisional(s("b")));
        assert_eq!(answers.last(0, Some(s("b"))), Step::Final(s("b")));
        assert_eq!(answers.last(0, Some(s("b"))), Step::Skip);
        assert_eq!(answers.early(0, s("late")), Step::Skip);
    }

    #[test]
    fn an_answer_without_a_description_means_the_early_one_of_that_phone() {
        let mut answers = Answers::default();
        answers.early(0, s("a"));
        answers.early(1, s("b"));
        assert_eq!(answers.last(1, None), Step::Final(s("b")));
        assert_eq!(Answers::default().last(0, None), Step::Missing);
    }

    #[test]
    fn the_first_phone_is_heard_until_one_answers() {
        let mut answers = Answers::default();
        assert_eq!(answers.early(0, s("a")), Step::Provisional(s("a")));
        assert_eq!(answers.early(1, s("b")), Step::Skip);
        assert_eq!(answers.early(0, s("c")), Step::Provisional(s("c")));
        assert_eq!(answers.last(1, Some(s("d"))), Step::Final(s("d")));
    }
}
