//! `SQLite`: one table and the same indexes, in a file that it maps.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use kapok_benches::Movie;
use rusqlite::{Connection, OptionalExtension, Params, Statement, params};

use crate::answers::Answers;

/// A unique index on titles and one on years serve equality and ranges alike.
const SCHEMA: &str = "
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA mmap_size = 4294967296;
    PRAGMA cache_size = -1000000;
    CREATE TABLE movie (id INTEGER PRIMARY KEY, title TEXT NOT NULL, year INTEGER NOT NULL, runtime_min INTEGER NOT NULL);
    CREATE TABLE genre (movie INTEGER NOT NULL, name TEXT NOT NULL);
";
const INDEXES: &str = "
    CREATE UNIQUE INDEX movie_title ON movie (title);
    CREATE INDEX movie_year ON movie (year);
    ANALYZE;
";

/// Loads films into a file, and opens it.
pub fn load(folder: &Path, movies: &[Movie]) -> Connection {
    let started = Instant::now();
    let mut connection = Connection::open(folder.join("films.sqlite")).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let transaction = connection.transaction().unwrap();
    {
        let mut movie = transaction.prepare("INSERT INTO movie VALUES (?, ?, ?, ?)").unwrap();
        let mut genre = transaction.prepare("INSERT INTO genre VALUES (?, ?)").unwrap();
        for film in movies {
            movie.execute(params![film.id, film.title, film.year, film.runtime_min]).unwrap();
            for name in &film.genres {
                genre.execute(params![film.id, name]).unwrap();
            }
        }
    }
    transaction.commit().unwrap();
    connection.execute_batch(INDEXES).unwrap();
    println!("SQLite {}: loaded in {:?}", rusqlite::version(), started.elapsed());
    connection
}

/// Returns the bytes of a database.
pub fn bytes(connection: &Connection) -> u64 {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    (pragma("page_count") * pragma("page_size")).cast_unsigned()
}

/// The questions, prepared once.
pub struct Sqlite<'c> {
    year_of_title: RefCell<Statement<'c>>,
    first_from_title: RefCell<Statement<'c>>,
    first_from_year: RefCell<Statement<'c>>,
    minutes_of_year: RefCell<Statement<'c>>,
    count_by_scan: RefCell<Statement<'c>>,
    count: RefCell<Statement<'c>>,
}

impl<'c> Sqlite<'c> {
    pub fn new(connection: &'c Connection) -> Self {
        let prepare = |text: &str| RefCell::new(connection.prepare(text).unwrap());
        Self {
            year_of_title: prepare("SELECT year FROM movie WHERE title = ?"),
            first_from_title: prepare("SELECT year FROM movie WHERE title >= ? ORDER BY title LIMIT 1"),
            first_from_year: prepare("SELECT year FROM movie WHERE year >= ? ORDER BY year LIMIT 1"),
            minutes_of_year: prepare("SELECT count(*), sum(runtime_min) FROM movie WHERE year = ?"),
            count_by_scan: prepare("SELECT count(*) FROM movie NOT INDEXED WHERE year >= 1990 AND runtime_min < 100"),
            count: prepare("SELECT count(*) FROM movie WHERE year >= 1990 AND runtime_min < 100"),
        }
    }
}

/// Returns the first row of an answer; zeros if there is none.
fn first<const N: usize>(statement: &RefCell<Statement<'_>>, parameters: impl Params) -> [i64; N] {
    let mut statement = statement.borrow_mut();
    let row = statement.query_row(parameters, |row| {
        let mut out = [0; N];
        for (at, value) in out.iter_mut().enumerate() {
            *value = row.get::<_, Option<i64>>(at)?.unwrap_or_default();
        }
        Ok(out)
    });
    row.optional().unwrap().unwrap_or([0; N])
}

fn year(statement: &RefCell<Statement<'_>>, parameters: impl Params) -> u16 {
    let [year] = first(statement, parameters);
    u16::try_from(year).unwrap()
}

fn count(statement: &RefCell<Statement<'_>>) -> u64 {
    let [count] = first(statement, []);
    count.cast_unsigned()
}

impl Answers for Sqlite<'_> {
    fn year_of_title(&self, title: &str) -> u16 {
        year(&self.year_of_title, [title])
    }

    fn first_from_title(&self, title: &str) -> u16 {
        year(&self.first_from_title, [title])
    }

    fn first_from_year(&self, year: u16) -> u16 {
        self::year(&self.first_from_year, [year])
    }

    fn minutes_of_year(&self, year: u16) -> (u64, u64) {
        let [films, minutes] = first(&self.minutes_of_year, [year]);
        (films.cast_unsigned(), minutes.cast_unsigned())
    }

    fn count_by_scan(&self) -> u64 {
        count(&self.count_by_scan)
    }

    fn count(&self) -> u64 {
        count(&self.count)
    }
}
