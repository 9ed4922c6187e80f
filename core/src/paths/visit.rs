//! Walks through the lists of a record, tuple by tuple.

use super::{LISTS_MAX, Path, Paths, Place, Scalar};
use crate::words::{ElementSize, ListRef, Malformed, Read, StructRef};

/// Elements of one record that are visited, at most: a hostile record may claim any number of them.
const ELEMENTS_MAX: u64 = 1 << 26;

impl Paths {
    /// Hands the tuples of a record to a function: in the order of the list, equal ones as often as they are there.
    ///
    /// A tuple stands for a list that is null or empty, too.
    ///
    /// # Errors
    /// The malformed word, or that of the function.
    #[inline]
    pub fn for_each<'v>(&'v self, row: StructRef<'v>, mut f: impl FnMut(&[Scalar<'v>]) -> Read<()>) -> Read<()> {
        if let ([path], true) = (self.paths.as_slice(), self.lists.is_empty()) {
            return f(&[path.read(Place::Struct(row), 0)?]);
        }
        if let ([path @ Path { depth: 1, .. }], [step]) = (self.paths.as_slice(), self.lists.as_slice()) {
            let Some(list) = step.open(Place::Struct(row))? else { return f(&[Scalar::Null]) };
            if list.is_empty() {
                return f(&[Scalar::EmptyList]);
            }
            let count = distinct_elements(list);
            if u64::from(count) > ELEMENTS_MAX {
                return Err(too_many(list));
            }
            return (0..count).try_for_each(|index| f(&[path.read(Place::Element(list, index), 1)?]));
        }
        self.for_each_element(row, |_, tuple| f(tuple))
    }

    /// Hands the tuples of a record to a function as [`for_each`](Self::for_each) does, each with the indexes of the elements
    /// that it is of: one for each list that is gone through, less where a list has no element.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn for_each_element<'v>(
        &'v self,
        row: StructRef<'v>,
        mut f: impl FnMut(&[u32], &[Scalar<'v>]) -> Read<()>,
    ) -> Read<()> {
        let mut visit =
            Visit { tuple: vec![Scalar::Null; self.paths.len()], indexes: [0; LISTS_MAX], left: ELEMENTS_MAX };
        self.visit(Place::Struct(row), 0, &mut visit, &mut f)
    }

    fn visit<'v>(
        &'v self,
        place: Place<'v>,
        depth: usize,
        visit: &mut Visit<'v>,
        f: &mut impl FnMut(&[u32], &[Scalar<'v>]) -> Read<()>,
    ) -> Read<()> {
        for (path, value) in self.paths.iter().zip(visit.tuple.iter_mut()).filter(|(path, _)| path.depth == depth) {
            *value = path.read(place, depth)?;
        }
        let Some(step) = self.lists.get(depth) else { return f(&visit.indexes[..depth], &visit.tuple) };
        let list = step.open(place)?;
        let missing = match list {
            None if depth == 0 => Scalar::Null,
            None => Scalar::NullElement,
            Some(list) if list.is_empty() => Scalar::EmptyList,
            Some(list) => {
                for index in 0..distinct_elements(list) {
                    visit.left = visit.left.checked_sub(1).ok_or_else(|| too_many(list))?;
                    visit.indexes[depth] = index;
                    self.visit(Place::Element(list, index), depth + 1, visit, f)?;
                }
                return Ok(());
            }
        };
        for (_, value) in self.paths.iter().zip(visit.tuple.iter_mut()).filter(|(path, _)| path.depth > depth) {
            *value = missing;
        }
        f(&visit.indexes[..depth], &visit.tuple)
    }
}

/// What a walk through the lists of a record has met.
struct Visit<'v> {
    tuple: Vec<Scalar<'v>>,
    /// The element of each list.
    indexes: [u32; LISTS_MAX],
    /// Elements that may still be visited.
    left: u64,
}

/// Returns how many elements of a list there are to look at: those of no size are all alike.
#[inline]
fn distinct_elements(list: ListRef<'_>) -> u32 {
    let is_sizeless = list.size() == ElementSize::Composite && list.struct_sizes() == (0, 0);
    if is_sizeless { 1 } else { list.len() }
}

#[cold]
fn too_many(list: ListRef<'_>) -> Malformed {
    Malformed { word: list.at(), expected: "a record of fewer elements" }
}
