//! Questions in words over a dataset with indexes: expressions, parameters, plans, order, pages, sums, and direct lookups.
//!
//! Each answer is compared with what a loop over the same books gives.
//!
//! `cargo run -p kapok-examples --example queries`

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use kapok::query::{Aggregate, Expr, Order, Parameters, Query, Selection, Value, field, parameter};
use kapok::read::RowId;
use kapok::serde::{Deserialize, Serialize};
use kapok::{Consumer, Declaration, Producer, View};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BOOKS: u32 = 20_000;
const GENRES: [&str; 8] = ["Crime", "Drama", "Essay", "Fantasy", "History", "Poetry", "Science", "Travel"];
const NOUNS: [&str; 10] = ["Sea", "Forest", "Engine", "Winter", "Letter", "Garden", "Star", "River", "Mirror", "Tower"];
const AUTHORS: [&str; 6] = ["Ada Brook", "Ben Castle", "Cleo Dunn", "Dora Eck", "Emil Frost", "Flora Gray"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
struct Book {
    id: u32,
    isbn: String,
    title: String,
    author: String,
    year: u16,
    genres: Vec<String>,
    /// Null is not 0.
    pages: Option<u32>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let mut books = books();

    // Indexes are declared with the record type. Every segment gets them, and they are mapped as it is.
    let declaration = Declaration::of_rust_type::<Book>("Book", &["id"])?
        .index("key(isbn)")
        .index("hash(genres[])")
        .index("sorted(year, title)")
        .index("sorted(title)");
    let producer = Producer::open(url).await?;
    producer
        .run_cycle(|cycle| {
            cycle.declare(&declaration)?;
            let mut writer = cycle.values("Book")?;
            books.iter().try_for_each(|book| writer.add_serde(book))?;
            Ok(())
        })
        .await?;
    let consumer = Consumer::open(url).await?;
    let view = consumer.view_arc();
    let names: Vec<&str> = view.indexes("Book")?.iter().map(kapok::read::Index::name).collect();
    println!("{BOOKS} books, indexes: {}", names.join("; "));

    expressions(&view, &books)?;
    parameters(&view, &books)?;
    plans(&view)?;
    order(&view, &books)?;
    aggregates(&view, &books)?;
    lookups(&view, &books)?;
    pages(&producer, &consumer, &mut books).await
}

/// The same question as text and by the builder.
fn expressions(view: &View, books: &[Book]) -> Result<()> {
    let text = r#"year >= 1990 and "Drama" in genres and not title ^= "The""#;
    let built = field("year").ge(1990).and(field("genres").has("Drama")).and(!field("title").starts_with("The"));
    assert_eq!(Expr::parse(text)?, built);
    assert_eq!(built.to_string(), text, "an expression prints as what parses to itself");

    let rows = view.query("Book", text)?;
    let is_wanted = |book: &&Book| book.year >= 1990 && book.has("Drama") && !book.title.starts_with("The");
    assert_eq!(rows.count()?, books.iter().filter(is_wanted).count() as u64);
    println!("\n{text}: {} books", rows.count()?);

    // Records come in the order of their keys, as structs or by fields.
    let row_id = rows.first()?.ok_or("no such book")?;
    let first: Book = view.table("Book")?.record(row_id)?.deserialize()?;
    assert_eq!(Some(&first), books.iter().find(is_wanted));
    let selection = Selection::bind(view.table("Book")?, &["title", "year"])?;
    for record in rows.limit(3).records() {
        let record = record?;
        let values = selection.read(&record)?;
        let values = values.iter().map(|(name, value)| Ok(format!("{name} {}", value.to_json_string()?)));
        println!("  {}", values.collect::<Result<Vec<_>>>()?.join(", "));
    }

    // Null is neither less nor greater than anything; words are found whatever their case and order.
    let counts = [
        ("pages < 100", books.iter().filter(|book| book.pages.is_some_and(|pages| pages < 100)).count()),
        ("not pages >= 100", books.iter().filter(|book| book.pages.is_none_or(|pages| pages < 100)).count()),
        ("pages is null", books.iter().filter(|book| book.pages.is_none()).count()),
        ("len(genres) = 0", books.iter().filter(|book| book.genres.is_empty()).count()),
        ("title ~= 'STAR wint*'", books.iter().filter(|book| book.has_word("Star") && book.has_word("Winter")).count()),
        ("title ~= 'gardn~1'", books.iter().filter(|book| book.has_word("Garden")).count()),
    ];
    for (text, expected) in counts {
        assert_eq!(view.query("Book", text)?.count()?, expected as u64, "{text}");
        println!("{text}: {expected} books");
    }

    // What is wrong is told with its column.
    let error = view.query("Book", "year >= 1990 and titel = 'M'").err().ok_or("accepted")?;
    println!("refused: {error}");
    assert!(error.to_string().contains("column 18"), "{error}");
    Ok(())
}

/// Bound once, run often.
fn parameters(view: &View, books: &[Book]) -> Result<()> {
    let expr =
        field("year").between(parameter("from"), parameter("to")).and(field("author").is_in_parameter("authors"));
    println!("\n{expr}");
    let query = Query::bind(view, "Book", &expr)?;
    for decade in [1970_u16, 1990, 2010] {
        let values =
            Parameters::new().set("from", decade).set("to", decade + 9).set("authors", ["Ada Brook", "Dora Eck"]);
        let count = query.rows_with(&values)?.count()?;
        let is_wanted = |book: &&Book| {
            (decade..decade + 10).contains(&book.year) && ["Ada Brook", "Dora Eck"].contains(&book.author.as_str())
        };
        assert_eq!(count, books.iter().filter(is_wanted).count() as u64);
        println!("  {decade}s: {count}");
    }
    Ok(())
}

/// Which indexes answer, if any do: the answer is the same without.
fn plans(view: &View) -> Result<()> {
    println!();
    let plans = [
        ("isbn = '978-0-00123-042-0'", "key(isbn)"),
        ("year = 1999 and title ^= 'The'", "sorted(year, title)"),
        ("id between 100 and 199", "id"),
        ("'Poetry' in genres and 'Travel' in genres and year = 1985", "sorted(year, title) and hash(genres[])"),
        ("author = 'Ada Brook'", "scan"),
    ];
    for (text, source) in plans {
        let expr = Expr::parse(text)?;
        let rows = Query::bind(view, "Book", &expr)?.rows()?;
        let explanation = rows.explain()?;
        let segment = &explanation.segments[0];
        println!("{text}: {} of {} rows from {}", segment.candidates, segment.rows, segment.source);
        assert_eq!(segment.source, source, "{explanation}");
        let scanned = Query::bind_table(view.table("Book")?, &expr)?.rows()?;
        assert_eq!(rows.row_ids()?, scanned.row_ids()?, "{text}");
    }
    Ok(())
}

fn order(view: &View, books: &[Book]) -> Result<()> {
    let rows = view.query("Book", "'History' in genres and pages is not null")?;
    let longest = rows.order_by(&[Order::descending("pages"), Order::ascending("title")])?.limit(3);
    let mut expected: Vec<&Book> = books.iter().filter(|book| book.has("History") && book.pages.is_some()).collect();
    expected.sort_by(|a, b| b.pages.cmp(&a.pages).then(a.title.cmp(&b.title)).then(a.id.cmp(&b.id)));
    let ids = longest.values::<u32>("id")?.collect::<std::result::Result<Vec<_>, _>>()?;
    assert_eq!(ids, expected.iter().take(3).map(|book| book.id).collect::<Vec<_>>());
    println!("\nlongest of History: books {ids:?}");
    Ok(())
}

fn aggregates(view: &View, books: &[Book]) -> Result<()> {
    let rows = view.query("Book", "year >= 1990")?;
    let texts = [
        "count()",
        "count(pages)",
        "sum(pages)",
        "avg(pages)",
        "min(title)",
        "top_n(2, pages)",
        "count_distinct(author)",
    ];
    let asked = texts.iter().map(|text| Aggregate::parse(text)).collect::<std::result::Result<Vec<_>, _>>()?;
    let found = rows.aggregate(&asked)?;
    let sums: Vec<_> = asked.iter().zip(&found).map(|(aggregate, value)| format!("{aggregate} {value}")).collect();
    println!("\nsince 1990: {}", sums.join(", "));
    let pages: Vec<u32> = books.iter().filter(|book| book.year >= 1990).filter_map(|book| book.pages).collect();
    assert_eq!(
        found[1..3],
        [Value::from(pages.len() as u64), Value::from(pages.iter().map(|one| u64::from(*one)).sum::<u64>())]
    );

    // Through a list, a book is in the group of each of its genres.
    let groups = rows.group_by(&["genres[]"], &[Aggregate::count(), Aggregate::max("pages")?])?;
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for book in books.iter().filter(|book| book.year >= 1990) {
        book.genres
            .iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .for_each(|genre| *expected.entry(genre).or_default() += 1);
    }
    for group in &groups {
        println!("  {}: {} books, of at most {} pages", group.key[0], group.values[0], group.values[1]);
    }
    let found: Vec<Value> = groups.iter().map(|group| group.values[0].clone()).collect();
    // Those without a genre are the last group.
    assert_eq!(found[..expected.len()], expected.values().map(|count| Value::from(*count)).collect::<Vec<_>>());
    Ok(())
}

/// Indexes without a query: values in, row ids out.
fn lookups(view: &View, books: &[Book]) -> Result<()> {
    let (ids, years) = (view.field::<u32>("Book.id")?, view.field::<u16>("Book.year")?);
    let by_isbn = view.alternate_lookup("Book", "key(isbn)")?;
    let row_id = by_isbn.find(&[books[77].isbn.as_str().into()])?.ok_or("no such ISBN")?;
    assert_eq!(ids.get(row_id)?, books[77].id);
    println!("\nISBN {}: book {} of {}", books[77].isbn, books[77].id, years.get(row_id)?);

    let by_genre = view.hash_lookup("Book", "hash(genres[])")?;
    let poetry = by_genre.find(&["Poetry".into()])?;
    assert_eq!(by_genre.count(&["Poetry".into()])?, poetry.len() as u64);
    assert_eq!(numbers(view, &poetry)?, numbers_of(books, |book| book.has("Poetry")));
    println!("Poetry: {} books", poetry.len());

    let by_year = view.sorted_lookup("Book", "sorted(year, title)")?;
    let fifties = by_year.range(Bound::Included(&[1950.into()]), Bound::Excluded(&[1960.into()]))?;
    assert_eq!(numbers(view, &fifties)?, numbers_of(books, |book| (1950..1960).contains(&book.year)));
    let newest = by_year.last(1)?;
    assert_eq!(Some(years.get(newest[0])?), books.iter().map(|book| book.year).max());
    let by_title = view.sorted_lookup("Book", "sorted(title)")?;
    let towers = by_title.prefix("Tower of".into())?;
    assert_eq!(numbers(view, &towers)?, numbers_of(books, |book| book.title.starts_with("Tower of")));
    println!("the fifties: {} books; titles that begin with \"Tower of\": {}", fifties.len(), towers.len());
    Ok(())
}

/// Pages go on behind a cursor, in a later version too.
async fn pages(producer: &Producer, consumer: &Consumer, books: &mut Vec<Book>) -> Result<()> {
    let read = |view: &View, cursor: Option<&str>| -> Result<(Vec<u32>, Option<String>)> {
        let rows = view.query("Book", "year >= 2000")?.order_by(&[Order::ascending("title")])?.limit(500);
        let page = rows.page(cursor)?;
        let id = view.field::<u32>("Book.id")?;
        let ids = page.row_ids.into_iter().map(|row_id| id.get(row_id));
        Ok((ids.collect::<std::result::Result<_, _>>()?, page.next))
    };
    let (mut seen, mut cursor) = read(&consumer.view(), None)?;
    let first_page = seen.len();

    // Between two pages every tenth book goes, and others come.
    let (gone, kept): (Vec<Book>, Vec<Book>) = books.drain(..).partition(|book| book.id % 10 == 3);
    *books = kept;
    let new: Vec<Book> = (BOOKS..BOOKS + 300).map(book).collect();
    let report = producer
        .run_incremental_cycle(|cycle| {
            let mut writer = cycle.values("Book")?;
            for book in &gone {
                writer.delete(&book.id)?;
            }
            new.iter().try_for_each(|book| writer.upsert_serde(book))?;
            Ok(())
        })
        .await?;
    consumer.refresh().await?;
    assert_eq!(consumer.view().version(), report.outcome.version());

    let mut pages = 1;
    while let Some(at) = cursor {
        let (ids, next) = read(&consumer.view(), Some(&at))?;
        seen.extend(ids);
        (cursor, pages) = (next, pages + 1);
    }
    let distinct: BTreeSet<u32> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len(), "no book comes twice");
    let unchanged = books.iter().filter(|book| book.year >= 2000);
    assert!(unchanged.clone().all(|book| distinct.contains(&book.id)), "each that stayed comes once");
    println!(
        "\n{pages} pages, the first ({first_page} books) of version 1, the others of version 2: {} books",
        seen.len()
    );
    Ok(())
}

impl Book {
    fn has(&self, genre: &str) -> bool {
        self.genres.iter().any(|one| one == genre)
    }

    fn has_word(&self, word: &str) -> bool {
        self.title.split(' ').any(|one| one == word)
    }
}

/// Ids of rows, sorted.
fn numbers(view: &View, row_ids: &[RowId]) -> Result<Vec<u32>> {
    let id = view.field::<u32>("Book.id")?;
    let mut out = row_ids.iter().map(|row_id| id.get(*row_id)).collect::<std::result::Result<Vec<_>, _>>()?;
    out.sort_unstable();
    Ok(out)
}

fn numbers_of(books: &[Book], is_wanted: impl Fn(&Book) -> bool) -> Vec<u32> {
    books.iter().filter(|book| is_wanted(book)).map(|book| book.id).collect()
}

fn books() -> Vec<Book> {
    (0..BOOKS).map(book).collect()
}

/// A book that depends on its number alone.
fn book(id: u32) -> Book {
    let mut seed = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut below = |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % end as u64).unwrap_or_default()
    };
    let article = ["", "The ", "A "][below(3)];
    let title = format!("{article}{} of {}", NOUNS[below(10)], NOUNS[below(10)]);
    let genres = (0..below(4)).map(|_| GENRES[below(8)].to_owned()).collect();
    Book {
        id,
        isbn: format!("978-0-{id:05}-042-0"),
        title,
        author: AUTHORS[below(6)].to_owned(),
        year: u16::try_from(1950 + below(75)).unwrap_or_default(),
        genres,
        pages: (below(10) > 0).then(|| u32::try_from(40 + below(900)).unwrap_or_default()),
    }
}
