//! Grows a graph from that of a segment that was merged.

use std::num::NonZeroUsize;

use crate::Points;
use crate::build::Draft;
use crate::graph::{Graph, NONE};
use crate::insert::{Inserter, write};
use crate::number::row;
use crate::search::Bottom;
use crate::spread::Workers;

/// A graph to grow from.
#[derive(Clone, Debug)]
pub struct Seed<'a> {
    /// The graph.
    pub graph: Graph<'a>,
    /// For each of its rows, where its vector went: the row in the new segment, or `None` if it is not there.
    pub rows: &'a [Option<u32>],
    /// First bytes of the id of its segment.
    pub tag: [u8; 16],
}

/// Takes the links of the rows that are still there, heals around those that are not, and returns the ranks that are missing.
pub(crate) fn plant<P: Points>(
    draft: &mut Draft<'_>,
    points: &P,
    seed: &Seed<'_>,
    threads: NonZeroUsize,
    workers: &Workers<Inserter<P>>,
) -> Vec<u32> {
    let mut rank_of = vec![u32::MAX; draft.shape.rows as usize];
    for (rank, row_) in draft.order.rows().iter().enumerate() {
        rank_of[*row_ as usize] = row(rank);
    }
    let mut is_planted = vec![false; draft.order.rows().len()];
    let has_rank = |row: &u32| rank_of.get(*row as usize).is_some_and(|rank| *rank != u32::MAX);
    let moved = |old: u32| seed.rows.get(old as usize).copied().flatten().filter(has_rank);
    let rows = 0..row(seed.rows.len());
    let kept: Vec<(u32, u32)> = rows.filter_map(|old| Some((old, moved(old)?))).collect();
    for (_, new) in &kept {
        is_planted[rank_of[*new as usize] as usize] = true;
    }

    let mut wounds = Vec::new();
    for (old, new) in &kept {
        let links =
            || seed.graph.links(*old).iter().take_while(|link| **link != NONE).map(|link| u32::from_le_bytes(*link));
        // A graph that came from elsewhere may link to anything.
        let mut here: Vec<u32> = Vec::new();
        for link in links().filter_map(moved) {
            if link != *new && !here.contains(&link) {
                here.push(link);
            }
        }
        here.truncate(draft.shape.m0);
        write(draft.slots(0, *new), &here);
        let lost: Vec<u32> = links().filter(|link| moved(*link).is_none()).collect();
        if !lost.is_empty() {
            // Rows beyond a lost one take its place.
            let beyond = lost.iter().flat_map(|lost| seed.graph.links(*lost)).map(|link| u32::from_le_bytes(*link));
            let mut beyond: Vec<u32> =
                beyond.filter_map(moved).filter(|row| row != new && !here.contains(row)).collect();
            beyond.sort_unstable();
            beyond.dedup();
            wounds.push((*new, lost.len(), beyond));
        }
    }
    {
        let graph = draft.graph();
        let healed = workers.map(
            threads,
            &wounds,
            || Inserter::new(points),
            |inserter, (node, lost, beyond)| {
                let mut links = Vec::new();
                inserter.heal(points, &Bottom(&graph), (*node, *lost), beyond, &mut links);
                links
            },
        );
        for ((node, ..), links) in wounds.iter().zip(healed) {
            write(draft.slots(0, *node), &links);
        }
    }
    plant_upper(draft, seed, &rank_of);
    let missing: Vec<u32> = (0..row(is_planted.len())).filter(|rank| !is_planted[*rank as usize]).collect();
    draft.entry = (0..row(is_planted.len())).find(|rank| is_planted[*rank as usize]).unwrap_or_default();
    missing
}

/// Takes the links of the upper levels. A row that is on more of them now has none there until others link to it.
fn plant_upper(draft: &mut Draft<'_>, seed: &Seed<'_>, rank_of: &[u32]) {
    let old_upper = seed.graph.shape().counts().first().copied().unwrap_or_default();
    let new_rank = |old_rank: u32| {
        let new = seed.rows.get(seed.graph.row_of(old_rank)? as usize).copied().flatten()?;
        rank_of.get(new as usize).copied().filter(|rank| *rank != u32::MAX)
    };
    let map: Vec<Option<u32>> = (0..old_upper).map(new_rank).collect();
    let at = |old: u32| map.get(old as usize).copied().flatten();
    for level in 1..=draft.shape.counts().len().min(seed.graph.shape().counts().len()) {
        let count = draft.shape.counts()[level - 1];
        for old in 0..seed.graph.shape().counts()[level - 1] {
            let Some(new) = at(old).filter(|rank| *rank < count) else { continue };
            let links = seed.graph.upper_links(level, old).iter().take_while(|link| **link != NONE);
            let links = links.filter_map(|link| at(u32::from_le_bytes(*link))).filter(|rank| *rank < count);
            let mut here: Vec<u32> = Vec::new();
            for link in links {
                if link != new && !here.contains(&link) {
                    here.push(link);
                }
            }
            here.truncate(draft.shape.m);
            write(draft.slots(level, new), &here);
        }
    }
}
