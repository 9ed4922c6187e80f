//! Vectors of packages: publish them beside their records, find the nearest, among some of the records, and after a change.
//!
//! Answers are compared with what a loop over the same vectors gives.
//!
//! `cargo run -p kapok-examples --example nearest`

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kapok::nearest::{Effort, Hit, SearchSettings};
use kapok::own_type::{Inference, InferenceSettings, Metric, RecordVectors, VectorInput, VectorSetting, VectorTable};
use kapok::{Consumer, Declaration, Producer, Value, View};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A shooter, whose neighbours are asked for.
const GAME: &str = "starfighter";

/// 1,500 packages of Debian, and for each line a vector of its description: data/README.md tells where they are from.
struct Packages {
    lines: Vec<String>,
    table: VectorTable,
}

#[tokio::main]
async fn main() -> Result<()> {
    let packages = Packages::read()?;
    // Every 15th comes later.
    let (later, first): (Vec<u64>, Vec<u64>) = (0..packages.table.rows()).partition(|row| row % 15 == 9);

    let folder = tempfile::tempdir()?;
    let url = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    let producer = Producer::open(url).await?;
    let declaration = packages.declaration()?;
    producer
        .run_cycle(|cycle| {
            cycle.declare(&declaration)?;
            let mut writer = cycle.values("Package")?;
            writer.set_vectors(&packages.vectors()?)?;
            for row in &first {
                writer.set_vector_row(*row);
                writer.add_json(packages.line(*row))?;
            }
            Ok(())
        })
        .await?;
    let consumer = Consumer::open(url).await?;
    let view = consumer.view_arc();

    // The vectors lie in the mapped segment, and a graph beside them: nothing is read in advance.
    let nearest = view.nearest("Package.embedding")?;
    println!(
        "version {}: {} packages, vectors of {} {} numbers",
        view.version(),
        view.table("Package")?.len(),
        nearest.dimension(),
        nearest.element()
    );
    let game = view.find("Package", GAME)?.ok_or("no such package")?;
    let before = nearest.search_like(game, &SearchSettings::new(5))?;
    println!("\nnearest to {GAME}:");
    print(&view, &before)?;
    let exact = SearchSettings { effort: Effort::Exact, ..SearchSettings::new(5) };
    assert_eq!(names(&view, &nearest.search_like(game, &exact)?)?, packages.by_loop(&first, |_| true)?);

    // Any numbers can be searched for. Here they are those of the same package, so that it comes first.
    let vector = nearest.vector(game)?.ok_or("a package without a vector")?;
    let (hits, searches) = nearest.explain(&vector, &SearchSettings::new(1))?;
    assert_eq!(names(&view, &hits)?, [GAME]);
    println!("\nmeasured {} of {} vectors for that", searches[0].measured, searches[0].rows);

    // Only among records that satisfy a query.
    let filter = nearest.filter(&view.query("Package", "section != 'games'")?)?;
    let settings = SearchSettings { filter: Some(&filter), ..exact };
    let others = nearest.search_like(game, &settings)?;
    println!("\nnearest to {GAME} that is no game, of {}:", filter.count());
    print(&view, &others)?;
    assert_eq!(names(&view, &others)?, packages.by_loop(&first, |section| section != "games")?);

    update(&producer, &consumer, &packages, &first, &later, &names(&view, &before)?[0]).await
}

/// The nearest goes, others come, and the next version finds what it has.
async fn update(
    producer: &Producer,
    consumer: &Consumer,
    packages: &Packages,
    first: &[u64],
    later: &[u64],
    gone: &str,
) -> Result<()> {
    producer
        .run_incremental_cycle(|cycle| {
            let mut changes = cycle.values("Package")?;
            changes.set_vectors(&packages.vectors()?)?;
            for row in later {
                changes.set_vector_row(*row);
                changes.upsert_json(packages.line(*row))?;
            }
            changes.delete(&gone)?;
            Ok(())
        })
        .await?;
    consumer.refresh().await?;
    let view = consumer.view_arc();
    let nearest = view.nearest("Package.embedding")?;
    let game = view.find("Package", GAME)?.ok_or("no such package")?;
    let hits = nearest.search_like(game, &SearchSettings::new(5))?;
    println!("\nversion {}: without {gone}, and with {} new packages:", view.version(), later.len());
    print(&view, &hits)?;

    let exact = nearest.search_like(game, &SearchSettings { effort: Effort::Exact, ..SearchSettings::new(5) })?;
    let gone_row = packages.row(gone)?;
    let rows: Vec<u64> = first.iter().chain(later).copied().filter(|row| *row != gone_row).collect();
    assert_eq!(names(&view, &exact)?, packages.by_loop(&rows, |_| true)?);
    assert!(!names(&view, &hits)?.iter().any(|name| name == gone), "what was deleted is not found");
    let new: BTreeSet<String> = later.iter().map(|row| packages.name(*row)).collect::<Result<_>>()?;
    let found_new = names(&view, &hits)?.into_iter().filter(|name| new.contains(name)).count();
    println!("{found_new} of them new");
    assert!(found_new > 0, "what is new is found");
    Ok(())
}

/// Prints packages with their distances: 1 less the cosine of the angle.
fn print(view: &View, hits: &[Hit]) -> Result<()> {
    let (name, section) = (view.field::<&str>("Package.package")?, view.field::<&str>("Package.section")?);
    let summary = view.field::<&str>("Package.summary")?;
    for Hit { row_id, distance, .. } in hits {
        let (name, section, summary) = (name.get(*row_id)?, section.get(*row_id)?, summary.get(*row_id)?);
        println!("  {distance:.3}  {name} ({section}): {summary}");
    }
    Ok(())
}

fn names(view: &View, hits: &[Hit]) -> Result<Vec<String>> {
    let name = view.field::<&str>("Package.package")?;
    let names = hits.iter().map(|hit| Ok(name.get(hit.row_id)?.to_owned()));
    names.collect()
}

impl Packages {
    fn read() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        let lines = std::fs::read_to_string(folder.join("debian-minilm.jsonl"))?;
        let bytes = std::fs::read(folder.join("debian-minilm.npy"))?;
        let table = VectorTable::open("debian-minilm.npy", bytes.into())?;
        Ok(Self { lines: lines.lines().map(str::to_owned).collect(), table })
    }

    /// Infers the schema of the lines, with a field for the vectors, which stand beside them.
    fn declaration(&self) -> Result<Declaration> {
        let embedding = VectorSetting {
            path: "embedding".to_owned(),
            metric: Metric::Cosine,
            held: Some((self.table.element(), self.table.dimension())),
        };
        let key = vec!["package".to_owned()];
        let settings = InferenceSettings { key, vectors: vec![embedding], ..InferenceSettings::default() };
        let mut inference = Inference::new("Package", settings)?;
        for (number, line) in (1..).zip(&self.lines) {
            inference.observe(&Value::from_json(line.as_bytes())?, number)?;
        }
        let (schema, type_id) = inference.finish()?;
        Ok(Declaration::new(schema, type_id)?.inferred())
    }

    /// The vectors, for the records of one cycle: row i belongs to line i.
    fn vectors(&self) -> kapok::Result<Arc<RecordVectors>> {
        let input = VectorInput { field: "embedding".to_owned(), table: self.table.clone(), keys: None };
        Ok(Arc::new(RecordVectors::new([input])?))
    }

    fn line(&self, row: u64) -> &[u8] {
        usize::try_from(row).ok().and_then(|row| self.lines.get(row)).map_or(b"", |line| line.as_bytes())
    }

    fn member(&self, row: u64, name: &str) -> Result<String> {
        let line = String::from_utf8_lossy(self.line(row)).into_owned();
        let value = line.split_once(&format!("\"{name}\":\"")).and_then(|(_, rest)| rest.split_once('"'));
        Ok(value.ok_or("no such member")?.0.to_owned())
    }

    fn name(&self, row: u64) -> Result<String> {
        self.member(row, "package")
    }

    fn row(&self, name: &str) -> Result<u64> {
        let is_it = |row: &u64| self.name(*row).is_ok_and(|found| found == name);
        (0..self.table.rows()).find(is_it).ok_or_else(|| "no such package".into())
    }

    /// The five packages nearest to the game among some rows and sections, by a loop over all of them.
    fn by_loop(&self, rows: &[u64], is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let game = self.row(GAME)?;
        let numbers = |row| Ok::<_, kapok::Error>(self.table.numbers(row)?.into_iter().map(f64::from).collect());
        let query: Vec<f64> = numbers(game)?;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut found = Vec::new();
        for row in rows.iter().copied().filter(|row| *row != game) {
            if is_wanted(&self.member(row, "section")?) {
                let vector: Vec<f64> = numbers(row)?;
                let cosine = dot(&query, &vector) / (dot(&query, &query) * dot(&vector, &vector)).sqrt();
                found.push((cosine, row));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.iter().take(5).map(|(_, row)| self.name(*row)).collect()
    }
}
