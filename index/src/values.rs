//! Some values of one record, without an allocation if they are few.

use std::ops::{Deref, DerefMut};

use kapok_core::paths::Scalar;

/// Values that need no allocation.
const FEW: usize = 4;

/// Values of the fields of an index.
#[derive(Clone, Debug)]
pub(crate) struct Values<'s> {
    few: [Scalar<'s>; FEW],
    len: usize,
    /// All of them, if they are more.
    many: Vec<Scalar<'s>>,
}

impl<'s> Values<'s> {
    pub(crate) fn new() -> Self {
        Self { few: [Scalar::Null; FEW], len: 0, many: Vec::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Scalar<'s>) {
        if let Some(place) = self.few.get_mut(self.len) {
            *place = value;
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few);
            }
            self.many.push(value);
        }
        self.len += 1;
    }
}

impl<'s> Deref for Values<'s> {
    type Target = [Scalar<'s>];

    #[inline]
    fn deref(&self) -> &[Scalar<'s>] {
        self.few.get(..self.len).unwrap_or(&self.many)
    }
}

impl DerefMut for Values<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self.few.get_mut(..self.len) {
            Some(few) => few,
            None => &mut self.many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_were_pushed() {
        let mut values = Values::new();
        for count in 0..2 * FEW as u64 {
            let expected: Vec<Scalar<'_>> = (0..count).map(Scalar::UInt).collect();
            assert_eq!(*values, *expected);
            assert_eq!(*values.clone().deref_mut(), *expected);
            values.push(Scalar::UInt(count));
        }
    }
}
