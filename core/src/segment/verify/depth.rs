//! Nesting depth of objects: by the schema if it bounds it, else by the longest path through them.
//!
//! As readers count: a list is a level, each struct is one, texts and data are none.

use crate::segment::copy_plan::{Scope, StructPlan, Target};

/// Levels that one object adds.
pub(super) fn levels(target: &Target) -> u32 {
    match target {
        Target::Text | Target::Data => 0,
        Target::Scalars(_) | Target::Pointers(_) | Target::Struct(_) => 1,
        Target::Structs(_) => 2,
    }
}

/// Levels below each struct type; `None` if it contains itself, or one that does.
pub(super) struct Depths {
    below: Vec<Option<u32>>,
}

impl Depths {
    /// Computes the depths of all struct types, beginning with those that hold no others.
    pub(super) fn new(structs: &[StructPlan]) -> Self {
        let mut deepest = vec![0_u32; structs.len()];
        // Who holds a type, and with how many levels in between; how many types of each are not known yet.
        let mut holders: Vec<Vec<(usize, u32)>> = vec![Vec::new(); structs.len()];
        let mut unknown = vec![0_u32; structs.len()];
        for (index, ty) in structs.iter().enumerate() {
            for_each_target(&ty.scope, &mut |target| {
                let (above, held) = reach(target);
                match held {
                    None => deepest[index] = deepest[index].max(above),
                    Some(held) => {
                        holders[held].push((index, above));
                        unknown[index] += 1;
                    }
                }
            });
        }
        let mut below = vec![None; structs.len()];
        let mut ready: Vec<usize> = (0..structs.len()).filter(|index| unknown[*index] == 0).collect();
        while let Some(index) = ready.pop() {
            below[index] = Some(deepest[index]);
            for (holder, above) in &holders[index] {
                deepest[*holder] = deepest[*holder].max(deepest[index].saturating_add(*above));
                unknown[*holder] -= 1;
                if unknown[*holder] == 0 {
                    ready.push(*holder);
                }
            }
        }
        Self { below }
    }

    /// Levels on the longest path from an object of a kind, itself included; `None` if a type contains itself.
    pub(super) fn of(&self, target: &Target) -> Option<u32> {
        match reach(target) {
            (above, None) => Some(above),
            (above, Some(held)) => Some(above.saturating_add((*self.below.get(held)?)?)),
        }
    }
}

/// Returns the levels of an object and of the lists in it, and the struct type that these end in.
fn reach(target: &Target) -> (u32, Option<usize>) {
    match target {
        Target::Text | Target::Data | Target::Scalars(_) => (levels(target), None),
        // Lists nest 32 deep at most.
        Target::Pointers(element) => {
            let (above, held) = reach(element);
            (levels(target) + above, held)
        }
        Target::Structs(index) | Target::Struct(index) => (levels(target), Some(*index)),
    }
}

fn for_each_target(scope: &Scope, see: &mut impl FnMut(&Target)) {
    for pointer in &scope.pointers {
        see(&pointer.target);
    }
    // Groups nest 64 deep at most.
    for member in scope.unions.iter().flat_map(|union| &union.members) {
        for_each_target(member, see);
    }
}

/// Returns a node that lies deeper than `max` levels or on a cycle, if there is one. `levels`: those that each node
/// adds. `edges` are in the order of their first node.
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
