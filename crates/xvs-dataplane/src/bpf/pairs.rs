//! Maps from keys to values, and the queue of free next hops: the kernel's, or in tests this process'.

use std::os::fd::OwnedFd;

use aya::maps::{HashMap, MapData, MapError, Queue};

use super::{batch, plain::Plain};

/// A hash map that the programs read too.
pub(super) enum Pairs<K, V> {
    /// A map of the kernel, and the same to be read whole.
    Kernel(HashMap<MapData, Plain<K>, Plain<V>>, OwnedFd),
    /// One of the maps of this process.
    #[cfg(feature = "testing")]
    Process(super::process::Map<K, V>),
}

/// Why a pair could not be noted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Kernel(#[from] MapError),
    #[cfg(feature = "testing")]
    #[error("the map is full")]
    Full,
}

impl<K, V> Pairs<K, V>
where
    K: Copy + Eq + std::hash::Hash,
    V: Copy,
    Plain<K>: aya::Pod,
    Plain<V>: aya::Pod,
{
    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        #[cfg(test)]
        super::effort::note();
        match self {
            Self::Kernel(map, _) => map.get(&Plain(*key), 0).ok().map(|value| value.0),
            #[cfg(feature = "testing")]
            Self::Process(map) => map.get().get(key),
        }
    }

    /// All keys and values.
    pub(super) fn entries(&self) -> Vec<(K, V)> {
        match self {
            Self::Kernel(_, map) => match batch::pairs(map) {
                Ok(pairs) => {
                    #[cfg(test)]
                    pairs.iter().for_each(|_pair| super::effort::note());
                    pairs
                }
                Err(error) => {
                    tracing::error!(%error, "a hash map cannot be read; what is in it is left as it is");
                    Vec::new()
                }
            },
            #[cfg(feature = "testing")]
            Self::Process(map) => map.get().entries(),
        }
    }

    /// Notes a value, in place of an old one.
    pub(super) fn insert(&mut self, key: K, value: V) -> Result<(), Refused> {
        #[cfg(test)]
        super::effort::note();
        match self {
            Self::Kernel(map, _) => Ok(map.insert(Plain(key), Plain(value), 0)?),
            #[cfg(feature = "testing")]
            Self::Process(map) => {
                map.get().remove(&key);
                let noted = map.get().insert_new(key, value);
                noted.then_some(()).ok_or(Refused::Full)
            }
        }
    }

    /// Forgets a key; false when it was not there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        #[cfg(test)]
        super::effort::note();
        match self {
            Self::Kernel(map, _) => map.remove(&Plain(*key)).is_ok(),
            #[cfg(feature = "testing")]
            Self::Process(map) => {
                let known = map.get().get(key).is_some();
                map.get().remove(key);
                known
            }
        }
    }
}

/// The queue of next hops that the programs take from.
pub(super) enum Indexes {
    /// The kernel's.
    Kernel(Queue<MapData, u32>),
    /// This process'.
    #[cfg(feature = "testing")]
    Process(std::sync::Arc<xvs_datapath::native::Tables>),
}

impl Indexes {
    /// Takes the oldest one.
    pub(super) fn pop(&mut self) -> Option<u32> {
        match self {
            Self::Kernel(queue) => queue.pop(0).ok(),
            #[cfg(feature = "testing")]
            Self::Process(tables) => super::process::queue(tables).pop_front(),
        }
    }

    /// Adds one; false when the queue is full.
    pub(super) fn push(&mut self, index: u32) -> bool {
        match self {
            Self::Kernel(queue) => queue.push(index, 0).is_ok(),
            #[cfg(feature = "testing")]
            Self::Process(tables) => {
                super::process::queue(tables).push_back(index);
                true
            }
        }
    }
}
