//! Watches graphs of vectors while they are built: tells a listener how far they are, and takes the time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kapok_blobstore::clock;
use kapok_index::vector::GraphProgress;

/// Time between two calls of a listener, for one graph.
const PAUSE: Duration = Duration::from_millis(250);

/// Is told how far graphs of vectors are, which take minutes for millions of them.
///
/// Called on the thread that builds: about four times a second, and when a graph begins and ends.
#[derive(Clone)]
pub struct GraphListener(Arc<dyn Fn(&GraphStep<'_>) + Send + Sync>);

/// How far the graph of a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphStep<'s> {
    /// The record type.
    pub record_type: &'s str,
    /// What has been done and what there is to do.
    pub graph: GraphProgress<'s>,
}

/// Graphs that were built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphReport {
    /// Number of graphs, one for each segment and index of vectors.
    pub graphs: u64,
    /// Vectors that were inserted.
    pub inserted: u64,
    /// Vectors whose links came from the graph of a segment that was merged.
    pub planted: u64,
    /// Time of building, without codes.
    pub duration: Duration,
}

impl GraphListener {
    /// Makes a listener of a closure, which should return soon.
    pub fn new(tell: impl Fn(&GraphStep<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for GraphListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GraphListener")
    }
}

impl GraphReport {
    /// Adds up these graphs and others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            graphs: self.graphs + other.graphs,
            inserted: self.inserted + other.inserted,
            planted: self.planted + other.planted,
            duration: self.duration + other.duration,
        }
    }
}

/// Watches the graphs of one segment, which are built one after another.
pub(crate) struct GraphWatch<'w> {
    record_type: &'w str,
    listener: Option<&'w GraphListener>,
    /// The graph that is being built.
    current: Option<Current>,
    built: GraphReport,
}

struct Current {
    begun: Instant,
    told: Instant,
    report: GraphReport,
}

impl<'w> GraphWatch<'w> {
    pub fn new(record_type: &'w str, listener: Option<&'w GraphListener>) -> Self {
        Self { record_type, listener, current: None, built: GraphReport::default() }
    }

    /// Takes note of a step.
    pub fn step(&mut self, graph: GraphProgress<'_>) {
        let now = clock::instant();
        if graph.linked == 0 {
            self.end();
        }
        let is_first = self.current.is_none();
        let current = self.current.get_or_insert(Current { begun: now, told: now, report: GraphReport::default() });
        current.report = GraphReport {
            graphs: 1,
            inserted: (graph.vectors - graph.planted) as u64,
            planted: graph.planted as u64,
            duration: now.duration_since(current.begun),
        };
        if is_first || graph.linked == graph.vectors || now.duration_since(current.told) >= PAUSE {
            current.told = now;
            if let Some(GraphListener(tell)) = self.listener {
                tell(&GraphStep { record_type: self.record_type, graph });
            }
        }
    }

    fn end(&mut self) {
        if let Some(Current { report, .. }) = self.current.take() {
            self.built = self.built.and(report);
        }
    }

    /// Returns what was built.
    pub fn finish(mut self) -> GraphReport {
        self.end();
        self.built
    }
}
