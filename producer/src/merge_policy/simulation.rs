//! Merges keep segments few and mostly alive; what that costs over a thousand cycles.
//!
//! Records are keys, segments are counts: a row knows the segment that it is in, and merging renames segments, so
//! nothing is copied and a history of a million changes takes milliseconds. `cargo test -p kapok-producer simulation --
//! --nocapture` prints the table.

#![allow(clippy::disallowed_macros, reason = "tests may print")]

use super::{MergePolicy, SegmentStat, plan};

const RECORDS: usize = 100_000;
const CYCLES: usize = 1_000;
const ROW_BYTES: u64 = 300;

/// Records that a cycle changes, adds and removes.
#[derive(Clone, Copy, Default)]
struct Churn {
    changed: usize,
    added: usize,
    removed: usize,
    /// The changed ones are always the same.
    is_hot: bool,
}

/// What came of a history.
struct Outcome {
    live_share_min: f64,
    segments_max: usize,
    /// Each over the bytes of records changed, added and removed.
    written: f64,
    downloaded: f64,
    downloaded_local: f64,
    /// Mean time of a search in graphs, over that in one graph of all rows.
    search: f64,
}

struct Dataset {
    segments: Vec<(usize, SegmentStat)>,
    /// What became of a segment: itself, or the one that it was merged into.
    merged_into: Vec<usize>,
    /// The segment that each key was written to last.
    segment_of: Vec<usize>,
    present: Vec<usize>,
    absent: Vec<usize>,
    random: u64,
}

impl Dataset {
    fn new(seed: u64) -> Self {
        let mut dataset = Self {
            segments: Vec::new(),
            merged_into: Vec::new(),
            segment_of: vec![0; RECORDS],
            present: (0..RECORDS).collect(),
            absent: Vec::new(),
            random: seed,
        };
        dataset.add_segment(u32::try_from(RECORDS).expect("few"));
        dataset
    }

    fn add_segment(&mut self, rows: u32) -> usize {
        let id = self.merged_into.len();
        self.merged_into.push(id);
        if rows > 0 {
            self.segments.push((id, SegmentStat { size: u64::from(rows) * ROW_BYTES, rows, dead: 0 }));
        }
        id
    }

    /// Where a segment's rows are now.
    fn current(&mut self, mut id: usize) -> usize {
        while self.merged_into[id] != id {
            self.merged_into[id] = self.merged_into[self.merged_into[id]];
            id = self.merged_into[id];
        }
        id
    }

    /// A number below `bound`, by `SplitMix64`.
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from((u128::from(mixed) * bound as u128) >> 64).expect("below a usize")
    }

    /// A cycle; returns the rows of the fresh segment.
    fn publish(&mut self, churn: Churn) -> u32 {
        let touched = churn.changed + churn.removed;
        let rows = u32::try_from(churn.changed + churn.added).expect("few");
        let mut dead = vec![0; self.merged_into.len()];
        let fresh = self.add_segment(rows);
        for at in 0..touched {
            if !churn.is_hot {
                let other = at + self.below(self.present.len() - at);
                self.present.swap(at, other);
            }
            let key = self.present[at];
            let old = self.current(self.segment_of[key]);
            dead[old] += 1;
            self.segment_of[key] = fresh;
        }
        for at in (churn.changed..touched).rev() {
            let key = self.present.swap_remove(at);
            self.absent.push(key);
        }
        for _ in 0..churn.added {
            let key = self.absent.pop().unwrap_or(self.segment_of.len());
            self.segment_of.resize(self.segment_of.len().max(key + 1), fresh);
            self.segment_of[key] = fresh;
            self.present.push(key);
        }
        for (id, segment) in &mut self.segments {
            segment.dead += dead.get(*id).copied().unwrap_or(0);
        }
        self.segments.retain(|(_, segment)| segment.dead < segment.rows);
        rows
    }

    /// Merges until there is nothing left to merge; returns the rows written.
    fn merge(&mut self, settings: &MergePolicy) -> u64 {
        let mut written = 0;
        loop {
            let stats: Vec<SegmentStat> = self.segments.iter().map(|(_, segment)| *segment).collect();
            let Some(chosen) = plan(&stats, settings) else { return written };
            assert!(chosen.is_sorted_by(|a, b| a < b), "{chosen:?}");
            let rows = chosen.iter().map(|&at| stats[at].rows - stats[at].dead).sum();
            let is_within_cap = u64::from(rows) * ROW_BYTES <= settings.segment_bytes_max;
            assert!(is_within_cap || chosen.len() == 1, "{rows} rows merged of {chosen:?}");
            let merged = self.add_segment(rows);
            for at in chosen.into_iter().rev() {
                let (id, _) = self.segments.remove(at);
                self.merged_into[id] = merged;
            }
            written += u64::from(rows);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, for people")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Time of a search in the graphs of segments, over that in one graph of all rows: a walk grows with the logarithm of the rows.
fn search_cost<'s>(segments: impl Iterator<Item = &'s SegmentStat>, live: u64) -> f64 {
    let cost = |rows: u64| f64::from(u32::try_from(rows).expect("few")).max(2.0).log2();
    segments.map(|segment| cost(u64::from(segment.rows)) / cost(live)).sum()
}

fn simulate(seed: u64, settings: &MergePolicy, history: impl Fn(usize) -> Churn) -> Outcome {
    let mut dataset = Dataset::new(seed);
    let (mut changed, mut fresh, mut merged, mut downloaded) = (0, 0, 0, 0);
    let mut outcome = Outcome {
        live_share_min: 1.0,
        segments_max: 0,
        written: 0.0,
        downloaded: 0.0,
        downloaded_local: 0.0,
        search: 0.0,
    };
    for cycle in 0..CYCLES {
        let churn = history(cycle);
        let first_new = dataset.merged_into.len();
        changed += u64::try_from(churn.changed + churn.added + churn.removed).expect("few");
        fresh += u64::from(dataset.publish(churn));
        merged += dataset.merge(settings);

        let segments = || dataset.segments.iter().map(|(_, segment)| segment);
        let live: u64 = dataset.present.len().try_into().expect("few");
        let rows: u64 = segments().map(|segment| u64::from(segment.rows)).sum();
        assert_eq!(
            segments().map(|segment| u64::from(segment.rows - segment.dead)).sum::<u64>(),
            live,
            "rows were lost"
        );
        downloaded += dataset
            .segments
            .iter()
            .filter(|(id, _)| *id >= first_new)
            .map(|(_, segment)| u64::from(segment.rows))
            .sum::<u64>();
        outcome.live_share_min = outcome.live_share_min.min(share(live, rows));
        let open = segments().filter(|segment| segment.live_bytes() < settings.segment_bytes_max / 2).count();
        outcome.segments_max = outcome.segments_max.max(open);
        outcome.search += search_cost(segments(), live) / f64::from(u32::try_from(CYCLES).expect("few"));
    }
    outcome.written = share(fresh + merged, changed);
    outcome.downloaded = share(downloaded, changed);
    outcome.downloaded_local = share(fresh, changed);
    outcome
}

type History = fn(usize) -> Churn;

/// Each with the write amplification that it must not exceed.
const HISTORIES: [(&str, f64, History); 8] = [
    ("1 % changed", 4.5, |_| Churn { changed: 1_000, ..Churn::default() }),
    ("1 % added", 5.5, |_| Churn { added: 1_000, ..Churn::default() }),
    ("the same 1 % changed", 1.1, |_| Churn { changed: 1_000, is_hot: true, ..Churn::default() }),
    ("1 % changed, 0.5 % added, 0.5 % removed", 3.5, |_| Churn {
        changed: 1_000,
        added: 500,
        removed: 500,
        ..Churn::default()
    }),
    ("80 x 1 % removed, 80 x 1 % added, again", 2.5, |cycle| match cycle % 160 {
        0..80 => Churn { removed: 1_000, ..Churn::default() },
        _ => Churn { added: 1_000, ..Churn::default() },
    }),
    ("0.1 % changed", 6.0, |_| Churn { changed: 100, ..Churn::default() }),
    ("10 % changed", 3.5, |_| Churn { changed: 10_000, ..Churn::default() }),
    ("9 x 0.1 % changed and added, 1 x 10 %", 3.5, |cycle| match cycle % 10 {
        0 => Churn { changed: 10_000, ..Churn::default() },
        _ => Churn { changed: 100, added: 100, removed: 50, ..Churn::default() },
    }),
];

#[test]
fn segments_stay_few_and_alive_at_a_bounded_cost_over_a_thousand_cycles() {
    let settings = MergePolicy::default();
    println!("{:<41} written   downloaded   local       segments   live", "history of a cycle");
    for (name, written_max, history) in HISTORIES {
        for seed in [1, 2] {
            let it = simulate(seed, &settings, history);
            if seed == 1 {
                let live = 100.0 * it.live_share_min;
                println!(
                    "{name:<41} {:>7.2} {:>12.2} {:>11.2} {:>10} {live:>4.0} %",
                    it.written, it.downloaded, it.downloaded_local, it.segments_max
                );
            }
            assert!(it.segments_max <= 8, "{name}: {} segments", it.segments_max);
            assert!(it.live_share_min >= 0.7, "{name}: {} of the bytes are live", it.live_share_min);
            assert!(it.written <= written_max, "{name}: {} times the changed bytes were written", it.written);
            assert!(it.downloaded <= it.written && it.downloaded_local <= 1.0, "{name}");
        }
    }
}

#[test]
fn under_a_size_cap_no_merge_exceeds_it_and_the_bounds_hold_for_the_segments_below() {
    // The dataset starts as one segment of 30 MB, which is over the cap: it is only rewritten alone.
    let settings = MergePolicy { segment_bytes_max: 8 << 20, ..MergePolicy::default() };
    for (name, written_max, history) in HISTORIES {
        let it = simulate(3, &settings, history);
        assert!(it.segments_max <= 8, "{name}: {} segments below the cap", it.segments_max);
        assert!(it.live_share_min >= 0.7, "{name}: {} of the bytes are live", it.live_share_min);
        assert!(it.written <= written_max, "{name}: {} times the changed bytes were written", it.written);
    }
}

#[test]
fn types_with_vectors_keep_few_graphs_at_a_bounded_cost() {
    let histories: [(&str, Churn); 2] = [
        ("5 % changed", Churn { changed: 5_000, ..Churn::default() }),
        ("1 % changed", Churn { changed: 1_000, ..Churn::default() }),
    ];
    println!("{:<12} graphs   written   search", "history");
    for (name, churn) in histories {
        for segments_max in 1..=6 {
            let it = simulate(1, &MergePolicy { segments_max, ..MergePolicy::default() }, |_| churn);
            println!("{name:<12} {segments_max:>6} {:>9.2} {:>8.2}", it.written, it.search);
        }
    }
    let it = simulate(1, &MergePolicy::default().of_type(true), |_| histories[0].1);
    assert!(it.segments_max <= 2, "{} graphs", it.segments_max);
    assert!(it.search <= 2.0, "a search takes {} times as long", it.search);
    assert!(it.written <= 8.0, "{} times the changed bytes were written", it.written);
}
