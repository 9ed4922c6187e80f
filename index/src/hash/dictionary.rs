//! Numbers the different tuples of values of some rows, in the order in which they come.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Tuples as bytes, each once.
#[derive(Default)]
pub(crate) struct Dictionary {
    table: HashTable<u32>,
    tuples: Vec<Tuple>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Tuple {
    hash: u64,
    end: u32,
}

impl Dictionary {
    /// Returns the number of a tuple.
    #[inline]
    pub(crate) fn number(&mut self, encoded: &[u8]) -> u32 {
        self.number_hashed(encoded, xxh3_64(encoded))
    }

    #[inline]
    pub(super) fn number_hashed(&mut self, encoded: &[u8], hash: u64) -> u32 {
        let Self { table, tuples, bytes } = self;
        let is_it = |number: &u32| tuples[*number as usize].hash == hash && slice(tuples, bytes, *number) == encoded;
        if let Some(number) = table.find(hash, is_it) {
            return *number;
        }
        let number = u32::try_from(tuples.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(encoded);
        tuples.push(Tuple { hash, end: u32::try_from(bytes.len()).unwrap_or(u32::MAX) });
        table.insert_unique(hash, number, |number| tuples[*number as usize].hash);
        number
    }

    pub(super) fn len(&self) -> usize {
        self.tuples.len()
    }

    /// Returns the bytes of all tuples.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns a tuple.
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        slice(&self.tuples, &self.bytes, number)
    }

    pub(super) fn hash(&self, number: usize) -> u64 {
        self.tuples[number].hash
    }

    /// Iterates over the tuples in the order of their numbers, with their hashes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        (0..).zip(&self.tuples).map(|(number, tuple)| (slice(&self.tuples, &self.bytes, number), tuple.hash))
    }
}

fn slice<'d>(tuples: &[Tuple], bytes: &'d [u8], number: u32) -> &'d [u8] {
    let from = number.checked_sub(1).map_or(0, |before| tuples[before as usize].end);
    &bytes[from as usize..tuples[number as usize].end as usize]
}
