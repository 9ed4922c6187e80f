//! Reads Cap'n Proto segments in place, safely, with neither parsing nor allocation.
//!
//! A segment is a slice of 64-bit little-endian words. Everything here is a checked offset into that slice, `Copy`, and
//! borrows from it alone; layouts are those of <https://capnproto.org/encoding.html>. Only single-segment messages are
//! read: a far pointer is malformed.

use std::fmt;
use std::ops::Range;

/// What is wrong with a word, and where: a caller that knows the blob's name makes an [`Error`](crate::Error) of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Index of the offending word in the segment.
    pub word: u32,
    /// What should stand there.
    pub expected: &'static str,
}

/// Shorthand for results of this module.
pub type Read<T> = Result<T, Malformed>;

/// Bytes in a word.
pub const WORD: usize = 8;
/// Bytes in a quarter of a word.
const QUARTER_WORD: i64 = 2;

/// The words of one segment.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    bytes: &'a [u8],
}

/// Kinds of list elements, by the three bits of a list pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ElementSize {
    /// No bits: a list of Void.
    Void = 0,
    /// One bit: a list of Bool.
    Bit = 1,
    /// One byte: Text, Data, lists of 8-bit integers.
    Byte = 2,
    /// Two bytes: 16-bit integers and enums.
    TwoBytes = 3,
    /// Four bytes: 32-bit integers and floats.
    FourBytes = 4,
    /// Eight bytes: 64-bit integers and floats.
    EightBytes = 5,
    /// A pointer: Text, Data, lists.
    Pointer = 6,
    /// Structs, behind a tag word.
    Composite = 7,
}

impl ElementSize {
    fn from_bits(bits: u64) -> Self {
        match bits & 7 {
            0 => Self::Void,
            1 => Self::Bit,
            2 => Self::Byte,
            3 => Self::TwoBytes,
            4 => Self::FourBytes,
            5 => Self::EightBytes,
            6 => Self::Pointer,
            _ => Self::Composite,
        }
    }

    /// Returns the number of bits of one element; 0 for structs, whose size is in their tag.
    pub fn bits(self) -> usize {
        match self {
            Self::Void | Self::Composite => 0,
            Self::Bit => 1,
            Self::Byte => 8,
            Self::TwoBytes => 16,
            Self::FourBytes => 32,
            Self::EightBytes | Self::Pointer => 64,
        }
    }
}

/// What a pointer word points at.
#[derive(Clone, Copy, Debug)]
pub enum Pointer<'a> {
    /// Nothing.
    Null,
    /// A struct.
    Struct(StructRef<'a>),
    /// A list.
    List(ListRef<'a>),
}

/// A struct in place: a data section and a pointer section.
#[derive(Clone, Copy, Debug)]
pub struct StructRef<'a> {
    words: Words<'a>,
    data: &'a [u8],
    pointers_at: u32,
    pointer_count: u16,
}

/// A list in place.
#[derive(Clone, Copy, Debug)]
pub struct ListRef<'a> {
    words: Words<'a>,
    /// First word of the elements, behind the tag if there is one.
    at: u32,
    len: u32,
    size: ElementSize,
    data_words: u16,
    pointer_count: u16,
}

/// The number of words, not their bytes.
impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> Words<'a> {
    /// Reads the words of a segment. `bytes`: the segment alone, without the stream's header; a length that is no
    /// multiple of 8 loses its tail.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: &bytes[..bytes.len() & !(WORD - 1)] }
    }

    /// Returns the bytes of the segment.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the number of words.
    #[inline]
    pub fn len(self) -> usize {
        self.bytes.len() / WORD
    }

    /// Returns whether there are no words.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the word at an index.
    #[inline]
    pub(crate) fn word(self, at: u32) -> Read<u64> {
        let start = at as usize * WORD;
        match self.bytes.get(start..start + WORD) {
            Some(bytes) => Ok(u64::from_le_bytes(array(bytes))),
            None => Err(Malformed { word: at, expected: "a word within the segment" }),
        }
    }

    /// Returns the word index that a pointer at `at` with the given word aims at.
    #[inline]
    fn target(at: u32, pointer: u64) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half holds the signed offset")]
        let offset = (pointer as u32).cast_signed() >> 2;
        i64::from(at) + 1 + i64::from(offset)
    }

    #[inline]
    fn span(self, start: i64, words: u64, at: u32) -> Read<u32> {
        let out = Malformed { word: at, expected: "a pointer to within the segment" };
        let first = u32::try_from(start).map_err(|_| out)?;
        if u64::from(first) + words <= self.len() as u64 { Ok(first) } else { Err(out) }
    }

    /// Returns what the pointer word at an index points at.
    #[inline]
    pub fn pointer(self, at: u32) -> Read<Pointer<'a>> {
        let pointer = self.word(at)?;
        if pointer == 0 {
            return Ok(Pointer::Null);
        }
        match pointer & 3 {
            0 => self.struct_at(at, pointer).map(Pointer::Struct),
            1 => self.list_at(at, pointer).map(Pointer::List),
            2 => Err(Malformed { word: at, expected: "a pointer within one segment, not a far pointer" }),
            _ => Err(Malformed { word: at, expected: "a struct or list pointer, not a capability" }),
        }
    }

    #[inline]
    fn struct_at(self, at: u32, pointer: u64) -> Read<StructRef<'a>> {
        let (data_words, pointer_count) = struct_sizes(pointer);
        let words = u64::from(data_words) + u64::from(pointer_count);
        // A struct of no size points anywhere, by custom at its own pointer.
        let start = if words == 0 { at } else { self.span(Self::target(at, pointer), words, at)? };
        Ok(self.struct_unchecked(start, data_words, pointer_count))
    }

    /// Returns a struct of known place and size; `None` if it is not within the segment.
    #[inline]
    pub(crate) fn struct_within(self, start: u32, data_words: u16, pointer_count: u16) -> Option<StructRef<'a>> {
        let from = start as usize * WORD;
        let pointers_from = from + data_words as usize * WORD;
        if pointers_from + pointer_count as usize * WORD > self.bytes.len() {
            return None;
        }
        let data = self.bytes.get(from..pointers_from)?;
        Some(StructRef { words: self, data, pointers_at: start + u32::from(data_words), pointer_count })
    }

    /// Returns a struct whose words are known to lie within the segment.
    #[inline]
    fn struct_unchecked(self, start: u32, data_words: u16, pointer_count: u16) -> StructRef<'a> {
        let from = start as usize * WORD;
        StructRef {
            words: self,
            data: &self.bytes[from..from + data_words as usize * WORD],
            pointers_at: start + u32::from(data_words),
            pointer_count,
        }
    }

    #[inline]
    fn list_at(self, at: u32, pointer: u64) -> Read<ListRef<'a>> {
        let size = ElementSize::from_bits(pointer >> 32);
        let count = pointer >> 35;
        let start = Self::target(at, pointer);
        if size == ElementSize::Composite {
            let tag_at = self.span(start, count + 1, at)?;
            let tag = self.word(tag_at)?;
            if tag & 3 != 0 {
                return Err(Malformed { word: tag_at, expected: "the tag of a struct list" });
            }
            let (data_words, pointer_count) = struct_sizes(tag);
            let len = (tag & 0xffff_ffff) >> 2;
            if len * (u64::from(data_words) + u64::from(pointer_count)) > count {
                return Err(Malformed { word: tag_at, expected: "a struct list within its words" });
            }
            let len = len as u32;
            return Ok(ListRef { words: self, at: tag_at + 1, len, size, data_words, pointer_count });
        }
        let words = (count * size.bits() as u64).div_ceil(64);
        let at = if words == 0 { at } else { self.span(start, words, at)? };
        let len = count as u32;
        let pointer_count = u16::from(size == ElementSize::Pointer);
        Ok(ListRef { words: self, at, len, size, data_words: 0, pointer_count })
    }

    /// Returns the first word that the pointer at an index aims at, whatever it is; 0 if there is none.
    #[inline]
    pub(crate) fn aimed_at(self, at: u32) -> u64 {
        let pointer = self.word(at).unwrap_or(0);
        u32::try_from(Self::target(at, pointer)).map_or(0, |at| self.word(at).unwrap_or(0))
    }

    /// Returns the struct that the pointer at an index points at; `None` if it is null.
    #[inline]
    pub fn struct_of(self, at: u32) -> Read<Option<StructRef<'a>>> {
        let pointer = self.word(at)?;
        if pointer == 0 {
            return Ok(None);
        }
        if pointer & 3 != 0 {
            return Err(Malformed { word: at, expected: "a struct pointer" });
        }
        self.struct_at(at, pointer).map(Some)
    }

    /// Returns the list that the pointer at an index points at; `None` if it is null.
    #[inline]
    pub fn list_of(self, at: u32, size: ElementSize) -> Read<Option<ListRef<'a>>> {
        let pointer = self.word(at)?;
        if pointer == 0 {
            return Ok(None);
        }
        if pointer & 3 != 1 || (pointer >> 32) & 7 != size as u64 {
            return Err(Malformed { word: at, expected: "a list pointer of the field's element size" });
        }
        self.list_at(at, pointer).map(Some)
    }

    /// Returns the bytes of a `Data` that the pointer at an index points at; `None` if it is null.
    #[inline]
    pub fn data_of(self, at: u32) -> Read<Option<&'a [u8]>> {
        let pointer = self.word(at)?;
        if pointer == 0 { Ok(None) } else { self.data_at(at, pointer).map(Some) }
    }

    /// Returns the bytes that a pointer, which is not null and was read from the word at an index, points at.
    #[inline]
    pub(crate) fn data_at(self, at: u32, pointer: u64) -> Read<&'a [u8]> {
        match self.bytes.get(Self::data_range(at, pointer)?) {
            Some(bytes) => Ok(bytes),
            None => Err(Malformed { word: at, expected: "a pointer to within the segment" }),
        }
    }

    /// Returns where these bytes would be, within the segment or not.
    #[inline]
    pub(crate) fn data_range(at: u32, pointer: u64) -> Read<Range<usize>> {
        let Some((offset, len)) = Self::byte_list(pointer) else {
            return Err(Malformed { word: at, expected: "a list of bytes" });
        };
        if len == 0 {
            return Ok(0..0);
        }
        // A target before the segment becomes a number beyond its end.
        let from = ((u64::from(at) + 1) * WORD as u64).wrapping_add(offset);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(from..from.saturating_add(len))
    }

    /// Returns what a pointer to a list of bytes tells: how many bytes behind the pointer it begins (before it, if they
    /// wrap), and its length. `None` for other pointers.
    #[inline]
    pub(crate) fn byte_list(pointer: u64) -> Option<(u64, usize)> {
        // Kind and element size in one test, behind which the bits of the kind are 0.
        let pointer = pointer ^ 0x2_0000_0001;
        if pointer & 0x7_0000_0003 != 0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the lower half holds the signed offset, times 4")]
        let quarter_words = i64::from((pointer as u32).cast_signed());
        Some(((quarter_words * QUARTER_WORD).cast_unsigned(), (pointer >> 35) as usize))
    }

    /// Returns the bytes of a `Text`, without its final NUL, not checked to be UTF-8; `None` if the pointer is null.
    #[inline]
    pub fn text_bytes_of(self, at: u32) -> Read<Option<&'a [u8]>> {
        match self.data_of(at)? {
            None => Ok(None),
            Some([text @ .., 0]) => Ok(Some(text)),
            Some(_) => Err(Malformed { word: at, expected: "text that ends in NUL" }),
        }
    }

    /// Checks the `Text` that the pointer at an index points at, or that it is null.
    #[inline]
    pub(crate) fn check_text_at(self, at: u32) -> Read<()> {
        self.data_of(at)?.map_or(Ok(()), |bytes| check_text(at, bytes))
    }

    /// Returns a `Text`; `None` if the pointer is null.
    #[inline]
    pub fn text_of(self, at: u32) -> Read<Option<&'a str>> {
        match self.text_bytes_of(at)? {
            None => Ok(None),
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Malformed { word: at, expected: "text in UTF-8" }),
            },
        }
    }
}

/// Checks that the bytes that the pointer at an index points at are a `Text`. Most are short and ASCII, which this is made
/// for.
#[inline]
pub(crate) fn check_text(at: u32, bytes: &[u8]) -> Read<()> {
    match bytes {
        [text @ .., 0] if text.is_ascii() || std::str::from_utf8(text).is_ok() => Ok(()),
        [.., 0] => Err(Malformed { word: at, expected: "text in UTF-8" }),
        _ => Err(Malformed { word: at, expected: "text that ends in NUL" }),
    }
}

impl<'a> StructRef<'a> {
    /// Returns a struct of no size: every field reads as its default.
    pub fn empty() -> Self {
        Self { words: Words { bytes: &[] }, data: &[], pointers_at: 0, pointer_count: 0 }
    }

    /// Returns the segment that this struct lies in.
    #[inline]
    pub fn words(self) -> Words<'a> {
        self.words
    }

    /// Returns the data section.
    #[inline]
    pub(crate) fn data(self) -> &'a [u8] {
        self.data
    }

    /// Returns the number of pointers.
    #[inline]
    pub fn pointer_count(self) -> u16 {
        self.pointer_count
    }

    /// Returns the word index of a pointer; `None` beyond the section, where an older or truncated struct has none.
    #[inline]
    pub fn pointer_at(self, slot: u32) -> Option<u32> {
        // Lazily: a hostile schema's slot may be too large to add.
        (slot < u32::from(self.pointer_count)).then(|| self.pointers_at + slot)
    }

    /// Returns what tells the object behind a pointer from the others of its segment: pointers of one number are read alike.
    /// 0 if it is null.
    #[inline]
    pub fn object_number(self, slot: u32) -> u64 {
        let Some(at) = self.pointer_at(slot) else { return 0 };
        match self.words.word(at) {
            Ok(0) | Err(_) => 0,
            #[expect(clippy::cast_possible_truncation, reason = "a segment has at most 2^29 words")]
            Ok(pointer) => pointer >> 32 << 32 | u64::from(Words::target(at, pointer).cast_unsigned() as u32),
        }
    }

    /// Returns what a pointer points at.
    #[inline]
    pub fn pointer(self, slot: u32) -> Read<Pointer<'a>> {
        self.pointer_at(slot).map_or(Ok(Pointer::Null), |at| self.words.pointer(at))
    }

    /// Returns `N` bytes of the data section; zeros beyond it. `offset` in bytes.
    #[inline]
    pub fn scalar<const N: usize>(self, offset: usize) -> [u8; N] {
        self.data.get(offset..offset + N).map_or([0; N], array)
    }

    /// Returns a bit of the data section; false beyond it.
    #[inline]
    pub fn bit(self, offset: usize) -> bool {
        self.data.get(offset / 8).is_some_and(|byte| byte >> (offset % 8) & 1 == 1)
    }

    /// Returns a word of the data section; 0 beyond it.
    #[inline]
    pub fn data_word(self, index: usize) -> u64 {
        u64::from_le_bytes(self.scalar(index * WORD))
    }
}

impl<'a> ListRef<'a> {
    /// Returns the segment that this list lies in.
    #[inline]
    pub fn words(self) -> Words<'a> {
        self.words
    }

    /// Returns the number of elements.
    #[inline]
    pub fn len(self) -> u32 {
        self.len
    }

    /// Returns whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Returns the kind of elements.
    #[inline]
    pub(crate) fn size(self) -> ElementSize {
        self.size
    }

    /// Returns the index of the first word of the elements, behind the tag of a struct list.
    #[inline]
    pub(crate) fn at(self) -> u32 {
        self.at
    }

    /// Returns the words of an element's data section and number of its pointers, for struct lists.
    #[inline]
    pub fn struct_sizes(self) -> (u16, u16) {
        (self.data_words, self.pointer_count)
    }

    /// Returns the bytes of the elements of a list of numbers; of bits, rounded up to bytes.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        let from = self.at as usize * WORD;
        let len = (self.len as usize * self.size.bits()).div_ceil(8);
        self.words.bytes.get(from..from + len).unwrap_or_default()
    }

    /// Returns the `N` bytes of a number of a list; zeros beyond its end.
    #[inline]
    pub fn scalar<const N: usize>(self, index: u32) -> [u8; N] {
        let from = index as usize * N;
        self.bytes().get(from..from + N).map_or([0; N], array)
    }

    /// Returns a bit of a list of Bool; false beyond its end.
    #[inline]
    pub fn bit(self, index: u32) -> bool {
        index < self.len && self.bytes().get(index as usize / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// Returns the word index of a pointer of a list of pointers.
    #[inline]
    pub fn pointer_at(self, index: u32) -> Option<u32> {
        (self.size == ElementSize::Pointer && index < self.len).then_some(self.at + index)
    }

    /// Returns a struct of a struct list.
    #[inline]
    pub fn get_struct(self, index: u32) -> Option<StructRef<'a>> {
        if self.size != ElementSize::Composite || index >= self.len {
            return None;
        }
        let step = u32::from(self.data_words) + u32::from(self.pointer_count);
        // In bounds: opening the list checked that all its elements are.
        Some(self.words.struct_unchecked(self.at + index * step, self.data_words, self.pointer_count))
    }
}

/// Returns the words of data and number of pointers in a struct pointer or tag.
#[inline]
fn struct_sizes(pointer: u64) -> (u16, u16) {
    #[expect(clippy::cast_possible_truncation, reason = "16-bit fields of the pointer")]
    ((pointer >> 32) as u16, (pointer >> 48) as u16)
}

/// Returns the first `N` bytes of a slice that is known to have them.
#[inline]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}
