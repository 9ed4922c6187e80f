//! Long lists of rows: Roaring bitmaps in their portable form, without runs, read in place.
//!
//! The writer takes the smaller of the two forms of a container by its number of rows alone, so bytes do not depend on any
//! library. Layout: <https://github.com/RoaringBitmap/RoaringFormatSpec>.

use super::build::Chunk;

/// First word of a bitmap without runs.
const COOKIE: u32 = 12346;
/// Rows of a chunk.
const CHUNK_ROWS: u32 = 1 << 16;
/// Rows above which a container is a bitmap.
const ARRAY_MAX: u32 = 4096;
const BITMAP_BYTES: usize = 8192;
const WORDS: usize = BITMAP_BYTES / 8;

/// Returns the bytes of a bitmap of chunks of so many rows.
pub(crate) fn len(chunk_counts: impl Iterator<Item = u32>) -> usize {
    chunk_counts.fold(8, |sum, count| sum + 8 + container_len(count))
}

fn container_len(count: u32) -> usize {
    if count > ARRAY_MAX { BITMAP_BYTES } else { 2 * count as usize }
}

/// Appends a bitmap of chunks of ascending rows.
pub(crate) fn encode<'c>(chunks: &[Chunk<'c>], out: &mut Vec<u8>) {
    let count = |chunk: &Chunk<'c>| u32::try_from(chunk.rows.len()).unwrap_or(CHUNK_ROWS);
    out.extend_from_slice(&COOKIE.to_le_bytes());
    out.extend_from_slice(&u32::try_from(chunks.len()).unwrap_or(u32::MAX).to_le_bytes());
    for chunk in chunks {
        out.extend_from_slice(&chunk.number.to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "1 to 65,536, less one")]
        out.extend_from_slice(&((count(chunk) - 1) as u16).to_le_bytes());
    }
    let mut at = 8 + 8 * chunks.len();
    for chunk in chunks {
        out.extend_from_slice(&u32::try_from(at).unwrap_or(u32::MAX).to_le_bytes());
        at += container_len(count(chunk));
    }
    for chunk in chunks {
        if count(chunk) > ARRAY_MAX {
            let mut words = [0_u64; WORDS];
            for row in chunk.rows {
                words[usize::from(*row) / 64] |= 1 << (row % 64);
            }
            append(&words, u64::to_le_bytes, out);
        } else {
            append(chunk.rows, u16::to_le_bytes, out);
        }
    }
}

/// Appends numbers, with one check of the room for all of them.
fn append<T: Copy, const N: usize>(numbers: &[T], encode: impl Fn(T) -> [u8; N], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + numbers.len() * N, 0);
    for (bytes, number) in out[from..].as_chunks_mut().0.iter_mut().zip(numbers) {
        *bytes = encode(*number);
    }
}

/// A bitmap in place. Every access is bounded by its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bitmap<'v> {
    bytes: &'v [u8],
    containers: u32,
}

/// A container in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container<'v> {
    /// The upper half of its rows.
    pub high: u32,
    pub rows: ContainerRows<'v>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ContainerRows<'v> {
    Array(&'v [[u8; 2]]),
    Bitmap(&'v [[u8; 8]]),
}

impl<'v> Bitmap<'v> {
    /// Opens a bitmap of rows below `rows`; `None` if its head is not as it must be.
    pub(crate) fn open(bytes: &'v [u8], rows: u32) -> Option<Self> {
        let cookie = u32::from_le_bytes(*bytes.first_chunk()?);
        let containers = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
        // No more than there can be: all of them are counted whenever a posting is opened.
        let is_sound = cookie == COOKIE && (1..=rows.div_ceil(CHUNK_ROWS)).contains(&containers);
        (is_sound && bytes.len() >= 8 + 8 * containers as usize).then_some(Self { bytes, containers })
    }

    pub(crate) fn containers(&self) -> u32 {
        self.containers
    }

    fn pair(&self, at: usize) -> (u16, u16) {
        let half = |at: usize| self.bytes.get(at..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default();
        (u16::from_le_bytes(half(at)), u16::from_le_bytes(half(at + 2)))
    }

    /// Returns a container; `None` if it is not within the bytes.
    pub(crate) fn container(&self, index: u32) -> Option<Container<'v>> {
        if index >= self.containers {
            return None;
        }
        let (high, less) = self.pair(8 + 4 * index as usize);
        let offset_at = 8 + 4 * self.containers as usize + 4 * index as usize;
        let offset = u32::from_le_bytes(*self.bytes.get(offset_at..)?.first_chunk()?) as usize;
        let count = u32::from(less) + 1;
        let bytes = self.bytes.get(offset..offset.checked_add(container_len(count))?)?;
        let rows = if count > ARRAY_MAX {
            ContainerRows::Bitmap(bytes.as_chunks().0)
        } else {
            ContainerRows::Array(bytes.as_chunks().0)
        };
        Some(Container { high: u32::from(high) << 16, rows })
    }

    /// Returns whether a row is in it.
    pub(crate) fn contains(&self, row: u32) -> bool {
        let (mut low, mut high) = (0, self.containers);
        while low < high {
            let middle = low.midpoint(high);
            match u32::from(self.pair(8 + 4 * middle as usize).0).cmp(&(row >> 16)) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    return self.container(middle).is_some_and(|container| container.contains(row));
                }
            }
        }
        false
    }

    /// Returns the bytes that it takes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether it is as long as its containers are, so that no two of them need to share bytes.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len()
            == self::len((0..self.containers as usize).map(|index| u32::from(self.pair(8 + 4 * index).1) + 1))
    }

    /// Returns the number of rows that the heads of all containers say.
    pub(crate) fn count(&self) -> u64 {
        (0..self.containers as usize).map(|index| u64::from(self.pair(8 + 4 * index).1) + 1).sum()
    }
}

impl Container<'_> {
    fn contains(&self, row: u32) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let low = row as u16;
        match self.rows {
            ContainerRows::Array(rows) => rows.binary_search_by_key(&low, |row| u16::from_le_bytes(*row)).is_ok(),
            ContainerRows::Bitmap(words) => {
                let word = words.get(usize::from(low) / 64).copied().unwrap_or_default();
                u64::from_le_bytes(word) >> (low % 64) & 1 == 1
            }
        }
    }
}
