//! Which revision of the rules a key is encoded by, and whether other keys may be encoded alike.

use super::{KeyKind, KeyRevision, KeySpec};

impl KeySpec {
    /// Returns the key as the rules of a revision encode it. For a key that all revisions encode alike it stays as it is.
    #[must_use]
    pub fn with_revision(self, revision: KeyRevision) -> Self {
        let revision = if self.has_inner_bytes() { revision } else { KeyRevision::default() };
        Self { revision, ..self }
    }

    /// Returns the revision of the rules by which it is encoded.
    pub fn revision(&self) -> KeyRevision {
        self.revision
    }

    /// Returns whether a Text or Data is followed by another part.
    fn has_inner_bytes(&self) -> bool {
        let inner = self.parts.split_last().map_or(&[][..], |(_, inner)| inner);
        inner.iter().any(|part| matches!(part.kind, KeyKind::Text | KeyKind::Data))
    }

    /// Returns whether another key may be encoded as this one is: quickly, and yes in doubt. By
    /// [`KeyRevision::R1`] the two are told apart.
    #[inline]
    pub fn may_be_of_two(&self, encoded: &[u8]) -> bool {
        self.fixed_bytes.is_none() && self.has_inner_bytes() && self.revision.may_be_of_two(encoded)
    }
}
