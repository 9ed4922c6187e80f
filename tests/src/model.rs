//! What a version holds, told without Kapok: a few maps, in which histories are played beside the real thing.

#![expect(clippy::missing_panics_doc, reason = "tests are to panic")]

use std::collections::{BTreeMap, BTreeSet};

use kapok_index::{TypeChanges, View};
use kapok_samples::movies_capnp::{movie, rating};

pub mod changes;

/// Ids of movies, and of items, are below this.
pub const IDS: u32 = 48;

/// Numbers that depend on a seed alone, as the model draws them.
#[derive(Clone, Debug)]
pub struct Random(kapok_samples::random::Random);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(kapok_samples::random::Random::new(seed))
    }

    /// Returns the next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("below a u32")
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(u32::try_from(all.len()).expect("few")) as usize]
    }
}

/// A film, without its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Film {
    /// `None` is null, which is not the empty text.
    pub title: Option<String>,
    /// Year.
    pub year: u16,
    /// Genres.
    pub genres: Vec<String>,
}

impl Film {
    /// A film of few possible values, so that a change is at times none.
    pub fn random(random: &mut Random) -> Self {
        let title = match random.below(6) {
            0 => None,
            1 => Some(String::new()),
            n => Some(format!("title {n} {}", "and so on ".repeat(random.below(4) as usize))),
        };
        let genres = (0..random.below(3)).map(|n| format!("genre {n}")).collect();
        Self { title, year: year(random), genres }
    }

    /// Writes it.
    pub fn fill(&self, id: u32, mut to: movie::Builder<'_>) {
        to.set_id(id);
        to.set_year(self.year);
        if let Some(title) = &self.title {
            to.set_title(title);
        }
        let mut genres = to.init_genres(u32::try_from(self.genres.len()).expect("few"));
        for (at, genre) in (0..).zip(&self.genres) {
            genres.set(at, genre);
        }
    }

    /// Reads one.
    pub fn read(from: movie::Reader<'_>) -> Self {
        let text = |text: &str| text.to_owned();
        let title = from.has_title().then(|| text(from.get_title().expect("text").to_str().expect("UTF-8")));
        let genres = from.get_genres().expect("list").iter();
        let genres = genres.map(|genre| text(genre.expect("text").to_str().expect("UTF-8"))).collect();
        Self { title, year: from.get_year(), genres }
    }
}

/// One of few years.
pub fn year(random: &mut Random) -> u16 {
    1900 + u16::try_from(random.below(4)).expect("small")
}

/// The source of that number.
pub fn source(number: u16) -> rating::Source {
    if number == 0 { rating::Source::Critics } else { rating::Source::Audience }
}

/// Items, whose primary key is their id or their title. Both tell which item it is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Items {
    /// Which of the two the key is.
    pub by_title: bool,
    /// Years by id.
    pub years: BTreeMap<u32, u16>,
}

/// What a version holds; `None` where it does not have the record type.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Model {
    /// Films by id.
    pub movies: Option<BTreeMap<u32, Film>>,
    /// Votes by film and source.
    pub ratings: Option<BTreeMap<(u32, u16), u32>>,
    /// Items.
    pub items: Option<Items>,
}

/// Records that are different in two versions, by words for their keys.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Net {
    /// Only in the new one.
    pub added: BTreeSet<String>,
    /// In both.
    pub updated: BTreeSet<String>,
    /// Only in the old one.
    pub removed: BTreeSet<String>,
}

/// The title that an item has.
pub fn item_title(id: u32) -> String {
    format!("item {id:03}")
}

impl Model {
    /// Reads a view, and sees that each record, and no other, is found by its key.
    pub fn read(view: &View) -> Self {
        view.verify_keys().expect("sound indexes");
        let has = |name: &str| view.tables().iter().any(|table| table.name() == name);
        let model = Self {
            movies: has("Movie").then(|| read_movies(view)),
            ratings: has("Rating").then(|| read_ratings(view)),
            items: has("Item").then(|| read_items(view)),
        };
        let counts = [
            ("Movie", model.movies.as_ref().map_or(0, BTreeMap::len)),
            ("Rating", model.ratings.as_ref().map_or(0, BTreeMap::len)),
            ("Item", model.items.as_ref().map_or(0, |items| items.years.len())),
        ];
        for (name, count) in counts {
            assert_eq!(view.table(name).map_or(0, kapok_core::view::Table::len), count as u64, "records of {name}");
        }
        model
    }

    /// What it takes to get here from `old`.
    pub fn since(&self, old: &Self) -> Net {
        let mut net = Net::default();
        let (none, no_ratings, no_items) = (BTreeMap::new(), BTreeMap::new(), Items::default());
        let movies = |model: &'_ Self| words("Movie", model.movies.as_ref().unwrap_or(&none), |id| format!("{id}"));
        let ratings = |model: &'_ Self| {
            words("Rating", model.ratings.as_ref().unwrap_or(&no_ratings), |(id, source)| format!("{id},{source}"))
        };
        net.add(&movies(old), &movies(self));
        net.add(&ratings(old), &ratings(self));
        let (before, after) = (old.items.as_ref().unwrap_or(&no_items), self.items.as_ref().unwrap_or(&no_items));
        let items = |items: &Items| words("Item", &items.years, |id| format!("{id}"));
        if before.by_title == after.by_title {
            net.add(&items(before), &items(after));
        } else {
            // Other keys, other records.
            net.add(&items(before), &BTreeMap::new());
            net.add(&BTreeMap::new(), &items(after));
        }
        net
    }
}

fn words<K, V: std::fmt::Debug>(ty: &str, of: &BTreeMap<K, V>, key: impl Fn(&K) -> String) -> BTreeMap<String, String> {
    of.iter().map(|(id, value)| (format!("{ty} {}", key(id)), format!("{value:?}"))).collect()
}

impl Net {
    fn add(&mut self, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        for (key, value) in new {
            match old.get(key) {
                None => drop(self.added.insert(key.clone())),
                Some(before) if before != value => drop(self.updated.insert(key.clone())),
                Some(_) => {}
            }
        }
        self.removed.extend(old.keys().filter(|key| !new.contains_key(*key)).cloned());
    }

    /// In words, what the changes of one record type are.
    pub fn extend(&mut self, old: &View, new: &View, changes: &TypeChanges) {
        let ty = &changes.record_type;
        let name = |view: &View, at| {
            let record = view.table(ty).expect("a table").record(at).expect("an row_id of it");
            let field = |name: &str| record.get(name).expect("a field").to_json_string().expect("JSON");
            match ty.as_str() {
                "Rating" => format!("Rating {},{}", field("movieId"), u16::from(field("source").contains("audience"))),
                other => format!("{other} {}", field("id")),
            }
        };
        let count = changes.len() + self.len();
        self.added.extend(changes.added.iter().map(|at| name(new, *at)));
        self.removed.extend(changes.removed.iter().map(|at| name(old, *at)));
        for (before, after) in &changes.updated {
            let key = name(new, *after);
            assert_eq!(name(old, *before), key, "an update is of one key");
            self.updated.insert(key);
        }
        assert_eq!(count, self.len(), "each key comes once: {changes:?}");
    }

    fn len(&self) -> usize {
        self.added.len() + self.updated.len() + self.removed.len()
    }

    /// How many records of a type were added, updated and removed.
    pub fn counts(&self, ty: &str) -> (u64, u64, u64) {
        let of = |keys: &BTreeSet<String>| keys.iter().filter(|key| key.split(' ').next() == Some(ty)).count() as u64;
        (of(&self.added), of(&self.updated), of(&self.removed))
    }
}

fn read_movies(view: &View) -> BTreeMap<u32, Film> {
    let records = view.records::<movie::Owned>().expect("films");
    let mut found = BTreeMap::new();
    for at in records.lookup().table().row_ids() {
        let film = records.get(at).expect("a film");
        assert_eq!(view.find("Movie", &film.get_id()).expect("a lookup"), Some(at));
        assert!(found.insert(film.get_id(), Film::read(film)).is_none(), "two films of id {}", film.get_id());
    }
    for id in 0..IDS {
        let by_key = records.by_key(&id).expect("a lookup").map(Film::read);
        assert_eq!(by_key.as_ref(), found.get(&id), "film {id}");
    }
    found
}

fn read_ratings(view: &View) -> BTreeMap<(u32, u16), u32> {
    let records = view.records::<rating::Owned>().expect("ratings");
    let mut found = BTreeMap::new();
    for at in records.lookup().table().row_ids() {
        let rating = records.get(at).expect("a rating");
        let key = (rating.get_movie_id(), rating.get_source().expect("known") as u16);
        assert!(found.insert(key, rating.get_votes()).is_none(), "two ratings of {key:?}");
    }
    for key in (0..IDS).flat_map(|id| [(id, 0), (id, 1)]) {
        let by_key = records.by_key(&key).expect("a lookup").map(rating::Reader::get_votes);
        assert_eq!(by_key, found.get(&key).copied(), "rating {key:?}");
    }
    found
}

fn read_items(view: &View) -> Items {
    let table = view.table("Item").expect("items");
    let by_title = table.key().names().eq(["title"]);
    let ids = view.field::<u32>("Item.id").expect("a field");
    let years = view.field::<u16>("Item.year").expect("a field");
    let mut found = BTreeMap::new();
    for at in table.row_ids() {
        let id = ids.get(at).expect("a value");
        assert!(found.insert(id, years.get(at).expect("a value")).is_none(), "two items of id {id}");
    }
    for id in 0..IDS {
        let at = if by_title { view.find("Item", item_title(id).as_str()) } else { view.find("Item", &id) };
        let year = at.expect("a lookup").map(|at| years.get(at).expect("a value"));
        assert_eq!(year, found.get(&id).copied(), "item {id}");
    }
    Items { by_title, years: found }
}
