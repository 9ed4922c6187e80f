//! Texts of a field that were checked to be UTF-8 once, as a whole, so that no read checks them again.

use std::ops::Range;

use bytestring::ByteString;

use super::Table;
use crate::manifest::RecordType;
use crate::schema::{FieldKind, Type};
use crate::segment::{HEADER_BYTES, LiveSegment};

/// The texts of one field in one segment: all of its extent, if that is UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts<'v> {
    pub(crate) all: &'v str,
    /// Where they begin, in bytes from the segment's first word.
    pub(crate) from: usize,
}

/// [`Texts`] that own what they hold.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckedTexts {
    all: ByteString,
    from: usize,
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
    /// fields that are no texts.
    pub(crate) fn checked_texts(&self, field: &str) -> Option<impl Iterator<Item = Texts<'_>>> {
        let (index, name) = self.text_field(&self.struct_type().field_by_any_name(field)?.name)?;
        let checked = self.texts.get(index)?.get_or_init(|| self.check_texts(name, &[]));
        Some(checked.iter().map(CheckedTexts::texts))
    }

    /// Checks the texts that were checked in an earlier version's table, so that no reader has to.
    pub(super) fn check_texts_as(&self, before: &Self) {
        for (checked, field) in before.texts.iter().zip(&before.struct_type().fields) {
            if let Some(checked) = checked.get()
                && let Some((index, name)) = self.text_field(&field.name)
                && let Some(texts) = self.texts.get(index)
            {
                texts.get_or_init(|| self.check_texts(name, checked));
            }
        }
    }

    /// Returns the names of the fields whose texts were checked.
    pub(super) fn checked_text_fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.texts.iter().zip(&self.struct_type().fields);
        fields.filter(|(checked, _)| checked.get().is_some()).map(|(_, field)| field.name.as_str())
    }

    /// Returns a text field of the record itself, outside of groups and unions, and its place among the fields.
    fn text_field(&self, name: &str) -> Option<(usize, &str)> {
        let mut fields = self.struct_type().fields.iter().enumerate();
        let (index, field) = fields.find(|(_, field)| field.name == name)?;
        let is_text = matches!(field.kind, FieldKind::Slot { ty: Type::Text, .. }) && field.discriminant.is_none();
        is_text.then_some((index, field.name.as_str()))
    }

    /// Checks a field's texts in all segments. `known`: what was checked before, perhaps in the same segments.
    fn check_texts(&self, field: &str, known: &[CheckedTexts]) -> Vec<CheckedTexts> {
        let entry = self.manifest.record_type(self.name());
        let entries = entry.into_iter().flat_map(|entry: &RecordType| &entry.segments);
        let check = |(source, entry): (&LiveSegment, &crate::manifest::SegmentEntry)| {
            if let Some(known) = known.iter().find(|known| known.is_of(source)) {
                return known.clone();
            }
            let extent = entry.extents.iter().find(|extent| extent.field == field);
            let range = extent.and_then(|extent| {
                let from = usize::try_from(extent.offset).ok()?;
                Some(from..from.checked_add(usize::try_from(extent.size).ok()?)?)
            });
            range.map_or_else(CheckedTexts::default, |range| CheckedTexts::check(source, range))
        };
        self.segments().iter().zip(entries).map(check).collect()
    }
}
