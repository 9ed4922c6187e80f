//! The questions, and Kapok's answers.

use std::ops::Bound;

use kapok_core::field::Field;
use kapok_index::query::{Expr, Query};
use kapok_index::{AlternateLookup, HashLookup, SortedLookup, View};

/// What the count is asked with.
pub const CONDITION: &str = "year >= 1990 and runtimeMin < 100";

/// Answers to the same questions about the same films.
pub trait Answers {
    /// Returns the year of the film of a title.
    fn year_of_title(&self, title: &str) -> u16;
    /// Returns the year of the first film whose title is not below some text; 0 if there is none.
    fn first_from_title(&self, title: &str) -> u16;
    /// Returns the year of the first film that is not older; 0 if there is none.
    fn first_from_year(&self, year: u16) -> u16;
    /// Returns how many films are of a year, and how many minutes they take together.
    fn minutes_of_year(&self, year: u16) -> (u64, u64);
    /// Counts the films since 1990 of less than 100 minutes, without an index.
    fn count_by_scan(&self) -> u64;
    /// Counts them as whoever is asked does by itself.
    fn count(&self) -> u64;
}

pub struct Kapok<'v> {
    by_title: AlternateLookup<'v>,
    title_order: SortedLookup<'v>,
    year_order: SortedLookup<'v>,
    by_year: HashLookup<'v>,
    year: Field<'v, u16>,
    runtime: Field<'v, u16>,
    scan: Query<'v>,
    query: Query<'v>,
}

impl<'v> Kapok<'v> {
    pub fn new(view: &'v View) -> Self {
        let condition = Expr::parse(CONDITION).unwrap();
        Self {
            by_title: view.alternate_lookup("Movie", "key(title)").unwrap(),
            title_order: view.sorted_lookup("Movie", "sorted(title)").unwrap(),
            year_order: view.sorted_lookup("Movie", "sorted(year)").unwrap(),
            by_year: view.hash_lookup("Movie", "hash(year)").unwrap(),
            year: view.field("Movie.year").unwrap(),
            runtime: view.field("Movie.runtimeMin").unwrap(),
            scan: Query::bind_table(view.table("Movie").unwrap(), &condition).unwrap(),
            query: Query::bind(view, "Movie", &condition).unwrap(),
        }
    }
}

impl Answers for Kapok<'_> {
    fn year_of_title(&self, title: &str) -> u16 {
        self.by_title.find(&[title.into()]).unwrap().map_or(0, |row_id| self.year.get(row_id).unwrap())
    }

    fn first_from_title(&self, title: &str) -> u16 {
        let first = self.title_order.first_from(Bound::Included(&[title.into()])).unwrap();
        first.map_or(0, |row_id| self.year.get(row_id).unwrap())
    }

    fn first_from_year(&self, year: u16) -> u16 {
        let first = self.year_order.first_from(Bound::Included(&[year.into()])).unwrap();
        first.map_or(0, |row_id| self.year.get(row_id).unwrap())
    }

    fn minutes_of_year(&self, year: u16) -> (u64, u64) {
        let (mut films, mut minutes) = (0, 0);
        let add = |row_id| {
            films += 1;
            minutes += u64::from(self.runtime.get(row_id).unwrap());
        };
        self.by_year.for_each(&[year.into()], add).unwrap();
        (films, minutes)
    }

    fn count_by_scan(&self) -> u64 {
        self.scan.rows().unwrap().count().unwrap()
    }

    fn count(&self) -> u64 {
        self.query.rows().unwrap().count().unwrap()
    }
}
