//! Paths through the elements of lists, for aggregates.

use kapok_core::Result;
use kapok_core::schema::Type;
use kapok_core::words::ListRef;

use super::evaluate::Spending;
use super::expr::{Path, Step};
use super::join::Names;
use super::order::SortValue;
use super::place::{Kind, Place, Scope, Slot};
use super::resolve::{ScopeType, resolve};
use super::unreadable::Read;

/// A path that may go through lists.
#[derive(Clone, Debug)]
pub(super) struct Route<'v> {
    lists: Vec<Place<'v>>,
    pub end: Place<'v>,
    /// The path up to the first list, as it is written; `None` if there is none.
    pub first_list: Option<String>,
}

impl<'v> Route<'v> {
    pub fn bind(names: Names<'v>, scope: ScopeType<'v>, path: &Path) -> Result<Self> {
        let (lists, scope, rest) = lists_of(names, scope, path)?;
        let first_list = path.steps.iter().position(|step| *step == Step::Each).map(|end| {
            let steps = path.steps[..end].to_vec();
            Path { steps, at: path.at }.to_string()
        });
        Ok(Self { end: place_of(names, scope, rest, path)?, lists, first_list })
    }

    /// Returns the first list and the route from its elements on.
    pub fn split(&self) -> Option<(&Place<'v>, Self)> {
        let (first, lists) = self.lists.split_first()?;
        Some((first, Self { lists: lists.to_vec(), end: self.end.clone(), first_list: None }))
    }

    /// Returns the lists that it goes through.
    pub fn lists(&self) -> &[Place<'v>] {
        &self.lists
    }

    /// Returns whether the route goes through no list.
    pub fn is_plain(&self) -> bool {
        self.lists.is_empty()
    }

    /// Returns whether its values have an order.
    pub fn has_values(&self) -> bool {
        matches!(self.end.kind, Kind::Number(_) | Kind::Enum(_) | Kind::Text | Kind::Data)
    }

    /// Hands each value that is not null to a function.
    pub fn for_each(&self, scope: Scope<'v>, spending: &Spending, f: &mut impl FnMut(SortValue<'v>)) -> Read<()> {
        for_each_end(&self.lists, scope, spending, &mut |scope| {
            let value = if self.has_values() {
                self.end.sort_value(scope)?
            } else if self.end.is_present(scope)? {
                // Counted, and not looked at.
                SortValue::Number(0)
            } else {
                SortValue::Null
            };
            if value != SortValue::Null {
                f(value);
            }
            Ok(())
        })
    }
}

/// Hands what is behind the last of some lists to a function: each of its elements, or where they begin if there are no lists.
/// `lists`: each from the elements of the one before.
pub(super) fn for_each_end<'v>(
    lists: &[Place<'v>],
    scope: Scope<'v>,
    spending: &Spending,
    f: &mut impl FnMut(Scope<'v>) -> Read<()>,
) -> Read<()> {
    let Some((list, rest)) = lists.split_first() else { return f(scope) };
    for_each_element(list, scope, spending, |element| for_each_end(rest, element, spending, f))
}

/// Hands each element of a list to a function.
pub(super) fn for_each_element<'v>(
    place: &Place<'v>,
    scope: Scope<'v>,
    spending: &Spending,
    mut f: impl FnMut(Scope<'v>) -> Read<()>,
) -> Read<()> {
    place.with_start(scope, (), |scope| {
        let Some(list) = place.list_here(scope)? else { return Ok(()) };
        spending.spend(list.len())?;
        for index in 0..list.len() {
            if let Some(element) = place.element(list, index) {
                f(element)?;
            }
        }
        Ok(())
    })
}

impl<'v> Place<'v> {
    /// Returns an element of the list that stands here.
    pub fn element(&self, list: ListRef<'v>, index: u32) -> Option<Scope<'v>> {
        match self.kind {
            Kind::List(Type::Struct(_), _) => list.get_struct(index).map(Scope::Struct),
            _ => Some(Scope::Item(list, index)),
        }
    }
}

/// Resolves the lists that a path goes through, and returns what is behind the last of them: the scope and the steps.
pub(super) fn lists_of<'v, 'p>(
    names: Names<'v>,
    mut scope: ScopeType<'v>,
    path: &'p Path,
) -> Result<(Vec<Place<'v>>, ScopeType<'v>, &'p [Step])> {
    let (mut lists, mut rest) = (Vec::new(), path.steps.as_slice());
    while let Some(end) = rest.iter().position(|step| *step == Step::Each) {
        let place = place_of(names, scope, &rest[..end], path)?;
        scope = match place.kind {
            Kind::List(element, _) => ScopeType::of_elements(names.schema, element, place.refers, path.at)?,
            other => {
                let problem = format!("[] stands behind a list, and this is {}: {path}", other.describe());
                return Err(path.at.error(problem));
            }
        };
        lists.push(place);
        rest = &rest[end + 1..];
    }
    Ok((lists, scope, rest))
}

/// Resolves a part of a path that goes through no list. Of no steps, it is what the scope is: `genres[]`, `matrix[][]`.
fn place_of<'v>(names: Names<'v>, scope: ScopeType<'v>, steps: &[Step], path: &Path) -> Result<Place<'v>> {
    let resolve = |steps| resolve(names, scope, &Path { steps, at: path.at });
    match (scope, steps) {
        (ScopeType::Item(kind, refers), []) => Ok(Place::item(kind, refers)),
        (ScopeType::Item(..), steps) => resolve([&[Step::Name("it".to_owned())], steps].concat()),
        (ScopeType::Struct(ty), []) => Ok(Place { slot: Slot::Nothing, ..Place::item(Kind::Struct(ty), None) }),
        (_, steps) => resolve(steps.to_vec()),
    }
}
