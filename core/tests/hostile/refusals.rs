//! `verify` sees each thing that it is there to see.

use bytes::Bytes;
use kapok_core::manifest::SegmentEntry;
use kapok_core::segment::{Encoding, SealedSegment, Segment, Sharing};

use crate::segments::{kinds, movies};

/// A segment, its entry, and where its parts are.
struct Subject {
    encoding: Encoding,
    sealed: SealedSegment,
    entry: SegmentEntry,
}

impl Subject {
    fn new((encoding, sealed): (Encoding, SealedSegment), sharing: Sharing) -> Self {
        let entry = sealed.entry(sharing);
        Self { encoding, sealed, entry }
    }

    /// First byte and length of an extent.
    fn extent(&self, field: &str) -> (usize, usize) {
        let extent = self.entry.extents.iter().find(|extent| extent.field == field).unwrap();
        (extent.offset as usize, extent.size as usize)
    }

    fn word(&self, byte: usize) -> u64 {
        u64::from_le_bytes(self.sealed.bytes[byte..byte + 8].try_into().unwrap())
    }

    fn set(&mut self, byte: usize, word: u64) {
        self.sealed.bytes[byte..byte + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// Byte of a row's pointer.
    fn pointer(&self, row: usize, slot: usize) -> usize {
        let segment = self.open();
        let (data_words, _) = segment.row_sizes();
        self.extent("").0 + row * segment.stride() + (data_words as usize + slot) * 8
    }

    fn open(&self) -> Segment {
        Segment::open("segment", Bytes::from(self.sealed.bytes.clone()), self.sealed.rows).unwrap()
    }

    #[track_caller]
    fn refused(&self, expected: &str) {
        let error = self.encoding.verify(&self.open(), &self.entry).unwrap_err();
        assert_eq!(error.kind(), kapok_core::ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn movie() -> Subject {
    Subject::new(movies(), Sharing::Shared)
}

fn kind() -> Subject {
    Subject::new(kinds(Sharing::Shared), Sharing::Shared)
}

#[test]
fn texts_end_in_nul_are_utf8_and_have_zeros_behind() {
    let (at, _) = movie().extent("title");
    let change = |byte: usize, to: u8| {
        let mut subject = movie();
        // "Movie 0" and its NUL fill a word; "Movie 10" takes one byte of the next.
        subject.sealed.bytes[byte] = to;
        subject
    };
    change(at + 7, b'x').refused("text that ends in NUL in title");
    change(at + 1, 0xff).refused("text in UTF-8 in title");
    change(at + 10 * 8 + 9, 1).refused("zeros behind the last element in title");
}

#[test]
fn keys_ascend_and_are_those_of_the_manifest() {
    let mut subject = movie();
    let rows = subject.extent("").0;
    let stride = subject.open().stride();
    let (first, second) = (subject.word(rows), subject.word(rows + stride));
    subject.set(rows, second);
    subject.refused("key 0 as the manifest says");
    subject.set(rows, first);
    subject.set(rows + 2 * stride, second);
    subject.refused("keys that ascend");
    for end in [0, 1] {
        let mut subject = movie();
        let key = if end == 0 { &mut subject.entry.first_key } else { &mut subject.entry.last_key };
        key[3] ^= 1;
        subject.refused("as the manifest says");
    }
    let mut subject = kind();
    subject.set(subject.pointer(3, 0), 0);
    subject.refused("a row with a key");
}

#[test]
fn the_manifest_tells_rows_bytes_and_extents() {
    let change = |f: &dyn Fn(&mut SegmentEntry)| {
        let mut subject = movie();
        f(&mut subject.entry);
        subject
    };
    change(&|entry| entry.rows += 1).refused("31 rows");
    change(&|entry| entry.size += 8).refused("bytes");
    change(&|entry| entry.extents.clear()).refused("an extent of the rows");
    change(&|entry| entry.extents[0].stride += 8).refused("the extent of the rows");
    change(&|entry| entry.extents[1].field = "tile".into()).refused("a field of Movie");
    change(&|entry| entry.extents.swap(1, 2)).refused("an extent at");
    change(&|entry| entry.extents.insert(2, entry.extents[1].clone())).refused("a field of Movie behind those before");
    change(&|entry| entry.extents[1].size += 8).refused("an extent at");
    change(&|entry| entry.extents[1].size -= 8).refused("an extent at");
    change(&|entry| entry.extents[2].size += 8).refused("an extent within");
    change(&|entry| entry.extents[2].size -= 8).refused("the end of the file");
    change(&|entry| entry.extents[2].stride = 8).refused("no stride");
    change(&|entry| drop(entry.extents.pop())).refused("the end of the file");
    let mut id = movie().entry.id;
    movie().open().verify_hash(&id).unwrap();
    id[0] ^= 1;
    assert!(movie().open().verify_hash(&id).unwrap_err().to_string().contains("blake3="));
}

#[test]
fn objects_are_those_that_rows_reach_in_their_order() {
    let subject = movie();
    let (first, second) = (subject.pointer(0, 0), subject.pointer(1, 0));
    let swapped = || {
        let mut subject = movie();
        let step = (subject.open().stride() / 8) as u64;
        let (a, b) = (subject.word(first), subject.word(second));
        subject.set(first, b + (step << 2));
        subject.set(second, a - (step << 2));
        subject
    };
    swapped().refused("a pointer to a known object or to the next");
    let mut subject = movie();
    let genres = subject.word(subject.pointer(1, 1));
    subject.set(second, genres);
    subject.refused("a list of bytes in title");
    let mut subject = movie();
    let title = subject.word(second);
    subject.set(second, title + (1 << 55));
    subject.refused("a pointer to within the extent");
    let mut subject = movie();
    subject.entry.sharing = Sharing::StrictTree;
    subject.refused("an object of its own");
    let mut subject = movie();
    // The last new title of the twenty.
    subject.set(subject.pointer(19, 0), 0);
    subject.refused("behind the last object in title");
}

#[test]
fn unions_have_known_members_and_nothing_of_the_others() {
    let subject = kind();
    let rows = subject.extent("").0;
    let stride = subject.open().stride();
    let (data_words, _) = subject.open().row_sizes();
    let mut refused = 0;
    for row in 0..subject.sealed.rows as usize {
        for bit in 0..data_words as usize * 64 {
            let mut changed = kind();
            changed.sealed.bytes[rows + row * stride + bit / 8] ^= 1 << (bit % 8);
            if let Err(error) = changed.encoding.verify(&changed.open(), &changed.entry) {
                let text = error.to_string();
                let known = [
                    "a discriminant of",
                    "zeros outside the mask",
                    "key",
                    "null, since",
                    "in where",
                    "in name",
                    "in contact",
                    "behind the last object",
                ];
                assert!(known.iter().any(|known| text.contains(known)), "{text}");
                refused += usize::from(text.contains("discriminant") || text.contains("mask"));
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn vectors_stand_at_their_rows_places() {
    let subject = kind();
    let slots = subject.open().row_sizes().1 as usize;
    let (at, bytes) = subject.extent("embedding");
    let rows = subject.sealed.rows as usize;
    assert_eq!(bytes, rows * 16);
    let aims_there = |row: usize, slot: usize| {
        let pointer = subject.pointer(row, slot);
        let word = subject.word(pointer);
        word != 0 && pointer + 8 + (word as u32 >> 2) as usize * 8 == at + row * 16
    };
    let slot = (0..slots).find(|slot| (0..rows).any(|row| aims_there(row, *slot))).unwrap();
    let with: Vec<usize> = (0..rows).filter(|row| subject.word(subject.pointer(*row, slot)) != 0).collect();
    let without = (0..rows).find(|row| !with.contains(row)).unwrap();
    let change = |byte: usize, f: &dyn Fn(u64) -> u64| {
        let mut subject = kind();
        let old = subject.word(byte);
        subject.set(byte, f(old));
        subject
    };
    let pointer = subject.pointer(with[1], slot);
    change(pointer, &|word| word + (2 << 2)).refused("a vector of 4 elements at word");
    change(pointer, &|word| word - (1 << 35)).refused("a vector of 4 elements at word");
    change(at + without * 16, &|_| 1).refused("zeros where a row has no vector");
    let mut subject = kind();
    let index = subject.entry.extents.iter().position(|extent| extent.field == "embedding").unwrap();
    subject.entry.extents[index].stride = 8;
    subject.refused("a vector for each row in embedding");
    let (codes, _) = kind().extent("codes");
    let row = (0..rows).find(|row| kind().word(codes + row * 8) != 0).unwrap();
    change(codes + row * 8, &|word| word | 1 << 63).refused("zeros behind a vector in codes");
}
