//! Things by key, where every new key is greater than those before.

/// A list that is sorted because keys only grow: found by bisection, appended at the end.
///
/// A tree would do the same with ten times the code in the page; the numbers here are bounded and small.
#[derive(Debug, Clone)]
pub(crate) struct Table<K, V>(Vec<(K, V)>);

impl<K: Copy + Ord, V> Table<K, V> {
    pub(crate) const fn new() -> Self {
        Table(Vec::new())
    }

    /// `key` must be greater than every key that was ever inserted.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        debug_assert!(self.0.last().is_none_or(|(last, _)| *last < key), "keys only grow");
        self.0.push((key, value));
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.place(key).map(|place| &self.0[place].1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.place(key).map(|place| &mut self.0[place].1)
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        self.place(key).map(|place| self.0.remove(place).1)
    }

    pub(crate) fn last_key(&self) -> Option<K> {
        self.0.last().map(|(key, _)| *key)
    }

    pub(crate) fn find(&self, mut of: impl FnMut(&V) -> bool) -> Option<K> {
        self.0.iter().find(|(_, value)| of(value)).map(|(key, _)| *key)
    }

    pub(crate) fn keys(&self, mut of: impl FnMut(&V) -> bool) -> Vec<K> {
        self.0.iter().filter(|(_, value)| of(value)).map(|(key, _)| *key).collect()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn place(&self, key: K) -> Option<usize> {
        self.0.binary_search_by(|(k, _)| k.cmp(&key)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_put_in_by_key() {
        let mut table = Table::new();
        for (key, name) in [(1, "one"), (4, "four"), (9, "nine")] {
            table.insert(key, name);
        }
        assert_eq!((table.get(4), table.get(5), table.len()), (Some(&"four"), None, 3));
        assert_eq!(table.remove(4), Some("four"));
        assert_eq!(table.remove(4), None);
        table.insert(10, "ten");
        if let Some(name) = table.get_mut(10) {
            *name = "TEN";
        }
        assert_eq!(table.values().copied().collect::<Vec<_>>(), ["one", "nine", "TEN"]);
        assert_eq!(table.find(|name| *name == "nine"), Some(9));
        assert_eq!(table.keys(|name| name.len() == 3), [1, 10]);
    }
}
