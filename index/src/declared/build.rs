//! Builds the artifacts of a segment.

use bytes::Bytes;
use kapok_core::Result;
use kapok_core::manifest::{Artifact, SegmentEntry};
use kapok_core::segment::{Segment, in_parallel};

use super::{BuiltArtifact, Index, IndexSet};
use crate::kind::{Beside, Kind};
use crate::unique;
use crate::vector::{GraphProgress, GraphSource};

impl IndexSet {
    /// Builds the artifacts that a segment's entry in the manifest lacks: a function of the segment and the indexes, but for graphs
    /// of vectors, which are grown from that of the largest of `sources`, if the segment was merged from some.
    ///
    /// # Errors
    /// `Corrupt` if the segment cannot be read, `Invalid` if two rows have the same primary key.
    pub fn build_lacking(
        &self,
        segment: &Segment,
        entry: &SegmentEntry,
        sources: &[GraphSource],
    ) -> Result<Vec<BuiltArtifact>> {
        self.build_lacking_telling(segment, entry, sources, &mut |_| {})
    }

    /// Builds what [`build_lacking`](Self::build_lacking) does, and tells how far each graph is.
    ///
    /// # Errors
    /// As [`build_lacking`](Self::build_lacking).
    pub fn build_lacking_telling(
        &self,
        segment: &Segment,
        entry: &SegmentEntry,
        sources: &[GraphSource],
        progress: &mut dyn FnMut(GraphProgress<'_>),
    ) -> Result<Vec<BuiltArtifact>> {
        let lacking = self.indexes.iter().enumerate().filter(|(_, index)| index.artifact(entry).is_none());
        let (graphs, mut lacking): (Vec<_>, Vec<_>) = lacking.partition(|(_, index)| index.kind == Kind::Hnsw);
        // Of a small segment each is built by one thread: the dearest first, so that the others are built meanwhile.
        lacking.sort_by_key(|(_, index)| index.kind != Kind::Text);
        let build = |(at, index)| self.build(index, segment, entry).map(|built| (at, built));
        let mut built = in_parallel(lacking, build).into_iter().collect::<Result<Vec<(usize, _)>>>()?;
        built.sort_by_key(|(at, _)| *at);
        let mut built: Vec<_> = built.into_iter().map(|(_, built)| built).collect();
        // A graph is built by all threads, from the codes.
        for (_, index) in graphs {
            let mut beside = Beside { earlier: &built, sources, progress };
            let graph = self.build_beside(index, segment, entry, &mut beside)?;
            built.push(graph);
        }
        Ok(built)
    }

    /// Builds one artifact of a segment.
    ///
    /// # Errors
    /// As [`Self::build_lacking`].
    pub fn build(&self, index: &Index, segment: &Segment, entry: &SegmentEntry) -> Result<BuiltArtifact> {
        self.build_beside(index, segment, entry, &mut Beside::nothing(&mut |_| {}))
    }

    fn build_beside(
        &self,
        index: &Index,
        segment: &Segment,
        entry: &SegmentEntry,
        beside: &mut Beside<'_>,
    ) -> Result<BuiltArtifact> {
        let bytes = index.kind.build(&self.key, index, segment, entry, beside)?;
        let artifact = Artifact {
            kind: index.kind.name().to_owned(),
            name: index.name.clone(),
            id: *blake3::hash(&bytes).as_bytes(),
            size: bytes.len() as u64,
        };
        Ok(BuiltArtifact { artifact, bytes: bytes.into() })
    }

    /// Makes an artifact of a segment again; `None` if the segment does not give it, or its kind is unknown or not made so.
    ///
    /// # Errors
    /// `Corrupt` if the segment cannot be read, `Invalid` if two rows have the same primary key.
    pub fn rebuild(&self, artifact: &Artifact, segment: &Segment, entry: &SegmentEntry) -> Result<Option<Bytes>> {
        let made = |index: &&Index| index.kind.is_function_of_segment() && index.owns(artifact);
        let Some(index) = self.indexes.iter().find(made) else { return Ok(None) };
        let mut built = self.build(index, segment, entry)?;
        if built.artifact.id != artifact.id && index.kind == Kind::Unique {
            let unbound = unique::unbound(&built.bytes);
            built.artifact.id = *blake3::hash(&unbound).as_bytes();
            built.bytes = unbound.into();
        }
        Ok((built.artifact.id == artifact.id).then_some(built.bytes))
    }
}
