//! How hard a search looks.

use kapok_hnsw::{CodeKind, Wanted};

/// How hard a search looks: what it costs against what it may miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effort {
    /// By the number wanted and the size of the segment, so that about 98 of 100 are found.
    #[default]
    Default,
    /// So many candidates are kept on the walk over a graph (`ef`); at least as many as are wanted.
    Ef(usize),
    /// Every vector is measured, so that none is missed.
    Exact,
}

impl Effort {
    /// Returns what a segment of so many vectors is asked for.
    pub(crate) fn wanted(self, k: usize, rows: u32, codes: Option<CodeKind>) -> Wanted {
        let ef = match self {
            Self::Ef(ef) => ef.max(k),
            Self::Default | Self::Exact => default_ef(k, rows, codes),
        };
        Wanted { k, ef, is_exact: self == Self::Exact }
    }
}

/// Returns how many candidates to keep. Measured on the sets of the benchmark.
fn default_ef(k: usize, rows: u32, codes: Option<CodeKind>) -> usize {
    let doublings = (u32::BITS - (rows >> 14).leading_zeros()) as usize;
    let base = match codes {
        Some(CodeKind::Sq4) => 28,
        _ => 24,
    };
    base + k + k / 2 + 4 * doublings
}
