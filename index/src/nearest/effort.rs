//! How hard a search looks.

use kapok_hnsw::{CodeKind, Wanted};

/// How hard a search looks: what it costs against what it may miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effort {
    /// By the number wanted and the size of the segment, so that about 98 of 100 are found.
    #[default]
    Default,
    /// So many candidates are kept on the walk over a graph (`ef`); at least as many as are wanted. In a segment that is smaller
    /// than the largest, fewer.
    Ef(usize),
    /// Every vector is measured, so that none is missed.
    Exact,
}

impl Effort {
    /// Returns what a segment of so many vectors is asked for, which are such a share of those of the largest segment: of a small
    /// one few are among the nearest of all, so fewer candidates are kept.
    pub(crate) fn wanted(self, k: usize, rows: u32, of_largest: f64, codes: Option<CodeKind>) -> Wanted {
        let ef = match self {
            Self::Ef(ef) => ef.max(k),
            Self::Default | Self::Exact => default_ef(k, rows, codes),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "less than ef"
        )]
        let more = (ef.saturating_sub(k) as f64 * of_largest.clamp(0.0, 1.0).sqrt()).ceil() as usize;
        Wanted { k, ef: k.saturating_add(more), is_exact: self == Self::Exact }
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
