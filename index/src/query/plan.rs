//! Decides, for each segment, which rows are looked at and what is asked of them.
//!
//! Each index that answers conditions says how many rows it would give, exactly. The cheapest way is taken: a scan, one index,
//! several whose rows are intersected (`and`), or one for each alternative (`or`). What indexes answer is asked no more. So plans
//! differ from segment to segment.

use std::ops::Range;
use std::sync::Arc;

use kapok_core::Result;
use kapok_core::segment::LiveSegment;
use kapok_core::view::Table;
use roaring::RoaringBitmap;

use super::access::{Access, Answer};
use super::check::{Check, Ready};
use super::mask::{BLOCK_ROWS, Mask};
use super::tree::{Leaf, Tree};
use crate::kind::OpenIndex;
use crate::view::TableIndexes;

/// Ways to the rows of conditions joined by `and` that are joined in turn, at most.
const WAYS_MAX: usize = 16;

/// Indexes that may be asked, with their artifacts.
pub(super) type Indexes<'v> = (Arc<[Access<'v>]>, &'v TableIndexes);

/// What is done in one segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentPlan<'v> {
    pub candidates: Candidates,
    /// What candidates must satisfy.
    pub conditions: Arc<Ready<'v>>,
    /// What finding the rows costs, in parts of what a column of numbers costs for one.
    pub cost: u64,
}

/// Rows of a segment that may satisfy the expression; dead ones are left out when they are read.
#[derive(Clone, Debug)]
pub(super) enum Candidates {
    All,
    /// Those that indexes give, by their names.
    Rows(Arc<str>, RoaringBitmap),
}

/// Makes the plans of all segments.
///
/// # Errors
/// `Corrupt` if an index, or a row that confirms what it says, is not as it must be.
pub(super) fn plan<'v>(
    table: &'v Table,
    indexes: Option<&Indexes<'v>>,
    expression: &Arc<Ready<'v>>,
) -> Result<Vec<SegmentPlan<'v>>> {
    searches(table, indexes).map(|search| search.plan(expression)).collect()
}

/// Returns what finding the rows of all segments costs, without finding them.
///
/// # Errors
/// As [`plan`].
pub(super) fn plan_cost<'v>(table: &'v Table, indexes: Option<&Indexes<'v>>, expression: &Ready<'v>) -> Result<u64> {
    let cost = |search: Search<'v, '_>| {
        let way = search.cheapest(expression)?.map(|way| way.outlook.total(conjuncts(expression)));
        Ok(way.unwrap_or(u64::MAX).min(search.scan_cost(expression)))
    };
    searches(table, indexes).map(cost).try_fold(0, |sum: u64, cost: Result<u64>| Ok(sum.saturating_add(cost?)))
}

fn searches<'v, 'a>(
    table: &'v Table,
    indexes: Option<&'a Indexes<'v>>,
) -> impl Iterator<Item = Search<'v, 'a>> + use<'v, 'a> {
    table.segments().iter().enumerate().map(move |(place, source)| {
        let opened = |(_, indexes): &Indexes<'v>| indexes.opened.get(place).map_or(&[][..], Vec::as_slice);
        Search {
            source,
            accesses: indexes.map_or(&[][..], |(accesses, _)| accesses),
            opened: indexes.map_or(&[][..], opened),
        }
    })
}

/// Returns the conditions that must all hold.
pub(super) fn conjuncts<'e, 'v>(expression: &'e Ready<'v>) -> &'e [Ready<'v>] {
    if let Tree::And(all) = expression { all } else { std::slice::from_ref(expression) }
}

/// The search for the cheapest way to the rows of one segment.
struct Search<'v, 'a> {
    source: &'v LiveSegment,
    accesses: &'a [Access<'v>],
    opened: &'v [Option<OpenIndex>],
}

/// A way to rows.
struct Way<'v> {
    from: From<'v>,
    outlook: Outlook,
}

enum From<'v> {
    Index(Answer<'v>),
    All(Vec<Way<'v>>),
    Any(Vec<Way<'v>>),
}

/// What a way promises.
struct Outlook {
    /// Rows that it gives: exactly for one index, an estimate for several.
    count: u64,
    /// What finding them costs.
    cost: u64,
    /// Of the conditions that are joined by `and`, those that all the rows satisfy.
    answered: Vec<usize>,
}

impl<'v> Search<'v, '_> {
    fn plan(&self, expression: &Arc<Ready<'v>>) -> Result<SegmentPlan<'v>> {
        let scan = self.scan_cost(expression);
        Ok(match self.cheapest(expression)? {
            Some(way) if way.outlook.total(conjuncts(expression)) < scan => SegmentPlan {
                candidates: Candidates::Rows(way.name(false).into(), way.rows()?),
                conditions: Arc::new(way.outlook.rest(conjuncts(expression))),
                cost: way.outlook.total(conjuncts(expression)),
            },
            _ => SegmentPlan { candidates: Candidates::All, conditions: Arc::clone(expression), cost: scan },
        })
    }

    fn scan_cost(&self, expression: &Ready<'v>) -> u64 {
        u64::from(self.source.segment().rows()).saturating_mul(cost(expression))
    }

    /// Returns the cheapest way by indexes; `None` if no index answers anything.
    fn cheapest(&self, expression: &Ready<'v>) -> Result<Option<Way<'v>>> {
        let all = conjuncts(expression);
        let mut ways = Vec::new();
        for access in self.accesses {
            ways.extend(access.ask(all, self.source, self.opened)?.map(Way::of));
        }
        for (at, one) in all.iter().enumerate() {
            if let Tree::Or(alternatives) = one {
                ways.extend(self.any(alternatives, at)?);
            }
        }
        ways.sort_by_key(|way| way.outlook.total(all));
        ways.truncate(WAYS_MAX);
        let rows = u64::from(self.source.segment().rows()).max(1);
        let mut best: Option<Way<'v>> = None;
        while let Some((total, at)) = (ways.iter().enumerate())
            .map(|(at, way)| {
                (
                    best.as_ref().map_or_else(
                        || way.outlook.total(all),
                        |best| best.outlook.with(&way.outlook, rows).total(all),
                    ),
                    at,
                )
            })
            .min()
        {
            let way = ways.swap_remove(at);
            best = Some(match best {
                None => way,
                Some(best) if total < best.outlook.total(all) => {
                    let outlook = best.outlook.with(&way.outlook, rows);
                    Way { from: From::All(vec![best, way]), outlook }
                }
                best => return Ok(best),
            });
        }
        Ok(best)
    }

    /// Returns the way to the rows of any of some alternatives, which are one of the conditions joined by `and`; `None` if one of
    /// them is answered by no index.
    fn any(&self, alternatives: &[Ready<'v>], at: usize) -> Result<Option<Way<'v>>> {
        let (mut ways, mut outlook) = (Vec::new(), Outlook { count: 0, cost: 0, answered: vec![at] });
        for alternative in alternatives {
            let Some(way) = self.cheapest(alternative)? else { return Ok(None) };
            if way.outlook.answered.len() < conjuncts(alternative).len() {
                outlook.answered.clear();
            }
            outlook.count = outlook.count.saturating_add(way.outlook.count);
            outlook.cost = outlook.cost.saturating_add(way.outlook.cost);
            ways.push(way);
        }
        Ok(Some(Way { from: From::Any(ways), outlook }))
    }
}

impl<'v> Way<'v> {
    fn of(mut answer: Answer<'v>) -> Self {
        let answered = std::mem::take(&mut answer.answered);
        let outlook = Outlook { count: answer.count, cost: answer.cost(), answered };
        Self { from: From::Index(answer), outlook }
    }

    /// Returns the indexes' names. `is_part`: within those of a way that is all of several.
    fn name(&self, is_part: bool) -> String {
        let join = |ways: &[Self], word: &str, is_part| {
            ways.iter().map(|way| way.name(is_part)).collect::<Vec<_>>().join(word)
        };
        match &self.from {
            From::Index(answer) => answer.index.name().to_owned(),
            From::All(ways) => join(ways, " and ", true),
            From::Any(ways) if is_part => format!("({})", join(ways, " or ", false)),
            From::Any(ways) => join(ways, " or ", false),
        }
    }

    /// Returns the rows, dead ones included.
    fn rows(&self) -> Result<RoaringBitmap> {
        let mut out = RoaringBitmap::new();
        match &self.from {
            From::Index(answer) => out = answer.rows()?,
            From::All(ways) => {
                for (at, way) in ways.iter().enumerate() {
                    if at == 0 {
                        out = way.rows()?;
                    } else if !out.is_empty() {
                        out &= way.rows()?;
                    }
                }
            }
            From::Any(ways) => {
                for way in ways {
                    out |= way.rows()?;
                }
            }
        }
        Ok(out)
    }
}

impl Outlook {
    /// Returns what the rows must satisfy besides.
    fn rest<'v>(&self, all: &[Ready<'v>]) -> Ready<'v> {
        let others = all.iter().enumerate().filter(|(at, _)| !self.answered.contains(at));
        let mut others: Vec<Ready<'v>> = others.map(|(_, one)| one.clone()).collect();
        match others.len() {
            0 => Tree::Constant(true),
            1 => others.remove(0),
            _ => Tree::And(others),
        }
    }

    /// Returns what finding the rows and evaluating the rest costs.
    fn total(&self, all: &[Ready<'_>]) -> u64 {
        let others = all.iter().enumerate().filter(|(at, _)| !self.answered.contains(at));
        let rest = others.map(|(_, one)| cost(one)).fold(0, u64::saturating_add);
        self.cost.saturating_add(self.count.saturating_mul(rest))
    }

    /// Returns that of the rows that two ways have in common, among so many: as if the one told nothing of the other.
    fn with(&self, other: &Self, rows: u64) -> Self {
        let mut answered = self.answered.clone();
        answered.extend(other.answered.iter().filter(|at| !self.answered.contains(at)));
        let count = u128::from(self.count) * u128::from(other.count) / u128::from(rows);
        Self { count: u64::try_from(count).unwrap_or(u64::MAX), cost: self.cost.saturating_add(other.cost), answered }
    }
}

fn cost(expression: &Ready<'_>) -> u64 {
    expression.cost(&|leaf: &Leaf<Check<'_>>| leaf.what.cost()).into()
}

impl Candidates {
    /// Returns the live candidates of a block, which begins at `first`.
    pub fn block(&self, source: &LiveSegment, first: u32) -> Mask {
        let rows = source.segment().rows().saturating_sub(first).min(BLOCK_ROWS);
        let block: Range<u32> = first..first + rows;
        let mut mask = match self {
            Self::All => Mask::first(rows),
            Self::Rows(_, candidates) => {
                let mut mask = Mask::EMPTY;
                candidates.range(block.clone()).for_each(|row| mask.insert(row - first));
                mask
            }
        };
        if let Some(dead) = source.dead() {
            dead.range(block).for_each(|row| mask.remove(row - first));
        }
        mask
    }

    /// Returns whether a row is a candidate, if it lives.
    pub fn contains(&self, row: u32) -> bool {
        match self {
            Self::All => true,
            Self::Rows(_, candidates) => candidates.contains(row),
        }
    }

    /// Returns how many there are of a segment, dead ones included.
    pub fn count(&self, source: &LiveSegment) -> u64 {
        match self {
            Self::All => source.segment().rows().into(),
            Self::Rows(_, candidates) => candidates.len(),
        }
    }

    /// Returns the first row from one on that may be a candidate.
    pub fn next_from(&self, row: u32) -> Option<u32> {
        match self {
            Self::All => Some(row),
            Self::Rows(_, candidates) => candidates.range(row..).next(),
        }
    }
}
