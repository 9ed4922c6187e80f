//! Verifies that a field's vectors stand at constant stride, each at its row's place.

use super::Column;
use crate::error::Result;
use crate::segment::column::aim;
use crate::words::WORD;

impl Column<'_> {
    pub(super) fn verify_vectors(&self) -> Result<()> {
        let Some(plan) = self.plan.vector else { return Ok(()) };
        let words = self.words();
        // In words, as everything here.
        let stride = self.extent.map_or(0, |extent| extent.stride / 8);
        if let Some(extent) = self.extent
            && u64::from(stride) * WORD as u64 * u64::from(self.segment.rows()) != extent.size
        {
            let found = format!("{} bytes at stride {}", extent.size, extent.stride);
            return Err(self.blob.corrupt(words.start, self.expected("a vector for each row"), found));
        }
        let mut dimension = plan.dimension;
        let mut next_row = 0;
        self.for_each_pointer(|row, at, pointer| {
            if dimension == 0 {
                // The first vector sets the dimension.
                let bytes = (pointer >> 35) as usize * plan.element.list_size().bits() / 8;
                dimension = plan.element.dimension_of(bytes);
            }
            let bits = u64::from(dimension) * plan.element.bits() as u64;
            let start = words.start + row * stride;
            let expected = aim(plan.element.list_shape(dimension), stride, at, start);
            if stride == 0 || bits.div_ceil(64) != u64::from(stride) || pointer != expected {
                let expected = format!("a vector of {dimension} elements at word {start}");
                return Err(self.blob.unexpected(at, self.expected(&expected)));
            }
            self.blob.expect_zeros(words.start + next_row * stride..start, "zeros where a row has no vector")?;
            if !bits.is_multiple_of(64) {
                let last = start + stride - 1;
                if self.blob.words.word(last).unwrap_or(0) >> (bits % 64) != 0 {
                    return Err(self.blob.unexpected(last, self.expected("zeros behind a vector")));
                }
            }
            next_row = row + 1;
            Ok(())
        })?;
        if self.extent.is_some() && next_row == 0 {
            return Err(self.blob.corrupt(words.start, self.expected("a vector"), "an extent without any"));
        }
        self.blob.expect_zeros(words.start + next_row * stride..words.end, "zeros where a row has no vector")
    }
}
