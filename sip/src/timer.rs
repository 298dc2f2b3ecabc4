//! The one table of deadlines that a transaction layer, and an agent, keeps.

use crate::Instant;

/// Deadlines by name. Setting a timer again moves it.
///
/// A plain list: there are at most three entries for each live transaction or call, whose numbers are bounded, and
/// walking a few hundred of them costs less than the code of a heap would in the page.
#[derive(Debug, Clone)]
pub(crate) struct TimerTable<K> {
    entries: Vec<(K, Instant)>,
}

impl<K: Copy + PartialEq> TimerTable<K> {
    pub(crate) const fn new() -> Self {
        TimerTable { entries: Vec::new() }
    }

    /// Starts the timer, or moves it.
    pub(crate) fn set(&mut self, timer: K, at: Instant) {
        match self.entries.iter_mut().find(|(k, _)| *k == timer) {
            Some(entry) => entry.1 = at,
            None => self.entries.push((timer, at)),
        }
    }

    pub(crate) fn is_set(&self, timer: &K) -> bool {
        self.entries.iter().any(|(k, _)| k == timer)
    }

    pub(crate) fn stop(&mut self, timer: K) {
        self.entries.retain(|(k, _)| *k != timer);
    }

    /// Stops every timer that `of` says belongs to what is being removed.
    pub(crate) fn stop_all(&mut self, of: impl Fn(&K) -> bool) {
        self.entries.retain(|(k, _)| !of(k));
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.iter().map(|(_, at)| *at).min()
    }

    /// Takes the timer that expired first and when it was due, if one is due at `now`; the older of two with the same
    /// deadline first.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(K, Instant)> {
        let mut first: Option<(usize, Instant)> = None;
        for (index, (_, at)) in self.entries.iter().enumerate() {
            if *at <= now && first.is_none_or(|(_, earliest)| *at < earliest) {
                first = Some((index, *at));
            }
        }
        first.map(|(index, _)| self.entries.remove(index))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_in_order_and_only_what_is_due() {
        let at = Instant::from_millis;
        let mut table = TimerTable::new();
        table.set('a', at(30));
        table.set('b', at(10));
        table.set('c', at(10));
        table.set('d', at(5));
        table.set('a', at(20));
        table.stop('d');
        assert_eq!(table.next(), Some(at(10)));
        assert_eq!(table.expire(at(9)), None);
        assert_eq!(table.expire(at(25)), Some(('b', at(10))));
        assert_eq!(table.expire(at(25)), Some(('c', at(10))));
        table.set('e', at(40));
        table.stop_all(|k| *k == 'e');
        assert_eq!(table.expire(at(25)), Some(('a', at(20))));
        assert_eq!((table.expire(at(99)), table.len()), (None, 0));
    }
}
