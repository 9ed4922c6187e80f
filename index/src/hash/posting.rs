//! A list of rows in place: one row, a short list, or a Roaring bitmap.

use kapok_core::{Error, Result};

use super::packed;
use super::roaring::{Bitmap, Container, ContainerRows};

/// Bytes of the length that a Roaring bitmap has in front.
pub(super) const LENGTH_BYTES: usize = 4;

/// Bytes of the number that a posting begins with.
const HEAD_BYTES: usize = 4;

/// The rows of one segment, live and dead, that have some values: ascending, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Posting<'v> {
    /// What errors call the index.
    name: &'v str,
    at: usize,
    /// Rows of the segment.
    rows: u32,
    count: u32,
    form: Form<'v>,
}

#[derive(Clone, Copy, Debug)]
enum Form<'v> {
    One(u32),
    Packed { bytes: &'v [u8], width: u32 },
    Roaring(Bitmap<'v>),
}

impl<'v> Posting<'v> {
    pub(crate) fn one(row: u32) -> Self {
        Self { name: "", at: 0, rows: row.saturating_add(1), count: 1, form: Form::One(row) }
    }

    pub(crate) fn open(name: &'v str, bytes: &'v [u8], at: usize, rows: u32) -> Result<Self> {
        let corrupt = |expected: &str| Error::corrupt(name, at as u64, expected, "something else");
        let Some((head, rest)) = bytes.get(at..).and_then(|bytes| bytes.split_first_chunk()) else {
            return Err(corrupt("a posting within the index"));
        };
        let head = u32::from_le_bytes(*head);
        let count = head >> 1;
        if count == 0 || count > rows {
            return Err(Error::corrupt(name, at as u64, format!("1 to {rows} rows"), count.to_string()));
        }
        let form = if head & 1 == 0 {
            let width = packed::width(rows);
            let bytes = rest.get(..packed::len(count, width)).ok_or_else(|| corrupt("a list within the index"))?;
            Form::Packed { bytes, width }
        } else {
            let bitmap = rest.split_first_chunk().and_then(|(len, rest)| {
                let bitmap = Bitmap::open(rest.get(..u32::from_le_bytes(*len) as usize)?, rows)?;
                (bitmap.count() == u64::from(count) && bitmap.is_full()).then_some(bitmap)
            });
            Form::Roaring(bitmap.ok_or_else(|| corrupt("a Roaring bitmap of as many rows, without runs"))?)
        };
        Ok(Self { name, at, rows, count, form })
    }

    /// Returns the byte of the index where it begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Returns the byte of the index where it ends.
    pub(crate) fn end(&self) -> usize {
        let len = match self.form {
            Form::One(_) => 0,
            Form::Packed { bytes, .. } => HEAD_BYTES + bytes.len(),
            Form::Roaring(bitmap) => HEAD_BYTES + LENGTH_BYTES + bitmap.len(),
        };
        self.at.saturating_add(len)
    }

    /// Returns the number of rows.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Returns false: a posting has a row.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Returns whether a row is in it.
    pub fn contains(&self, row: u32) -> bool {
        match self.form {
            Form::One(one) => one == row,
            Form::Roaring(bitmap) => bitmap.contains(row),
            Form::Packed { bytes, width } => {
                let (mut low, mut high) = (0, self.count);
                while low < high {
                    let middle = low.midpoint(high);
                    match packed::get(bytes, middle, width).cmp(&row) {
                        std::cmp::Ordering::Less => low = middle + 1,
                        std::cmp::Ordering::Equal => return true,
                        std::cmp::Ordering::Greater => high = middle,
                    }
                }
                false
            }
        }
    }

    /// Returns the first row.
    ///
    /// # Errors
    /// `Corrupt` if it is not one of the segment.
    pub fn first(&self) -> Result<u32> {
        self.iter().next().unwrap_or_else(|| Err(self.corrupt()))
    }

    /// Iterates over the rows in order.
    ///
    /// Each is one of the segment and above the one before; what is not is an error, which ends the iteration.
    pub fn iter(&self) -> PostingRows<'v> {
        let state = match self.form {
            Form::One(row) => State::One(Some(row)),
            Form::Packed { .. } => State::Packed(0),
            Form::Roaring(_) => State::Between(0),
        };
        PostingRows { posting: *self, state, next: 0, left: self.count }
    }

    /// Hands the rows to a function in order: in loops of few instructions, so that a processor overlaps what is done with them.
    ///
    /// # Errors
    /// `Corrupt` if they are not as many ascending rows of the segment; the function was given some.
    #[inline]
    pub(crate) fn for_each(&self, mut f: impl FnMut(u32)) -> Result<()> {
        // The least that the next row may be.
        let mut next = 0;
        let mut hand = |row: u32| {
            let is_sound = row >= next && row < self.rows;
            next = row.saturating_add(1);
            if is_sound {
                f(row);
            }
            is_sound
        };
        let is_sound = match self.form {
            Form::One(row) => hand(row),
            Form::Packed { bytes, width } => (0..self.count).all(|index| hand(packed::get(bytes, index, width))),
            Form::Roaring(bitmap) => {
                let mut left = self.count;
                let mut take = |count: usize| {
                    let rest = u32::try_from(count).ok().and_then(|count| left.checked_sub(count));
                    left = rest.unwrap_or(left);
                    rest.is_some()
                };
                let all = (0..bitmap.containers()).all(|index| match bitmap.container(index) {
                    Some(Container { high, rows: ContainerRows::Array(rows) }) => {
                        take(rows.len()) && rows.iter().all(|row| hand(high | u32::from(u16::from_le_bytes(*row))))
                    }
                    Some(Container { high, rows: ContainerRows::Bitmap(words) }) => {
                        (0..).zip(words).all(|(at, word)| {
                            let mut word = u64::from_le_bytes(*word);
                            let is_sound = take(word.count_ones() as usize);
                            while word != 0 && is_sound && hand(high | (at * 64) | word.trailing_zeros()) {
                                word &= word - 1;
                            }
                            word == 0
                        })
                    }
                    None => false,
                });
                all && left == 0
            }
        };
        if is_sound { Ok(()) } else { Err(self.corrupt()) }
    }

    #[cold]
    fn corrupt(&self) -> Error {
        let expected = format!("{} ascending rows of {}", self.count, self.rows);
        Error::corrupt(self.name, self.at as u64, expected, "something else")
    }
}

impl<'v> IntoIterator for &Posting<'v> {
    type Item = Result<u32>;
    type IntoIter = PostingRows<'v>;

    fn into_iter(self) -> PostingRows<'v> {
        self.iter()
    }
}

impl<'v> IntoIterator for Posting<'v> {
    type Item = Result<u32>;
    type IntoIter = PostingRows<'v>;

    fn into_iter(self) -> PostingRows<'v> {
        self.iter()
    }
}

/// Rows of a posting in order.
#[derive(Clone, Debug)]
pub struct PostingRows<'v> {
    posting: Posting<'v>,
    state: State<'v>,
    /// The least that the next row may be.
    next: u32,
    /// Rows that are still to come.
    left: u32,
}

#[derive(Clone, Debug)]
enum State<'v> {
    One(Option<u32>),
    /// The index of the next number.
    Packed(u32),
    /// The index of the next container.
    Between(u32),
    Array {
        container: u32,
        high: u32,
        rows: std::slice::Iter<'v, [u8; 2]>,
    },
    Bitmap {
        container: u32,
        high: u32,
        words: &'v [[u8; 8]],
        at: u32,
        word: u64,
    },
}

impl PostingRows<'_> {
    /// Returns the next number that is stored, whatever it is.
    #[inline]
    fn stored(&mut self) -> Option<u32> {
        loop {
            match (&mut self.state, self.posting.form) {
                (State::One(row), _) => return row.take(),
                (State::Packed(index), Form::Packed { bytes, width }) => {
                    let row = (*index < self.posting.count).then(|| packed::get(bytes, *index, width));
                    *index += 1;
                    return row;
                }
                (State::Array { container, high, rows }, _) => match rows.next() {
                    Some(row) => return Some(*high | u32::from(u16::from_le_bytes(*row))),
                    None => self.state = State::Between(*container + 1),
                },
                (State::Bitmap { container, high, words, at, word }, _) => {
                    if *word != 0 {
                        let row = *high | (*at * 64) | word.trailing_zeros();
                        *word &= *word - 1;
                        return Some(row);
                    }
                    match words.get(*at as usize + 1) {
                        Some(next) => (*at, *word) = (*at + 1, u64::from_le_bytes(*next)),
                        // A container without a row, or else the first row could be far.
                        None if self.next <= *high => return None,
                        None => self.state = State::Between(*container + 1),
                    }
                }
                (State::Between(index), Form::Roaring(bitmap)) if *index < bitmap.containers() => {
                    let Container { high, rows } = bitmap.container(*index)?;
                    self.state = match rows {
                        ContainerRows::Array(rows) => State::Array { container: *index, high, rows: rows.iter() },
                        ContainerRows::Bitmap(words) => {
                            let word = u64::from_le_bytes(words.first().copied().unwrap_or_default());
                            State::Bitmap { container: *index, high, words, at: 0, word }
                        }
                    };
                }
                _ => return None,
            }
        }
    }
}

impl Iterator for PostingRows<'_> {
    type Item = Result<u32>;

    #[inline]
    fn next(&mut self) -> Option<Result<u32>> {
        match self.stored() {
            Some(row) if row >= self.next && row < self.posting.rows && self.left > 0 => {
                self.next = row + 1;
                self.left -= 1;
                Some(Ok(row))
            }
            None if self.left == 0 => None,
            _ => {
                self.state = State::One(None);
                self.left = 0;
                Some(Err(self.posting.corrupt()))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize + 1))
    }
}
