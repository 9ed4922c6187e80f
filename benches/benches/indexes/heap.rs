//! A vector of structs, with maps and ordered maps beside it.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use kapok_benches::Movie;

use crate::answers::Answers;

/// Films on the heap, by maps of a hasher.
pub struct Heap<'m, S> {
    movies: &'m [Movie],
    by_title: HashMap<&'m str, u32, S>,
    by_year: HashMap<u16, Vec<u32>, S>,
    title_order: BTreeMap<&'m str, u32>,
    year_order: BTreeMap<(u16, u32), u32>,
}

impl<'m, S: BuildHasher + Default> Heap<'m, S> {
    pub fn new(movies: &'m [Movie]) -> Self {
        let mut by_year: HashMap<u16, Vec<u32>, S> = HashMap::default();
        for (at, movie) in (0..).zip(movies) {
            by_year.entry(movie.year).or_default().push(at);
        }
        Self {
            movies,
            by_title: (0..).zip(movies).map(|(at, movie)| (movie.title.as_str(), at)).collect(),
            by_year,
            title_order: (0..).zip(movies).map(|(at, movie)| (movie.title.as_str(), at)).collect(),
            year_order: (0..).zip(movies).map(|(at, movie)| ((movie.year, movie.id), at)).collect(),
        }
    }

    fn year(&self, at: Option<&u32>) -> u16 {
        at.map_or(0, |at| self.movies[*at as usize].year)
    }
}

impl<S: BuildHasher> Heap<'_, S> {
    fn is_counted(movie: &Movie) -> bool {
        movie.year >= 1990 && movie.runtime_min < 100
    }
}

impl<S: BuildHasher + Default> Answers for Heap<'_, S> {
    fn year_of_title(&self, title: &str) -> u16 {
        self.year(self.by_title.get(title))
    }

    fn first_from_title(&self, title: &str) -> u16 {
        self.year(self.title_order.range(title..).next().map(|(_, at)| at))
    }

    fn first_from_year(&self, year: u16) -> u16 {
        self.year(self.year_order.range((year, 0)..).next().map(|(_, at)| at))
    }

    fn minutes_of_year(&self, year: u16) -> (u64, u64) {
        let films = self.by_year.get(&year).map_or(&[][..], Vec::as_slice);
        let minutes = films.iter().map(|at| u64::from(self.movies[*at as usize].runtime_min)).sum();
        (films.len() as u64, minutes)
    }

    fn count_by_scan(&self) -> u64 {
        self.movies.iter().filter(|movie| Self::is_counted(movie)).count() as u64
    }

    /// By the ordered map: the films of these years, one by one.
    fn count(&self) -> u64 {
        let films = self.year_order.range((1990, 0)..).map(|(_, at)| &self.movies[*at as usize]);
        films.filter(|movie| Self::is_counted(movie)).count() as u64
    }
}
