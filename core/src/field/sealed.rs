//! The types that fields and elements of lists can be read as, here and in no other crate.

use super::each::Each;
use super::list::List;
use crate::record::Record;

/// Keeps other crates from implementing [`FieldValue`](super::FieldValue) and [`Element`](super::Element), so that both may
/// grow.
pub trait Sealed {}

macro_rules! seal {
    ($($rust:ty),*) => {$(impl Sealed for $rust {})*};
}

seal!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, &str, &[u8], &[f32], Record<'_>);

impl<T> Sealed for List<'_, T> {}
impl<T> Sealed for Each<'_, T> {}
impl<T: Sealed> Sealed for Option<T> {}
