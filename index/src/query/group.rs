//! Aggregates over the records of a query, as a whole or in groups.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use kapok_core::Result;
use kapok_core::segment::{LiveSegment, in_parallel_on};

use super::accumulator::Accumulator;
use super::aggregate::{Aggregate, Function};
use super::evaluate::Spending;
use super::expr::Path;
use super::join::Names;
use super::order::SortValue;
use super::parse;
use super::place::{Kind, Place, Scope};
use super::referrers::Referrers;
use super::referring::Referring;
use super::resolve::ScopeType;
use super::route::{Route, for_each_element};
use super::rows::Rows;
use super::scan::corrupt;
use super::tree::Tree;
use super::unreadable::Read;
use super::value::Value;

/// What the records of a group have in common, and their aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// A value for each path that was grouped by.
    pub key: Vec<Value>,
    /// A value for each aggregate.
    pub values: Vec<Value>,
}

/// Aggregates and paths, resolved.
struct Grouping<'v> {
    /// The list through whose elements records are grouped, if they are.
    list: Option<Place<'v>>,
    /// From the record, or from the element if it is plain and of the list.
    keys: Vec<GroupKey<'v>>,
    aggregates: Vec<BoundAggregate<'v>>,
}

struct GroupKey<'v> {
    place: Place<'v>,
    is_of_element: bool,
}

struct BoundAggregate<'v> {
    function: Function,
    values: Values<'v>,
    /// Whether the values are those of the element that groups.
    is_of_element: bool,
}

/// What an aggregate is about.
enum Values<'v> {
    /// The records themselves, which are counted.
    Records,
    Of(Route<'v>),
    /// Values of the records that refer to each; `None` for these records themselves.
    OfReferrers(Referring<'v>, Option<Route<'v>>),
}

type Key<'v> = Vec<SortValue<'v>>;

/// Groups that are being filled.
struct Groups<'v> {
    by_key: HashMap<Key<'v>, Vec<Accumulator<'v>>>,
    /// The key at hand, kept for its memory.
    key: Key<'v>,
}

impl<'v> Rows<'v> {
    /// Computes aggregates of all records, by as many [threads](Rows::threads) as are allowed.
    ///
    /// ```
    /// # use kapok_core::Result;
    /// # use kapok_index::View;
    /// use kapok_index::query::{Aggregate, Value};
    ///
    /// fn average_runtime(view: &View) -> Result<Value> {
    ///     let films = view.query("Movie", "year >= 1990")?;
    ///     Ok(films.aggregate(&[Aggregate::avg("runtimeMin")?])?.remove(0))
    /// }
    /// ```
    ///
    /// # Errors
    /// `Invalid` as [`Fault::Query`](kapok_core::Fault::Query) for fields that there are not, or whose type does not have
    /// the aggregate; `Corrupt` if the bytes are not as they must be.
    pub fn aggregate(&self, aggregates: &[Aggregate]) -> Result<Vec<Value>> {
        let groups = self.group_by::<&str>(&[], aggregates)?;
        let whole = groups.into_iter().next().map(|group| group.values);
        match whole {
            Some(values) => Ok(values),
            None => Grouping::bind(self, &[], aggregates)?.values(Vec::new()),
        }
    }

    /// Computes aggregates of the records of each group: those that have the same values in some fields. Groups are in
    /// the order of these values, null the last.
    ///
    /// A path through a list, as in `genres[]` or `items[].productId`, puts a record into a group for each different value
    /// that its elements have. Paths through the same list speak of the same element, those of aggregates too:
    /// `sum(items[].qty)` by `items[].productId` sums the quantities of each product. Aggregates that do not go through
    /// the list take a record once per group.
    ///
    /// # Errors
    /// As [`Rows::aggregate`], and `Invalid` if the paths go through different lists, or through lists in lists.
    pub fn group_by<P: AsRef<str>>(&self, paths: &[P], aggregates: &[Aggregate]) -> Result<Vec<Group>> {
        let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
        let grouping = Grouping::bind(self, &paths, aggregates)?;
        let groups = if self.limit.is_some() { self.group_limited(&grouping)? } else { self.group_all(&grouping)? };
        let mut sorted: Vec<_> = groups.by_key.into_iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        let group = |(key, accumulators): (Key<'v>, Vec<Accumulator<'v>>)| {
            let key = key.into_iter().zip(&grouping.keys).map(|(value, key)| value.value(key.place.kind));
            Ok(Group { key: key.collect::<Result<_>>()?, values: grouping.values(accumulators)? })
        };
        sorted.into_iter().map(group).collect()
    }

    /// Groups the records one by one.
    fn group_limited(&self, grouping: &Grouping<'v>) -> Result<Groups<'v>> {
        let (mut groups, spending) = (Groups { by_key: HashMap::new(), key: Vec::new() }, Spending::new());
        for row_id in self {
            let (place, row) = self.table.place(row_id?)?;
            grouping.add_row(&self.table.segments()[place], row, &spending, &mut groups)?;
        }
        Ok(groups)
    }

    /// Groups all records, some thousands at a time.
    fn group_all(&self, grouping: &Grouping<'v>) -> Result<Groups<'v>> {
        let parts = in_parallel_on(self.threads, self.tasks(), |scan| -> Result<Groups<'v>> {
            let (mut groups, spending, source) =
                (Groups { by_key: HashMap::new(), key: Vec::new() }, Spending::new(), scan.source());
            for row in scan {
                grouping.add_row(source, row?, &spending, &mut groups)?;
            }
            Ok(groups)
        });
        let mut all = Groups { by_key: HashMap::new(), key: Vec::new() };
        for part in parts {
            for (key, accumulators) in part?.by_key {
                match all.by_key.get_mut(&key) {
                    Some(known) => known.iter_mut().zip(accumulators).for_each(|(known, more)| known.merge(more)),
                    None => {
                        all.by_key.insert(key, accumulators);
                    }
                }
            }
        }
        Ok(all)
    }
}

impl<'v> Grouping<'v> {
    fn bind(rows: &Rows<'v>, paths: &[&str], aggregates: &[Aggregate]) -> Result<Self> {
        let (names, scope) = (rows.names, ScopeType::Record(rows.table));
        let (mut list, mut list_name, mut keys) = (None, None, Vec::new());
        for text in paths {
            let path = parse::path(text)?;
            let route = Route::bind(names, scope, &path)?;
            if !route.has_values() {
                let problem = format!("records are grouped by values, and {path} is {}", route.end.kind.describe());
                return Err(path.at.error(problem));
            }
            let Some((first, rest)) = route.split() else {
                keys.push(GroupKey { place: route.end, is_of_element: false });
                continue;
            };
            if !rest.is_plain() {
                return Err(path
                    .at
                    .error(format!("records are grouped through one list, not through lists in lists: {path}")));
            }
            if list_name.as_ref().is_some_and(|name| Some(name) != route.first_list.as_ref()) {
                return Err(path
                    .at
                    .error(format!("records are grouped through one list, and {path} goes through another")));
            }
            list_name.clone_from(&route.first_list);
            list.get_or_insert_with(|| first.clone());
            keys.push(GroupKey { place: rest.end, is_of_element: true });
        }
        let bound = aggregates.iter().map(|aggregate| {
            let (function, values) = (aggregate.function, Values::bind(names, scope, aggregate)?);
            Ok(match values {
                Values::Of(route) if list_name.is_some() && route.first_list == list_name => {
                    let rest = route.split().map_or(Values::Records, |(_, rest)| Values::Of(rest));
                    BoundAggregate { function, values: rest, is_of_element: true }
                }
                values => BoundAggregate { function, values, is_of_element: false },
            })
        });
        let aggregates = bound.collect::<Result<_>>()?;
        Ok(Self { list, keys, aggregates })
    }

    fn new_accumulators(&self) -> Vec<Accumulator<'v>> {
        self.aggregates.iter().map(|one| Accumulator::new(one.function, one.kind())).collect()
    }

    /// Returns the answers; those of no records if there are no accumulators.
    fn values(&self, accumulators: Vec<Accumulator<'v>>) -> Result<Vec<Value>> {
        let accumulators = if accumulators.is_empty() { self.new_accumulators() } else { accumulators };
        accumulators.into_iter().zip(&self.aggregates).map(|(one, aggregate)| one.value(aggregate.kind())).collect()
    }

    fn add_row(&self, source: &'v LiveSegment, row: u32, spending: &Spending, groups: &mut Groups<'v>) -> Result<()> {
        let Some(at) = source.segment().row(row) else { return Ok(()) };
        spending.renew();
        let added = match &self.list {
            None => self.add(Scope::Struct(at), None, false, spending, groups),
            Some(list) => {
                let (record, mut seen) = (Scope::Struct(at), HashSet::new());
                for_each_element(list, record, spending, |element| {
                    let mut key = Key::new();
                    self.read_key(record, Some(element), &mut key)?;
                    let is_new = seen.insert(key);
                    self.add(record, Some(element), !is_new, spending, groups)
                })
            }
        };
        added.map_err(|malformed| corrupt(source, malformed))
    }

    fn read_key(&self, record: Scope<'v>, element: Option<Scope<'v>>, out: &mut Key<'v>) -> Read<()> {
        out.clear();
        for key in &self.keys {
            out.push(key.place.sort_value(element.filter(|_| key.is_of_element).unwrap_or(record))?);
        }
        Ok(())
    }

    /// Adds a record to its group, or one element of it. `is_known`: the record is in this group already.
    fn add(
        &self,
        record: Scope<'v>,
        element: Option<Scope<'v>>,
        is_known: bool,
        spending: &Spending,
        groups: &mut Groups<'v>,
    ) -> Read<()> {
        self.read_key(record, element, &mut groups.key)?;
        let accumulators = match groups.by_key.get_mut(groups.key.as_slice()) {
            Some(known) => known,
            None => groups.by_key.entry(groups.key.clone()).or_insert_with(|| self.new_accumulators()),
        };
        for (aggregate, accumulator) in self.aggregates.iter().zip(accumulators) {
            let scope = match element {
                Some(element) if aggregate.is_of_element => element,
                _ if is_known => continue,
                _ => record,
            };
            match &aggregate.values {
                Values::Records => accumulator.add(SortValue::Number(0)),
                Values::Of(route) => route.for_each(scope, spending, &mut |value| accumulator.add(value))?,
                Values::OfReferrers(referring, route) => {
                    let spending = Spending::new();
                    referring.for_each(scope, &mut |_, scope| {
                        spending.renew();
                        match route {
                            None => accumulator.add(SortValue::Number(0)),
                            Some(route) => route.for_each(scope, &spending, &mut |value| accumulator.add(value))?,
                        }
                        Ok(())
                    })?;
                }
            }
        }
        Ok(())
    }
}

impl<'v> BoundAggregate<'v> {
    /// Returns what the values are.
    fn kind(&self) -> Kind<'v> {
        match &self.values {
            Values::Of(route) | Values::OfReferrers(_, Some(route)) => route.end.kind,
            Values::Records | Values::OfReferrers(_, None) => Kind::Void,
        }
    }
}

impl<'v> Values<'v> {
    fn bind(names: Names<'v>, scope: ScopeType<'v>, aggregate: &Aggregate) -> Result<Self> {
        let Some(path) = &aggregate.path else { return Ok(Self::Records) };
        let referring = |referrers| Referring::new(&Arc::new(referrers), Tree::Constant(true));
        if let Some(referrers) = &aggregate.referrers {
            let Some(bound) = Referrers::bind(names, scope, referrers)? else {
                let problem = format!(
                    "expected a record type and its field that refers, as in Rating.movieId; found {referrers}"
                );
                return Err(referrers.at.error(problem));
            };
            let route = Self::route(names, ScopeType::Record(bound.table), aggregate, path)?;
            return Ok(Self::OfReferrers(referring(bound), Some(route)));
        }
        match Referrers::bind(names, scope, path)? {
            None => Self::route(names, scope, aggregate, path).map(Self::Of),
            Some(bound) if aggregate.function == Function::Count => Ok(Self::OfReferrers(referring(bound), None)),
            Some(bound) => {
                let problem = format!("expected a field of {} behind it, as in ({path}, field)", bound.table.name());
                Err(path.at.error(problem))
            }
        }
    }

    fn route(names: Names<'v>, scope: ScopeType<'v>, aggregate: &Aggregate, path: &Path) -> Result<Route<'v>> {
        let route = Route::bind(names, scope, path)?;
        let is_number = route.end.kind.number().is_some() && !matches!(route.end.kind, Kind::Enum(_));
        let fits = match aggregate.function {
            Function::Count => true,
            Function::Sum | Function::Avg => is_number,
            _ => route.has_values(),
        };
        if fits {
            return Ok(route);
        }
        Err(path.at.error(format!("{aggregate}: {path} is {}", route.end.kind.describe())))
    }
}
