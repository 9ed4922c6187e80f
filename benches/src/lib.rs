//! What the benchmarks share: films, made from a seed, and the file of what was measured.

pub mod results;

use kapok_samples::movies_capnp::movie;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Names that genres are drawn from.
pub const GENRES: [&str; 20] = [
    "action",
    "adventure",
    "animation",
    "biography",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "family",
    "fantasy",
    "film noir",
    "history",
    "horror",
    "music",
    "mystery",
    "romance",
    "science fiction",
    "thriller",
    "war",
    "western",
];

/// A film on the heap, as a traditional program holds it.
#[derive(
    Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Movie {
    /// Key.
    pub id: u32,
    /// About 20 characters.
    pub title: String,
    /// Year of release.
    pub year: u16,
    /// One to four.
    pub genres: Vec<String>,
    /// Minutes.
    pub runtime_min: u16,
}

impl Movie {
    /// Into a message.
    pub fn fill(&self, mut out: movie::Builder<'_>) {
        out.set_id(self.id);
        out.set_title(&self.title);
        out.set_year(self.year);
        out.set_runtime_min(self.runtime_min);
        let mut genres = out.init_genres(u32::try_from(self.genres.len()).unwrap_or(0));
        for (index, genre) in (0..).zip(&self.genres) {
            genres.set(index, genre.as_str());
        }
    }
}

/// Makes films, the same ones for the same seed.
pub struct Movies {
    rng: ChaCha8Rng,
    next: u32,
    title: String,
}

/// A film being made; borrows what it can, so that making one costs little.
#[derive(Debug)]
pub struct Draft<'m> {
    /// Key.
    pub id: u32,
    /// About 20 characters.
    pub title: &'m str,
    /// Year of release.
    pub year: u16,
    /// One to four.
    pub genres: [&'static str; 4],
    /// Number of genres in use.
    pub genre_count: usize,
    /// Minutes.
    pub runtime_min: u16,
}

impl Movies {
    /// From the first film on.
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), next: 0, title: String::new() }
    }

    /// The next film: ids count up with gaps, titles are three to six syllable words.
    pub fn draft(&mut self) -> Draft<'_> {
        const SYLLABLES: [&str; 16] =
            ["ka", "po", "mer", "lin", "sto", "ra", "vel", "ti", "no", "gra", "shi", "be", "dun", "or", "fay", "wex"];
        let mut bits = self.rng.next_u64();
        self.title.clear();
        let syllables = 5 + bits % 5;
        bits >>= 3;
        for index in 0..syllables {
            if index > 0 && index % 3 == 0 {
                self.title.push(' ');
            }
            self.title.push_str(SYLLABLES[usize::try_from(bits % 16).unwrap_or(0)]);
            bits >>= 4;
        }
        let genre_count = self.rng.random_range(1..=4);
        let mut genres = [GENRES[0]; 4];
        for genre in &mut genres[..genre_count] {
            *genre = GENRES[self.rng.random_range(0..GENRES.len())];
        }
        self.next += 1;
        Draft {
            id: self.next * 7,
            title: &self.title,
            year: self.rng.random_range(1900..2027),
            genres,
            genre_count,
            runtime_min: self.rng.random_range(60..240),
        }
    }
}

impl Draft<'_> {
    /// On the heap.
    pub fn to_movie(&self) -> Movie {
        Movie {
            id: self.id,
            title: self.title.to_owned(),
            year: self.year,
            genres: self.genres[..self.genre_count].iter().map(|genre| (*genre).to_owned()).collect(),
            runtime_min: self.runtime_min,
        }
    }

    /// Into a message.
    pub fn fill(&self, mut movie: movie::Builder<'_>) {
        movie.set_id(self.id);
        movie.set_title(self.title);
        movie.set_year(self.year);
        movie.set_runtime_min(self.runtime_min);
        let mut genres = movie.init_genres(u32::try_from(self.genre_count).unwrap_or(0));
        for (index, genre) in (0..).zip(&self.genres[..self.genre_count]) {
            genres.set(index, *genre);
        }
    }
}

/// A shuffled run of numbers below `count`, the same for the same seed.
pub fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out: Vec<u32> = (0..count).collect();
    for last in (1..out.len()).rev() {
        out.swap(last, rng.random_range(0..=last));
    }
    out
}
