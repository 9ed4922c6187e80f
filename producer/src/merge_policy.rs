//! Decides which segments are merged into one.
//!
//! Every cycle adds a fresh segment and leaves dead rows in older ones, so reads get slower and files hold bytes that
//! nobody reads. A merge writes the live rows of some segments as one segment, which costs bytes written now and
//! downloaded later. `plan` decides by sizes and counts alone. It is repeated until it finds nothing to merge
//! (`plan_all`); then:
//!
//! * live bytes are at least `live_min` of all bytes, or the dead ones are no more than `small_bytes`;
//! * at most `segments_max` segments are below half the size cap (any two of those fit into one);
//! * no merge made a segment larger than the cap.
//!
//! **Model.** Size-tiered compaction: segments of like size are merged with one another, so that a row is
//! copied about once per tier and not once per cycle. Tiers are not fixed here. Segments stand in order of live bytes,
//! and of all runs of neighbours the one with the least `bytes written / segments freed^2.5` is merged. At an exponent
//! of one it would always be the two smallest, and one growing segment would be copied each cycle; a high one would
//! always merge all. Dead rows are removed as a log-structured file system cleans: the segment with the greatest dead
//! share (segments with few dead bytes do not count) is written anew together with the segments that are small beside
//! it, which makes room for later cycles at little cost.
//!
//! **Measurements** (`src/merge_policy/simulation.rs`: 100,000 records in one segment, then 1,000 cycles, the defaults;
//! bytes written by cycles and merges over bytes of records added, changed and removed; "local" is a consumer that
//! makes merged segments itself and downloads the fresh ones only):
//!
//! ```text
//! history of a cycle                      written   downloaded   local       segments   live
//! 1 % changed                                4.19         3.96        1.00          8   70 %
//! 1 % added                                  5.01         4.71        1.00          8  100 %
//! the same 1 % changed                       1.00         1.00        1.00          2   99 %
//! 1 % changed, 0.5 % added and removed       3.02         2.90        0.75          8   70 %
//! 80 x 1 % removed, 80 x 1 % added, again    2.17         2.08        0.48          8   70 %
//! 0.1 % changed                              5.63         5.32        1.00          8   70 %
//! 10 % changed                               3.00         2.80        1.00          5   71 %
//! 9 x 0.1 % changed and added, 1 x 10 %      2.98         2.75        0.96          8   70 %
//! ```
//!
//! **Vectors.** A search walks over the graph of each segment, and merging grows a graph, so record types with an index of
//! vectors have bounds of their own. In the same simulation, with the time of a search over that in one graph of all rows (a
//! walk grows with the logarithm of the rows):
//!
//! ```text
//! history        graphs at most   written   search
//! 5 % changed                 1     21.00     1.00
//!                             2      7.20     1.59
//!                             3      4.71     2.07
//!                             4      4.03     2.56
//! 1 % changed                 2     14.90     1.74
//!                             3      8.33     2.30
//! ```
//!
//! Alternatives, on the same histories, wrote more in sum: merging the smallest segments by a geometric invariant 3 %,
//! merging runs of segments that are at most some times the smallest 4 %, an exponent of 2 5 %, an exponent of 3, or
//! rewriting the segment with the most dead bytes, 2 %. Some win in one history and lose in others.

/// Weight of the segments that a merge frees against the bytes that it writes; found by simulation.
const FREED_EXPONENT: f64 = 2.5;

/// A segment is small beside one that is rewritten for its dead rows if this many of its size fit into that one.
const SMALL_BESIDE: u64 = 3;

/// A segment's dead bytes matter if they are this part of an even share of all dead bytes.
const EVEN_SHARE_PART: u64 = 4;

/// Size of a segment and its numbers of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentStat {
    /// Size of its file in bytes.
    pub size: u64,
    /// Number of its rows, dead ones included.
    pub rows: u32,
    /// Number of rows that are not in the version any more. A segment of dead rows alone is dropped, not merged.
    pub dead: u32,
}

impl SegmentStat {
    /// Estimates the bytes of its live rows, as if rows were all of a size.
    fn live_bytes(&self) -> u64 {
        if self.rows == 0 {
            return self.size;
        }
        let live = u128::from(self.rows.saturating_sub(self.dead));
        let live_size = u128::from(self.size) * live / u128::from(self.rows);
        u64::try_from(live_size).unwrap_or(self.size)
    }

    /// Estimates the bytes of its dead rows, likewise.
    fn dead_bytes(&self) -> u64 {
        self.size - self.live_bytes()
    }

    /// Returns whether `self` has the greater share of dead bytes.
    fn is_deader_than(&self, other: &Self) -> bool {
        let share = |of: &Self, by: &Self| u128::from(of.dead_bytes()) * u128::from(by.size);
        share(self, other) > share(other, self)
    }
}

/// Bounds that merges keep for each record type.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MergePolicy {
    /// Largest number of segments whose live bytes are below half of `segment_bytes_max`; at least 1.
    pub segments_max: usize,
    /// Smallest share of live bytes in all bytes, from 0 (dead rows do not matter) to 1.
    pub live_min: f64,
    /// Dead bytes of all segments together that are not worth a merge.
    pub small_bytes: u64,
    /// Largest size of a merged segment in bytes. A segment that is larger already is only rewritten alone.
    pub segment_bytes_max: u64,
    /// `segments_max` of record types with an index of vectors: each segment has a graph, and a search walks over all of them.
    pub vector_segments_max: usize,
    /// `segment_bytes_max` of record types with an index of vectors.
    pub vector_segment_bytes_max: u64,
}

impl MergePolicy {
    /// Returns the policy of a record type, with vectors or without.
    pub(crate) fn of_type(&self, has_vectors: bool) -> Self {
        if !has_vectors {
            return *self;
        }
        Self { segments_max: self.vector_segments_max, segment_bytes_max: self.vector_segment_bytes_max, ..*self }
    }
}

impl Default for MergePolicy {
    fn default() -> Self {
        Self {
            segments_max: 8,
            live_min: 0.7,
            small_bytes: 1 << 20,
            segment_bytes_max: 256 << 20,
            vector_segments_max: 2,
            vector_segment_bytes_max: 3 << 30,
        }
    }
}

/// Returns the next segments to merge into one, as ascending places in `segments`; `None` if no merge is due.
///
/// A single place means that the segment is rewritten without its dead rows.
fn plan(segments: &[SegmentStat], settings: &MergePolicy) -> Option<Vec<usize>> {
    let mut by_size: Vec<usize> = (0..segments.len()).collect();
    by_size.sort_by_key(|&at| (segments[at].live_bytes(), at));
    let mut chosen =
        shed_dead_rows(segments, &by_size, settings).or_else(|| free_places(segments, &by_size, settings))?;
    chosen.sort_unstable();
    Some(chosen)
}

/// Returns all merges that are due, as sets of places in `segments`, each to become one segment.
///
/// This is [`plan`] repeated, with each merged segment taken at its expected size.
pub(crate) fn plan_all(segments: &[SegmentStat], settings: &MergePolicy) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = (0..segments.len()).map(|place| vec![place]).collect();
    let mut stats = segments.to_vec();
    let mut is_merged = vec![false; segments.len()];
    // Ends: each round leaves fewer sets, or one less with dead rows.
    while let Some(chosen) = plan(&stats, settings) {
        let Some((first, others)) = chosen.split_first() else { break };
        let live = |stat: &SegmentStat| stat.rows.saturating_sub(stat.dead);
        stats[*first] = SegmentStat {
            size: chosen.iter().map(|at| stats[*at].live_bytes()).sum(),
            rows: chosen.iter().fold(0, |rows: u32, at| rows.saturating_add(live(&stats[*at]))),
            dead: 0,
        };
        is_merged[*first] = true;
        // From the back, so that the places before stay valid.
        for at in others.iter().rev() {
            let set = sets.remove(*at);
            sets[*first].extend(set);
            stats.remove(*at);
            is_merged.remove(*at);
        }
    }
    let merged = sets.into_iter().zip(is_merged).filter(|(_, is_merged)| *is_merged);
    merged
        .map(|(mut set, _)| {
            set.sort_unstable();
            set
        })
        .collect()
}

/// If too many bytes are dead, returns the segment with the greatest dead share and those that are small beside it.
fn shed_dead_rows(segments: &[SegmentStat], by_size: &[usize], settings: &MergePolicy) -> Option<Vec<usize>> {
    let size: u64 = segments.iter().map(|segment| segment.size).sum();
    let dead: u64 = segments.iter().map(SegmentStat::dead_bytes).sum();
    if dead <= settings.small_bytes || float(size - dead) >= settings.live_min * float(size) {
        return None;
    }
    let matters = dead / (EVEN_SHARE_PART * u64::try_from(segments.len()).unwrap_or(u64::MAX));
    let candidates = by_size.iter().copied().filter(|&at| segments[at].dead_bytes() > matters);
    let deadest = candidates.reduce(|a, b| if segments[b].is_deader_than(&segments[a]) { b } else { a })?;
    let mut chosen = vec![deadest];
    let mut live = segments[deadest].live_bytes();
    let small_max = live / SMALL_BESIDE;
    for &at in by_size.iter().filter(|&&at| at != deadest && segments[at].size <= small_max) {
        let together = live + segments[at].live_bytes();
        if together <= settings.segment_bytes_max {
            live = together;
            chosen.push(at);
        }
    }
    Some(chosen)
}

/// If there are too many segments, returns the run of neighbours in size that frees most segments for the bytes it
/// writes.
fn free_places(segments: &[SegmentStat], by_size: &[usize], settings: &MergePolicy) -> Option<Vec<usize>> {
    let full_min = settings.segment_bytes_max / 2;
    let open = by_size.partition_point(|&at| segments[at].live_bytes() < full_min);
    if open <= settings.segments_max {
        return None;
    }
    let mut best: Option<(f64, &[usize])> = None;
    for first in 0..open {
        let mut written = segments[by_size[first]].live_bytes();
        let mut freed = 0.0;
        for last in first + 1..open {
            written += segments[by_size[last]].live_bytes();
            if written > settings.segment_bytes_max {
                break;
            }
            freed += 1.0;
            let cost = float(written) / f64::powf(freed, FREED_EXPONENT);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, &by_size[first..=last]));
            }
        }
    }
    best.map(|(_, run)| run.to_vec())
}

#[expect(clippy::cast_precision_loss, reason = "sizes are compared by ratio; 52 bits are plenty")]
fn float(size: u64) -> f64 {
    size as f64
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn segment(mib: u64, dead_percent: u32) -> SegmentStat {
        SegmentStat { size: mib * MIB, rows: 100, dead: dead_percent }
    }

    fn plan_by_default(segments: &[SegmentStat]) -> Option<Vec<usize>> {
        plan(segments, &MergePolicy::default())
    }

    #[test]
    fn few_segments_with_few_dead_rows_stay_as_they_are() {
        assert_eq!(plan_by_default(&[]), None);
        assert_eq!(plan_by_default(&[segment(100, 29)]), None);
        assert_eq!(plan_by_default(&[segment(10, 0); 8]), None);
    }

    #[test]
    fn a_segment_with_many_dead_rows_is_rewritten_with_those_that_are_small_beside_it() {
        assert_eq!(plan_by_default(&[segment(100, 40)]), Some(vec![0]));
        assert_eq!(
            plan_by_default(&[segment(1, 0), segment(40, 0), segment(100, 60), segment(2, 50)]),
            Some(vec![0, 2, 3])
        );
    }

    #[test]
    fn dead_bytes_do_not_matter_while_they_are_few() {
        let mut segments = [SegmentStat { size: MIB, rows: 1000, dead: 999 }];
        assert_eq!(plan_by_default(&segments), None);
        segments[0].size = 2 * MIB;
        assert_eq!(plan_by_default(&segments), Some(vec![0]));
    }

    #[test]
    fn segments_of_a_size_are_merged_and_a_large_one_beside_them_is_left_alone() {
        let mut segments = vec![segment(100, 0)];
        segments.extend([segment(1, 0); 8]);
        assert_eq!(plan_by_default(&segments), Some((1..9).collect()));
    }

    #[test]
    fn no_merge_makes_a_segment_larger_than_the_cap() {
        // Any two fit, any three do not.
        assert_eq!(plan_by_default(&[segment(127, 0); 9]).map(|run| run.len()), Some(2));
        // Full ones do not count, and only their dead rows have them written anew, alone.
        assert_eq!(plan_by_default(&[segment(128, 0); 20]), None);
        let mut full = vec![segment(256, 0), segment(300, 100), segment(400, 30)];
        assert_eq!(plan_by_default(&full), Some(vec![1]));
        full.remove(1);
        full.push(segment(90, 0));
        full[1].dead = 65;
        full[0].dead = 10;
        assert_eq!(plan_by_default(&full), Some(vec![1]));
    }

    #[test]
    fn all_at_once_is_what_one_after_another_comes_to() {
        let settings = MergePolicy { small_bytes: 0, segments_max: 3, ..MergePolicy::default() };
        let segments = [
            segment(100, 60),
            segment(90, 55),
            segment(10, 50),
            segment(1, 0),
            segment(1, 0),
            segment(1, 0),
            segment(1, 0),
        ];
        let sets = plan_all(&segments, &settings);
        assert!(sets.len() > 1 || sets[0].len() > 3, "{sets:?}");
        let mut after: Vec<SegmentStat> = Vec::new();
        for set in &sets {
            let size = set.iter().map(|at| segments[*at].live_bytes()).sum();
            after.push(SegmentStat { size, rows: 100, dead: 0 });
        }
        after.extend((0..segments.len()).filter(|at| !sets.concat().contains(at)).map(|at| segments[at]));
        assert_eq!(plan(&after, &settings), None, "{sets:?}");
        assert_eq!(plan_all(&segments[3..5], &settings), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn settings_at_their_ends_still_come_to_an_end() {
        let none = MergePolicy {
            segments_max: 0,
            live_min: 1.0,
            small_bytes: 0,
            segment_bytes_max: 0,
            ..MergePolicy::default()
        };
        assert_eq!(plan(&[segment(1, 0)], &none), None);
        assert_eq!(plan(&[segment(1, 1), segment(9, 0)], &none), Some(vec![0]));
        let one = MergePolicy { segments_max: 1, ..MergePolicy::default() };
        assert_eq!(plan(&[segment(1, 0), segment(9, 0)], &one), Some(vec![0, 1]));
        assert_eq!(plan(&[SegmentStat { size: 64, rows: 0, dead: 0 }; 2], &one), Some(vec![0, 1]));
        assert_eq!(plan(&[segment(1, 0), segment(9, 0)], &none), None);
    }
}
