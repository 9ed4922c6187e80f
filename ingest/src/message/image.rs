//! Places the objects of a message.
//!
//! One behind the other, in the order in which they are begun. Places are byte offsets; what was just allocated is
//! zero.

use kapok_core::words::{ElementSize, WORD};
use kapok_core::{Fault, Result};

/// Most elements of a list, words of a struct list, and words of a message, so that every offset fits its 30 bits.
pub(super) const WORDS_MAX: u64 = (1 << 29) - 1;

/// The words of a message.
#[derive(Clone, Default)]
pub(super) struct Image {
    bytes: Vec<u8>,
}

/// A struct in the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    data: usize,
    pointers: usize,
}

/// Words of a struct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StructSize {
    pub data_words: u16,
    pub pointer_words: u16,
}

/// A list whose elements are allocated one by one, as structs: it moves to the end of the message when its room is full.
pub(super) struct GrowingList {
    size: StructSize,
    /// Place of the first element; a word for the tag lies before it.
    at: usize,
    count: usize,
    room: usize,
}

/// Elements that a list has room for from the first one on.
const ROOM_MIN: usize = 4;

impl GrowingList {
    pub(super) fn new(size: StructSize) -> Self {
        Self { size, at: 0, count: 0, room: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }
}

impl StructSize {
    pub(super) fn words(self) -> usize {
        self.data_words as usize + self.pointer_words as usize
    }

    /// Returns the struct pointer, without its offset.
    fn shape(self) -> u64 {
        u64::from(self.data_words) << 32 | u64::from(self.pointer_words) << 48
    }

    /// Returns the struct that starts at a place.
    pub(super) fn frame(self, at: usize) -> Frame {
        Frame { data: at, pointers: at + self.data_words as usize * WORD }
    }
}

impl Frame {
    /// Returns the place of a pointer.
    pub(super) fn pointer(self, slot: usize) -> usize {
        self.pointers + slot * WORD
    }
}

impl Image {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Allocates a number of words.
    ///
    /// # Errors
    /// [`Fault::Limit`] if the message would be too large; so all other functions here.
    pub(super) fn allocate(&mut self, words: u64) -> Result<usize> {
        let at = self.bytes.len();
        let needed = (at / WORD) as u64 + words;
        within("words of a message", needed)?;
        // Below 2^29 words: 2^32 bytes.
        let len = usize::try_from(needed).map_or(usize::MAX, |words| words * WORD);
        self.bytes.resize(len, 0);
        Ok(at)
    }

    /// Allocates a struct that the pointer at a place points at.
    pub(super) fn allocate_struct(&mut self, pointer: usize, size: StructSize) -> Result<Frame> {
        let at = self.allocate(size.words() as u64)?;
        // A struct of no size points before itself, lest its pointer be null.
        let offset = if size.words() == 0 { 0xffff_fffc } else { self.offset(pointer, at) };
        self.put_word(pointer, size.shape() | offset);
        Ok(size.frame(at))
    }

    /// Allocates a list of numbers or pointers that the pointer at a place points at.
    pub(super) fn allocate_list(&mut self, pointer: usize, size: ElementSize, count: usize) -> Result<usize> {
        within("elements of a list", count as u64)?;
        let at = self.allocate((count as u64 * size.bits() as u64).div_ceil(64))?;
        self.put_word(pointer, list_shape(size, count as u64) | self.offset(pointer, at));
        Ok(at)
    }

    /// Allocates a list of structs that the pointer at a place points at, and returns the place of the first.
    pub(super) fn allocate_structs(&mut self, pointer: usize, size: StructSize, count: usize) -> Result<usize> {
        within("elements of a list of structs", count as u64)?;
        let words = count as u64 * size.words() as u64;
        within("words of a list of structs", words)?;
        let tag = self.allocate(words + 1)?;
        self.put_word(pointer, list_shape(ElementSize::Composite, words) | self.offset(pointer, tag));
        self.put_word(tag, size.shape() | (count as u64) << 2);
        Ok(tag + WORD)
    }

    /// Allocates one more element of a list, and returns it. Those before may move.
    pub(super) fn push_element(&mut self, list: &mut GrowingList) -> Result<Frame> {
        if list.count == list.room {
            self.grow(list)?;
        }
        list.count += 1;
        Ok(list.size.frame(list.at + (list.count - 1) * list.size.words() * WORD))
    }

    fn grow(&mut self, list: &mut GrowingList) -> Result<()> {
        let GrowingList { size, at: from, count, room } = *list;
        let room = (2 * room).max(ROOM_MIN);
        let at = self.allocate((room * size.words()) as u64 + 1)? + WORD;
        let step = size.words() * WORD;
        self.bytes.copy_within(from..from + count * step, at);
        for element in (at..at + count * step).step_by(step.max(1)) {
            for slot in 0..size.pointer_words as usize {
                self.re_aim(size.frame(element).pointer(slot), at - from);
            }
        }
        (list.at, list.room) = (at, room);
        Ok(())
    }

    /// Aims a pointer, which was moved by some bytes towards the end, at what it pointed at before.
    fn re_aim(&mut self, pointer: usize, moved: usize) {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[pointer..pointer + 4]);
        let low = u32::from_le_bytes(word);
        let is_null = self.bytes[pointer..pointer + WORD] == [0; WORD];
        // A struct of no size is said to lie before its pointer.
        if is_null || low == 0xffff_fffc {
            return;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a message has fewer than 2^29 words")]
        let low = low.wrapping_sub(((moved / WORD) as u32) << 2);
        self.put_bytes(pointer, &low.to_le_bytes());
    }

    /// Aims a pointer at a list of pointers, whose elements are all there.
    pub(super) fn end_pointers(&mut self, pointer: usize, list: &GrowingList) -> Result<()> {
        within("elements of a list", list.count as u64)?;
        self.put_word(pointer, list_shape(ElementSize::Pointer, list.count as u64) | self.offset(pointer, list.at));
        Ok(())
    }

    /// Aims a pointer at a list of structs, whose elements are all there.
    pub(super) fn end_structs(&mut self, pointer: usize, list: &GrowingList) -> Result<()> {
        if list.count == 0 {
            return self.allocate_structs(pointer, list.size, 0).map(drop);
        }
        let words = list.count as u64 * list.size.words() as u64;
        within("words of a list of structs", words)?;
        let tag = list.at - WORD;
        self.put_word(pointer, list_shape(ElementSize::Composite, words) | self.offset(pointer, tag));
        self.put_word(tag, list.size.shape() | (list.count as u64) << 2);
        Ok(())
    }

    /// Writes a Text.
    pub(super) fn put_text(&mut self, pointer: usize, text: &str) -> Result<()> {
        let count = text.len() as u64 + 1;
        within("bytes of a Text", count)?;
        let at = self.bytes.len();
        within("words of a message", (at / WORD) as u64 + count.div_ceil(WORD as u64))?;
        self.bytes.extend_from_slice(text.as_bytes());
        // At least the NUL, and as many zeros as make a word.
        self.bytes.extend_from_slice(&[0; WORD]);
        self.bytes.truncate(at + (text.len() + 1).next_multiple_of(WORD));
        self.put_word(pointer, list_shape(ElementSize::Byte, count) | self.offset(pointer, at));
        Ok(())
    }

    /// Writes a Data, or a list of 8-bit integers.
    pub(super) fn put_data(&mut self, pointer: usize, data: &[u8]) -> Result<()> {
        self.room_for_data(pointer, data.len())?.copy_from_slice(data);
        Ok(())
    }

    /// Writes a list of numbers that a pointer of the root struct, which is of this size, points at; false if that points
    /// somewhere already.
    pub(super) fn put_root_list(
        &mut self,
        root: StructSize,
        slot: usize,
        size: ElementSize,
        elements: &[u8],
    ) -> Result<bool> {
        // The root stands behind its pointer.
        let pointer = root.frame(WORD).pointer(slot);
        if self.bytes[pointer..pointer + WORD] != [0; WORD] {
            return Ok(false);
        }
        let at = self.allocate_list(pointer, size, elements.len() * 8 / size.bits())?;
        self.put_bytes(at, elements);
        Ok(true)
    }

    /// Allocates a Data, and returns its bytes to be filled in.
    pub(super) fn room_for_data(&mut self, pointer: usize, len: usize) -> Result<&mut [u8]> {
        within("bytes of a Data", len as u64)?;
        let at = self.allocate_list(pointer, ElementSize::Byte, len)?;
        Ok(&mut self.bytes[at..at + len])
    }

    /// Writes the bits of a field, `bit` counted from the start of the struct, where all bits are still zero.
    #[inline]
    pub(super) fn put_field(&mut self, frame: Frame, bit: usize, width: usize, bits: u64) {
        self.put_bits(frame.data, bit, width, bits);
    }

    /// Writes a number of 0, 1, 8, 16, 32 or 64 bits, `bit` counted from a place, where all bits are still zero.
    #[inline]
    pub(super) fn put_bits(&mut self, at: usize, bit: usize, width: usize, bits: u64) {
        let at = at + bit / 8;
        let [a, b, c, d, ..] = bits.to_le_bytes();
        match width {
            0 => {}
            1 => self.bytes[at] |= (a & 1) << (bit % 8),
            8 => self.bytes[at] = a,
            16 => self.put_bytes(at, &[a, b]),
            32 => self.put_bytes(at, &[a, b, c, d]),
            _ => self.put_word(at, bits),
        }
    }

    #[inline]
    fn put_word(&mut self, at: usize, word: u64) {
        self.put_bytes(at, &word.to_le_bytes());
    }

    #[inline]
    fn put_bytes(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Returns the offset of a pointer at `pointer` to what lies at `at`, behind it.
    #[expect(clippy::unused_self, reason = "both are places of this image")]
    fn offset(&self, pointer: usize, at: usize) -> u64 {
        (((at - pointer) / WORD - 1) as u64) << 2
    }
}

fn list_shape(size: ElementSize, count: u64) -> u64 {
    1 | (size as u64) << 32 | count << 35
}

/// Checks that a message has no more words than allowed.
///
/// # Errors
/// [`Fault::Limit`] beyond [`WORDS_MAX`].
fn within(limit: &'static str, needed: u64) -> Result<()> {
    if needed <= WORDS_MAX {
        return Ok(());
    }
    Err(Fault::Limit { subject: String::new(), limit, allowed: WORDS_MAX, needed }.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use kapok_core::Error;
    use kapok_core::words::Words;

    fn limit(error: &Error) -> &'static str {
        let Fault::Limit { limit, allowed: WORDS_MAX, needed, .. } = error.fault() else { panic!("{error}") };
        assert!(*needed > WORDS_MAX);
        limit
    }

    #[test]
    fn what_pointers_cannot_reach_is_refused_before_it_is_allocated() {
        let max = usize::try_from(WORDS_MAX).unwrap();
        let size = StructSize { data_words: 3, pointer_words: 1 };
        let mut image = Image::default();
        let root = image.allocate(1).unwrap();
        assert_eq!(limit(&image.allocate(WORDS_MAX).unwrap_err()), "words of a message");
        let wide = ElementSize::EightBytes;
        assert_eq!(limit(&image.allocate_list(root, wide, max).unwrap_err()), "words of a message");
        assert_eq!(limit(&image.allocate_list(root, wide, max + 1).unwrap_err()), "elements of a list");
        let structs = image.allocate_structs(root, size, max / 4 + 1);
        assert_eq!(limit(&structs.unwrap_err()), "words of a list of structs");
        let empty = image.allocate_structs(root, StructSize::default(), max + 1);
        assert_eq!(limit(&empty.unwrap_err()), "elements of a list of structs");
        assert_eq!(image.bytes(), [0; 8]);
        image.allocate_list(root, ElementSize::Void, max).unwrap();
        assert_eq!(Words::new(image.bytes()).list_of(0, ElementSize::Void).unwrap().unwrap().len(), (1 << 29) - 1);
    }

    #[test]
    fn data_has_one_byte_more_than_text_as_text_ends_in_nul() {
        let mut image = Image::default();
        let root = image.allocate(1).unwrap();
        // All zero, so that neither takes memory.
        let bytes = vec![0; 1 << 29];
        assert_eq!(limit(&image.put_data(root, &bytes).unwrap_err()), "bytes of a Data");
        let text = std::str::from_utf8(&bytes[1..]).unwrap();
        assert_eq!(limit(&image.put_text(root, text).unwrap_err()), "bytes of a Text");
        assert_eq!(image.bytes(), [0; 8]);
    }

    #[test]
    fn a_struct_of_no_size_is_not_null() {
        let mut image = Image::default();
        let root = image.allocate(1).unwrap();
        image.allocate_struct(root, StructSize::default()).unwrap();
        assert!(Words::new(image.bytes()).struct_of(0).unwrap().is_some());
    }
}
