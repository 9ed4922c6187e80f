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
        let (mut scope, mut lists, mut first_list) = (scope, Vec::new(), None);
        let mut pieces = path.steps.split(|step| *step == Step::Each).peekable();
        loop {
            let steps = pieces.next().unwrap_or_default();
            let is_last = pieces.peek().is_none();
            if steps.is_empty() {
                // `genres[]`, `matrix[][]`: the element itself.
                let place = match scope {
                    ScopeType::Item(kind) => Place::item(kind),
                    ScopeType::Struct(ty) => Place { slot: Slot::Nothing, ..Place::item(Kind::Struct(ty)) },
                    ScopeType::Record(table) => {
                        Place { slot: Slot::Nothing, ..Place::item(Kind::Struct(table.struct_type())) }
                    }
                };
                if is_last {
                    return Ok(Self { lists, end: place, first_list });
                }
                scope = elements(names, &place, path)?;
                lists.push(place);
                continue;
            }
            let part = Path { steps: steps.to_vec(), at: path.at };
            let place = resolve(names, scope, &part)?;
            if is_last {
                return Ok(Self { lists, end: place, first_list });
            }
            first_list.get_or_insert_with(|| part.to_string());
            scope = elements(names, &place, path)?;
            lists.push(place);
        }
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
        self.for_each_from(0, scope, spending, f)
    }

    fn for_each_from(
        &self,
        list: usize,
        scope: Scope<'v>,
        spending: &Spending,
        f: &mut impl FnMut(SortValue<'v>),
    ) -> Read<()> {
        let Some(place) = self.lists.get(list) else {
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
            return Ok(());
        };
        for_each_element(place, scope, spending, |element| self.for_each_from(list + 1, element, spending, f))
    }
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

pub(super) fn elements<'v>(names: Names<'v>, place: &Place<'v>, path: &Path) -> Result<ScopeType<'v>> {
    match place.kind {
        Kind::List(element, _) => ScopeType::of_elements(names.schema, element, path.at),
        other => Err(path.at.error(format!("[] stands behind a list, and this is {}: {path}", other.describe()))),
    }
}
