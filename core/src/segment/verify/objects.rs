//! Verifies that the objects of a field's extent are those that its rows reach, one behind the other.
//!
//! The walk is the writer's: what rows point at, in row order, then what these point at, and so on. So each pointer
//! aims at an object that was met before, or at the one that begins where the last new one ended.

use super::depth::{Depths, levels, too_deep};
use super::starts::Starts;
use super::structs::{ActiveFields, StructCheck};
use super::{Blob, Column};
use crate::error::Result;
use crate::segment::copy::DEPTH_MAX;
use crate::segment::copy_plan::Target;
use crate::segment::stage::Sharing;
use crate::words::{ElementSize, StructRef};

/// The walk through one extent.
pub(super) struct Objects<'c, 'p> {
    column: &'c Column<'c>,
    structs: &'c [StructCheck<'p>],
    sharing: Sharing,
    start: u32,
    end: u32,
    /// Word at which the next new object begins.
    frontier: u32,
    /// 1 + the first node of each object that was met.
    met: Starts,
    nodes: Vec<Node<'c>>,
    /// Pairs of nodes of which one points at the other, if depth is not bounded by the schema.
    edges: Option<Vec<(u32, u32)>>,
}

/// An object as one kind of thing. Equal bytes may be a text here and data there.
struct Node<'c> {
    start: u32,
    /// Upper half of the pointers to it: element size and count, or words of a struct.
    shape: u32,
    target: &'c Target,
    /// 1 + the node of the same object as another kind.
    other: u32,
}

/// A decoded pointer.
struct PointerTarget {
    start: u32,
    words: u32,
    shape: u32,
}

impl<'c, 'p: 'c> Objects<'c, 'p> {
    pub(super) fn new(
        column: &'c Column<'c>,
        depths: &Depths,
        structs: &'c [StructCheck<'p>],
        sharing: Sharing,
    ) -> Self {
        let words = column.words();
        let bounded = depths.of(&column.route.pointer.target).is_some_and(|depth| depth < DEPTH_MAX);
        Self {
            column,
            structs,
            sharing,
            start: words.start,
            end: words.end,
            frontier: words.start,
            met: Starts::new(words.len()),
            nodes: Vec::new(),
            edges: (!bounded).then(Vec::new),
        }
    }

    pub(super) fn verify(mut self) -> Result<()> {
        let (column, target) = (self.column, &self.column.route.pointer.target);
        if matches!(target, Target::Text | Target::Data | Target::Scalars(_)) {
            column.for_each_pointer(|_, at, pointer| self.follow_leaf(target, at, pointer))?;
        } else {
            column.for_each_pointer(|_, at, pointer| self.follow(target, at, pointer).map(drop))?;
            let mut active = ActiveFields::default();
            let mut next = 0;
            while next < self.nodes.len() {
                self.visit(next, &mut active)?;
                next += 1;
            }
        }
        if self.frontier != self.end {
            let expected = column.expected("the end of the extent behind the last object");
            return Err(self.blob().unexpected(self.frontier, expected));
        }
        // The record is the first level.
        let levels: Vec<u32> = self.nodes.iter().map(|node| levels(node.target)).collect();
        match self.edges.as_ref().and_then(|edges| too_deep(&levels, edges, DEPTH_MAX - 1)) {
            Some(node) => {
                let expected = column.expected(&format!("records nested at most {DEPTH_MAX} deep"));
                Err(self.blob().corrupt(self.nodes[node as usize].start, expected, "deeper ones, or a cycle"))
            }
            None => Ok(()),
        }
    }

    fn blob(&self) -> Blob<'c> {
        self.column.blob
    }

    /// Follows a pointer of a field whose objects have no pointers and are all of one kind: `met` holds their shapes.
    #[inline]
    fn follow_leaf(&mut self, target: &'c Target, at: u32, pointer: u64) -> Result<()> {
        let Some(aim) = self.aim(target, at, pointer)? else { return Ok(()) };
        let place = (aim.start - self.start) as usize;
        let shape = self.met.get(place);
        if shape == 0 {
            self.advance(&aim, at)?;
            self.met.set(place, aim.shape);
            return self.check_leaf(target, at, &aim);
        }
        self.expect_same(&aim, shape, at)
    }

    /// Follows a pointer; the node that it leads to, but for objects without words.
    fn follow(&mut self, target: &'c Target, at: u32, pointer: u64) -> Result<Option<u32>> {
        let Some(aim) = self.aim(target, at, pointer)? else { return Ok(None) };
        let place = (aim.start - self.start) as usize;
        let first = self.met.get(place);
        if first == 0 {
            self.advance(&aim, at)?;
        } else {
            self.expect_same(&aim, self.nodes[first as usize - 1].shape, at)?;
        }
        // As many nodes as the schema has kinds, at most.
        let mut node = first;
        while node != 0 {
            let known = &self.nodes[node as usize - 1];
            if is_same(known.target, target) {
                return Ok(Some(node - 1));
            }
            node = known.other;
        }
        let index = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node { start: aim.start, shape: aim.shape, target, other: first });
        self.met.set(place, index.saturating_add(1));
        if matches!(target, Target::Text | Target::Data | Target::Scalars(_)) {
            self.check_leaf(target, at, &aim)?;
        }
        Ok(Some(index))
    }

    /// Takes a pointer apart and checks its kind and bounds; `None` for objects without words.
    #[inline]
    fn aim(&self, target: &Target, at: u32, pointer: u64) -> Result<Option<PointerTarget>> {
        #[expect(clippy::cast_possible_truncation, reason = "halves and fields of a pointer")]
        let (low, shape) = (pointer as u32, (pointer >> 32) as u32);
        let list = |size: ElementSize| low & 3 == 1 && shape & 7 == size as u32;
        let fits = match target {
            Target::Text | Target::Data => list(ElementSize::Byte),
            Target::Scalars(size) => list(*size),
            Target::Pointers(_) => list(ElementSize::Pointer),
            Target::Structs(_) => list(ElementSize::Composite),
            Target::Struct(index) => {
                #[expect(clippy::cast_possible_truncation, reason = "16-bit fields")]
                let sizes = (shape as u16, (shape >> 16) as u16);
                low & 3 == 0 && self.structs.get(*index).is_some_and(|check| check.fits(sizes.0, sizes.1))
            }
        };
        if !fits {
            return Err(self.wrong(at, describe(target)));
        }
        let words = match target {
            Target::Struct(_) => (shape & 0xffff) + (shape >> 16),
            Target::Structs(_) => (shape >> 3) + 1,
            Target::Text | Target::Data => (shape >> 3).div_ceil(8),
            #[expect(clippy::cast_possible_truncation, reason = "29 bits of words at most")]
            Target::Scalars(size) => (u64::from(shape >> 3) * size.bits() as u64).div_ceil(64) as u32,
            Target::Pointers(_) => shape >> 3,
        };
        if words == 0 {
            let canonical = if low & 3 == 0 { 0xffff_fffc } else { 1 };
            return match (target, low == canonical) {
                (Target::Text, _) => Err(self.wrong(at, "text that ends in NUL")),
                (_, true) => Ok(None),
                (_, false) => Err(self.wrong(at, "an empty object at its pointer")),
            };
        }
        let start = i64::from(at) + 1 + i64::from(low.cast_signed() >> 2);
        match u32::try_from(start) {
            Ok(start) if start >= self.start && u64::from(start) + u64::from(words) <= u64::from(self.end) => {
                Ok(Some(PointerTarget { start, words, shape }))
            }
            _ => Err(self.wrong(at, "a pointer to within the extent")),
        }
    }

    /// Counts a new object.
    #[inline]
    fn advance(&mut self, aim: &PointerTarget, at: u32) -> Result<()> {
        if aim.start != self.frontier {
            let expected = format!("a pointer to a known object or to the next, at word {}", self.frontier);
            return Err(self.wrong(at, &expected));
        }
        self.frontier += aim.words;
        Ok(())
    }

    #[inline]
    fn expect_same(&self, aim: &PointerTarget, shape: u32, at: u32) -> Result<()> {
        if self.sharing == Sharing::StrictTree {
            return Err(self.wrong(at, "an object of its own, since the manifest says that nothing is shared"));
        }
        if aim.shape != shape {
            return Err(self.wrong(at, &format!("the shape {shape:#010x} that another pointer gives")));
        }
        Ok(())
    }

    /// Checks an object without pointers, which the pointer at a word aims at.
    #[inline]
    fn check_leaf(&self, target: &Target, at: u32, aim: &PointerTarget) -> Result<()> {
        let words = self.blob().words;
        let size = if let Target::Scalars(size) = target { *size } else { ElementSize::Byte };
        if matches!(target, Target::Text)
            && let Err(malformed) = words.check_text_at(at)
        {
            return Err(self.wrong(at, malformed.expected));
        }
        let used = u64::from(aim.shape >> 3) * size.bits() as u64 % 64;
        let last = aim.start + aim.words - 1;
        if used > 0 && words.word(last).is_ok_and(|word| word >> used != 0) {
            return Err(self.wrong(last, "zeros behind the last element"));
        }
        Ok(())
    }

    /// Checks what a node holds and follows its pointers.
    fn visit(&mut self, index: usize, active: &mut ActiveFields<'p>) -> Result<()> {
        let Node { start, shape, target, .. } = self.nodes[index];
        match target {
            Target::Text | Target::Data | Target::Scalars(_) => Ok(()),
            Target::Pointers(element) => {
                for at in start..start + (shape >> 3) {
                    self.step(index, element, at)?;
                }
                Ok(())
            }
            Target::Struct(ty) => {
                #[expect(clippy::cast_possible_truncation, reason = "16-bit fields")]
                let (data_words, pointer_words) = (shape as u16, (shape >> 16) as u16);
                match self.blob().words.struct_within(start, data_words, pointer_words) {
                    Some(from) => self.visit_struct(index, *ty, start, from, active),
                    None => Err(self.wrong(start, "a struct within the segment")),
                }
            }
            Target::Structs(ty) => self.visit_structs(index, *ty, (start, shape >> 3), active),
        }
    }

    fn visit_structs(
        &mut self,
        index: usize,
        ty: usize,
        (tag_at, words): (u32, u32),
        active: &mut ActiveFields<'p>,
    ) -> Result<()> {
        let tag = self.blob().words.word(tag_at).unwrap_or(3);
        #[expect(clippy::cast_possible_truncation, reason = "fields of the tag")]
        let (count, data_words, pointer_words) = (tag as u32 >> 2, (tag >> 32) as u16, (tag >> 48) as u16);
        let step = u32::from(data_words) + u32::from(pointer_words);
        let fits = self.structs.get(ty).is_some_and(|check| check.fits(data_words, pointer_words));
        if tag & 3 != 0 || !fits || u64::from(count) * u64::from(step) != u64::from(words) {
            let expected = format!("the tag of a list of structs of {words} words together");
            return Err(self.wrong(tag_at, &expected));
        }
        if step == 0 {
            // Any number of them hold nothing.
            return Ok(());
        }
        for at in (tag_at + 1..tag_at + 1 + words).step_by(step as usize) {
            match self.blob().words.struct_within(at, data_words, pointer_words) {
                Some(from) => self.visit_struct(index, ty, at, from, active)?,
                None => return Err(self.wrong(at, "a struct within the segment")),
            }
        }
        Ok(())
    }

    fn visit_struct(
        &mut self,
        index: usize,
        ty: usize,
        at: u32,
        from: StructRef<'_>,
        active: &mut ActiveFields<'p>,
    ) -> Result<()> {
        let Some(check) = self.structs.get(ty) else { return Ok(()) };
        for pointer in check.check(self.blob(), at, from, active)? {
            // In the order of their slots: what comes behind lies beyond an older struct's end too.
            let Some(word) = from.pointer_at(u32::from(pointer.slot)) else { break };
            self.step(index, &pointer.target, word)?;
        }
        Ok(())
    }

    /// Follows the pointer at a word of a node.
    fn step(&mut self, from: usize, target: &'c Target, at: u32) -> Result<()> {
        let pointer = self.blob().words.word(at).unwrap_or(0);
        if pointer == 0 {
            return Ok(());
        }
        let to = self.follow(target, at, pointer)?;
        if let (Some(edges), Some(to), Ok(from)) = (&mut self.edges, to, u32::try_from(from)) {
            edges.push((from, to));
        }
        Ok(())
    }

    #[cold]
    fn wrong(&self, at: u32, expected: &str) -> crate::Error {
        self.blob().unexpected(at, self.column.expected(expected))
    }
}

/// Returns whether two kinds of objects are checked in the same way.
fn is_same(a: &Target, b: &Target) -> bool {
    match (a, b) {
        (Target::Text, Target::Text) | (Target::Data, Target::Data) => true,
        (Target::Scalars(a), Target::Scalars(b)) => a == b,
        (Target::Pointers(a), Target::Pointers(b)) => is_same(a, b),
        (Target::Structs(a), Target::Structs(b)) | (Target::Struct(a), Target::Struct(b)) => a == b,
        _ => false,
    }
}

#[cold]
fn describe(target: &Target) -> &'static str {
    match target {
        Target::Text | Target::Data => "a list of bytes",
        Target::Scalars(_) => "a list of the field's element size",
        Target::Pointers(_) => "a list of pointers",
        Target::Structs(_) => "a list of structs",
        Target::Struct(_) => "a struct of the field's type",
    }
}
