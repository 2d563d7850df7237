//! A map that is a hash.

use std::{
    cell::UnsafeCell,
    collections,
    hash::Hash,
    sync::{Mutex, PoisonError, RwLock},
};

/// A bounded hash map whose values stay where they are, as a BPF hash map's do.
#[derive(Debug)]
pub struct HashMap<K, V> {
    values: RwLock<collections::HashMap<K, Box<UnsafeCell<V>>>>,
    /// Removed values: another thread may still look at them.
    removed: Mutex<Vec<Box<UnsafeCell<V>>>>,
    capacity: usize,
}

// SAFETY: values are handed out as raw pointers alone; who follows them answers for races, as in a
// program that runs on several CPUs.
unsafe impl<K: Send, V: Send> Sync for HashMap<K, V> {}

impl<K: Copy + Eq + Hash, V: Copy> HashMap<K, V> {
    /// A map for at most `capacity` keys.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            values: RwLock::default(),
            removed: Mutex::default(),
            capacity,
        }
    }

    /// The value of `key`; null when there is none.
    #[must_use]
    pub fn pointer(&self, key: &K) -> *mut V {
        self.values
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .map_or(core::ptr::null_mut(), |value| value.get())
    }

    /// A copy of the value of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        let pointer = self.pointer(key);
        // SAFETY: values stay where they are as long as the map lives.
        (!pointer.is_null()).then(|| unsafe { *pointer })
    }

    /// Adds a key; false when it is there or the map is full.
    pub fn insert_new(&self, key: K, value: V) -> bool {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        if values.contains_key(&key) || values.len() >= self.capacity {
            return false;
        }
        values.insert(key, Box::new(UnsafeCell::new(value)));
        true
    }

    /// Removes a key; false when it was not there.
    pub fn remove(&self, key: &K) -> bool {
        let value = self
            .values
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        let removed = value.is_some();
        self.removed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(value);
        removed
    }

    /// Copies of all keys and values.
    #[must_use]
    pub fn entries(&self) -> Vec<(K, V)> {
        self.values
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            // SAFETY: values stay where they are as long as the map lives.
            .map(|(key, value)| (*key, unsafe { *value.get() }))
            .collect()
    }
}
