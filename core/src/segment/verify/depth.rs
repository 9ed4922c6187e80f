//! How deep are objects nested? By the schema where it tells, else by the longest path through them.
//!
//! As readers count: a list is a level, each struct is one, texts and data are none.

use std::collections::HashMap;

use crate::segment::plan::{Scope, StructPlan, Target};

/// Levels on the longest path from an object of a kind, itself included; `None` where a type contains itself.
pub(super) fn depth_of(target: &Target, structs: &[StructPlan]) -> Option<u32> {
    Depths { structs, known: HashMap::new() }.target(target)
}

/// Levels that one object adds.
pub(super) fn levels(target: &Target) -> u32 {
    match target {
        Target::Text | Target::Data => 0,
        Target::Scalars(_) | Target::Pointers(_) | Target::Struct(_) => 1,
        Target::Structs(_) => 2,
    }
}

struct Depths<'p> {
    structs: &'p [StructPlan],
    /// Levels below a struct type; `None`: being computed, or endless.
    known: HashMap<usize, Option<u32>>,
}

impl Depths<'_> {
    fn target(&mut self, target: &Target) -> Option<u32> {
        match target {
            Target::Text | Target::Data | Target::Scalars(_) => Some(levels(target)),
            Target::Pointers(element) => Some(levels(target) + self.target(element)?),
            Target::Structs(index) | Target::Struct(index) => {
                if let Some(known) = self.known.get(index) {
                    return known.map(|below| levels(target) + below);
                }
                self.known.insert(*index, None);
                let below = self.scope(&self.structs.get(*index)?.scope)?;
                self.known.insert(*index, Some(below));
                Some(levels(target) + below)
            }
        }
    }

    fn scope(&mut self, scope: &Scope) -> Option<u32> {
        let mut deepest = 0;
        for pointer in &scope.pointers {
            deepest = deepest.max(self.target(&pointer.target)?);
        }
        for member in scope.unions.iter().flat_map(|union| &union.members) {
            deepest = deepest.max(self.scope(member)?);
        }
        Some(deepest)
    }
}

/// A node that lies deeper than `max` levels or on a cycle, if there is one. `levels`: those that each node adds. `edges`
/// are in the order of their first node.
pub(super) fn too_deep(levels: &[u32], edges: &[(u32, u32)], max: u32) -> Option<u32> {
    let mut open_edges = vec![0_u32; levels.len()];
    for (_, to) in edges {
        open_edges[*to as usize] += 1;
    }
    let mut depth = levels.to_vec();
    let mut ready: Vec<u32> = (0..).zip(&open_edges).filter(|(_, open)| **open == 0).map(|(node, _)| node).collect();
    while let Some(node) = ready.pop() {
        if depth[node as usize] > max {
            return Some(node);
        }
        let first = edges.partition_point(|(from, _)| *from < node);
        for (_, to) in edges[first..].iter().take_while(|(from, _)| *from == node) {
            let to_index = *to as usize;
            depth[to_index] = depth[to_index].max(depth[node as usize] + levels[to_index]);
            open_edges[to_index] -= 1;
            if open_edges[to_index] == 0 {
                ready.push(*to);
            }
        }
    }
    (0..).zip(&open_edges).find(|(_, open)| **open > 0).map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::too_deep;

    #[test]
    fn the_longest_path_counts_and_a_cycle_is_endless() {
        let diamond = [(0, 1), (0, 3), (1, 2), (2, 3)];
        assert_eq!(too_deep(&[1; 4], &diamond, 4), None);
        assert_eq!(too_deep(&[1; 4], &diamond, 3), Some(3));
        assert_eq!(too_deep(&[1, 2, 1, 1], &diamond, 4), Some(3));
        assert_eq!(too_deep(&[1, 1, 1, 0], &diamond, 3), None);
        assert!(too_deep(&[1; 3], &[(0, 1), (1, 2), (2, 1)], 64).is_some());
        assert_eq!(too_deep(&[1], &[(0, 0)], 64), Some(0));
        assert_eq!(too_deep(&[], &[], 1), None);
    }
}
