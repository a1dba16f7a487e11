//! Rows by key that remember what a step changed, so that a step that fails leaves nothing behind.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::sync::Arc;

/// A table, or an index. Copies share their rows until they change.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, Arc<V>>,
    /// What was under a key before this step changed it, in the order of the changes.
    undo: Vec<(K, Option<Arc<V>>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), undo: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key).map(|row| &**row)
    }

    pub fn has<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.rows.contains_key(key)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// In order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.rows.values().map(|row| &**row)
    }

    pub fn range(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = &V> {
        self.rows.range(keys).map(|(_, row)| &**row)
    }

    /// The rows themselves, shared.
    pub fn shared(&self) -> Vec<Arc<V>> {
        self.rows.values().map(Arc::clone).collect()
    }

    /// Writes a row, whether the key is new or not.
    pub fn put(&mut self, key: K, row: V) {
        let before = self.rows.insert(key.clone(), Arc::new(row));
        self.undo.push((key, before));
    }

    pub fn remove(&mut self, key: K) {
        if let Some(before) = self.rows.remove(&key) {
            self.undo.push((key, Some(before)));
        }
    }

    /// Changes a row, if it is there.
    pub fn change(&mut self, key: &K, change: impl FnOnce(&mut V)) {
        if let Some(row) = self.rows.get_mut(key) {
            self.undo.push((key.clone(), Some(Arc::clone(row))));
            change(Arc::make_mut(row));
        }
    }
}

/// What every table can do at the end of a step.
pub(super) trait Undo {
    /// What this step changed stays.
    fn commit(&mut self);

    /// What this step changed is as it was.
    fn rollback(&mut self);
}

impl<K: Ord + Clone, V: Clone> Undo for Table<K, V> {
    fn commit(&mut self) {
        self.undo.clear();
    }

    fn rollback(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(row) => drop(self.rows.insert(key, row)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<u8, &'static str> {
        let mut table = Table::default();
        table.put(1, "one");
        table.put(2, "two");
        table.commit();
        table
    }

    #[test]
    fn what_is_rolled_back_is_as_it_was() {
        let mut table = table();
        table.change(&1, |row| *row = "uno");
        table.remove(1);
        table.put(1, "eins");
        table.put(3, "drei");
        table.remove(2);
        table.rollback();
        assert_eq!(table.iter().copied().collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn what_is_committed_stays_and_copies_stay_as_they_were() {
        let mut table = table();
        let copy = table.clone();
        table.change(&1, |row| *row = "uno");
        table.commit();
        table.rollback();
        assert_eq!((table.get(&1), copy.get(&1)), (Some(&"uno"), Some(&"one")));
    }
}
