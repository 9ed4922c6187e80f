//! Texts of a field that were checked to be UTF-8 once, as a whole, so that no read checks them again: those of a text, or of
//! a list of texts.

use std::collections::BTreeMap;
use std::ops::Range;

use bytestring::ByteString;

use super::Table;
use crate::manifest::RecordType;
use crate::schema::{FieldKind, Type};
use crate::segment::{HEADER_BYTES, LiveSegment};
use crate::words::{ListRef, WORD, Words};

/// The texts of one field in one segment: all of its extent, if that is UTF-8. Of lists, the part behind the lists.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'v> {
    pub(crate) all: &'v str,
    /// Where they begin, in bytes from the segment's first word.
    pub(crate) from: usize,
}

impl<'v> Texts<'v> {
    pub(crate) const NONE: Self = Self { all: "", from: 0 };

    /// Returns the text of so many bytes, the final NUL among them, at a byte of these; `None` if it is not all in them.
    #[inline]
    pub(crate) fn text(self, from: usize, len: usize) -> Option<&'v str> {
        let nul = from.wrapping_add(len).wrapping_sub(1);
        // The zeros between texts are UTF-8 too. So an extent of valid texts is valid as a whole, and a text within it is a
        // range whose two ends are boundaries of characters.
        if self.all.as_bytes().get(nul) != Some(&0) {
            return None;
        }
        self.all.get(from..nul)
    }

    /// Returns the text that an element of a list points at.
    #[inline]
    pub(crate) fn element(self, list: ListRef<'v>, index: u32) -> Option<&'v str> {
        let (offset, len) = Words::byte_list(u64::from_le_bytes(list.scalar(index)))?;
        let target = (list.at() as usize + index as usize + 1) * WORD;
        let from = (target as u64).wrapping_add(offset).wrapping_sub(self.from as u64);
        self.text(usize::try_from(from).ok()?, len)
    }
}

/// [`Texts`] that own what they hold.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckedTexts {
    all: ByteString,
    from: usize,
}

/// A field whose texts can be checked together.
#[derive(Clone, Copy)]
struct TextField<'t> {
    /// Among the fields of the record.
    index: usize,
    name: &'t str,
    /// Whether it is a list of texts.
    in_lists: bool,
}

/// Returns the texts' part of an extent of lists of texts. Objects stand breadth first: all lists before all texts, and
/// the first element that is not null points at the first text. Where that is not so, texts are found to be outside when
/// they are read, and checked then.
fn behind_lists(bytes: &[u8], extent: Range<usize>) -> Option<Range<usize>> {
    let lists = bytes.get(extent.clone())?;
    let mut elements = lists.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).enumerate();
    let (at, pointer) = elements.find(|(_, pointer)| *pointer != 0)?;
    let (offset, _) = Words::byte_list(pointer)?;
    let from = extent.start.wrapping_add((at + 1) * WORD).wrapping_add(usize::try_from(offset).ok()?);
    extent.contains(&from).then_some(from..extent.end)
}

impl CheckedTexts {
    /// Checks an extent; empty if it is not UTF-8 or not within the segment.
    fn check(source: &LiveSegment, extent: Range<usize>) -> Self {
        let bytes = source.segment().bytes();
        if extent.start < HEADER_BYTES || extent.start > extent.end || extent.end > bytes.len() {
            return Self::default();
        }
        let from = extent.start - HEADER_BYTES;
        ByteString::try_from(bytes.slice(extent)).map_or_else(|_| Self::default(), |all| Self { all, from })
    }

    pub(super) fn texts(&self) -> Texts<'_> {
        Texts { all: &self.all, from: self.from }
    }

    /// Returns whether it was checked in these very bytes, of the same mapping.
    fn is_of(&self, source: &LiveSegment) -> bool {
        let bytes = source.segment().bytes().as_ptr_range();
        bytes.contains(&self.all.as_bytes().as_ptr())
    }
}

impl Table {
    /// Returns the texts of a field of the record itself, for each segment; checks them at the first call. `None` for
    /// fields that are neither texts nor lists of texts.
    pub(crate) fn checked_texts(&self, field: &str) -> Option<impl Iterator<Item = Texts<'_>>> {
        let field = self.text_field(&self.struct_type().field_by_any_name(field)?.name)?;
        let checked = self.texts.get(field.index)?.get_or_init(|| self.check_texts(field, &[]));
        Some(checked.iter().map(CheckedTexts::texts))
    }

    /// Checks the texts that were checked in an earlier version's table, so that no reader has to.
    pub(super) fn check_texts_as(&self, before: &Self) {
        for (checked, field) in before.texts.iter().zip(&before.struct_type().fields) {
            if let Some(checked) = checked.get()
                && let Some(field) = self.text_field(&field.name)
                && let Some(texts) = self.texts.get(field.index)
            {
                texts.get_or_init(|| self.check_texts(field, checked));
            }
        }
    }

    /// Returns the names of the fields whose texts were checked, and how many bytes of theirs are.
    pub(super) fn checked_text_fields(&self) -> BTreeMap<&str, usize> {
        let fields = self.texts.iter().zip(&self.struct_type().fields);
        let bytes = |checked: &Vec<CheckedTexts>| checked.iter().map(|texts| texts.all.len()).sum();
        fields.filter_map(|(checked, field)| Some((field.name.as_str(), bytes(checked.get()?)))).collect()
    }

    /// Returns a field of texts of the record itself, outside of groups and unions.
    fn text_field(&self, name: &str) -> Option<TextField<'_>> {
        let mut fields = self.struct_type().fields.iter().enumerate();
        let (index, field) = fields.find(|(_, field)| field.name == name && field.discriminant.is_none())?;
        let in_lists = match &field.kind {
            FieldKind::Slot { ty: Type::Text, .. } => false,
            FieldKind::Slot { ty: Type::List(element), .. } if **element == Type::Text => true,
            _ => return None,
        };
        Some(TextField { index, name: &field.name, in_lists })
    }

    /// Checks a field's texts in all segments. `known`: what was checked before, perhaps in the same segments.
    fn check_texts(&self, field: TextField<'_>, known: &[CheckedTexts]) -> Vec<CheckedTexts> {
        let entry = self.manifest.record_type(self.name());
        let entries = entry.into_iter().flat_map(|entry: &RecordType| &entry.segments);
        let check = |(source, entry): (&LiveSegment, &crate::manifest::SegmentEntry)| {
            if let Some(known) = known.iter().find(|known| known.is_of(source)) {
                return known.clone();
            }
            let extent = entry.extents.iter().find(|extent| extent.field == field.name);
            let range = extent.and_then(|extent| {
                let from = usize::try_from(extent.offset).ok()?;
                let extent = from..from.checked_add(usize::try_from(extent.size).ok()?)?;
                if field.in_lists { behind_lists(source.segment().bytes(), extent) } else { Some(extent) }
            });
            range.map_or_else(CheckedTexts::default, |range| CheckedTexts::check(source, range))
        };
        self.segments().iter().zip(entries).map(check).collect()
    }
}
