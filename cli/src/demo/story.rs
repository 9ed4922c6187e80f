//! The report of a demo: lines of 80 columns at most, and at the end what to try next.

use std::io::Write;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;
use serde_json::Value;

use super::reader::Reads;
use super::{FAMOUS, RECORD_TYPE};
use crate::diff::fields::FieldChange;
use crate::duration;
use crate::failure::Result;
use crate::table::Table;

/// Columns of a line.
const COLUMNS: usize = 80;

/// Steps of a demo and how long they took.
#[derive(Serialize)]
pub struct Story {
    pub store: String,
    pub versions: [u64; 2],
    pub rows: [u64; 2],
    pub publish_ms: [f64; 2],
    pub segment_bytes: u64,
    pub open_ms: f64,
    pub lookups: u32,
    pub lookup_ns: f64,
    pub scan_ms: f64,
    pub installed_size_kib: i64,
    pub added_rows: u64,
    pub changed_rows: u64,
    pub removed_rows: u64,
    /// From reading the second manifest to the swap.
    pub refresh_ms: f64,
    pub fetched_blobs: usize,
    /// From the rollback to the swap, and the same way forward.
    pub rollback_ms: [f64; 2],
    pub reads: Reads,
    /// A record before and after, as JSON whose members are in the order of the schema.
    #[serde(serialize_with = "as_json")]
    pub record: [String; 2],
    /// What is different between the two.
    pub fields: Vec<FieldChange>,
    /// The first lines of a diff of the versions.
    #[serde(skip)]
    pub diff: String,
    #[serde(skip)]
    pub is_kept: bool,
}

impl Story {
    /// Prints the report.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let [first, second] = self.versions;
        writeln!(out, "Kapok demo, in {}\n", self.store)?;
        self.print_acts(out)?;
        writeln!(out, "\n{FAMOUS}, version {first}:")?;
        writeln!(out, "{}", cut(&format!("  {}", self.record[0])))?;
        writeln!(out, "{FAMOUS}, version {second}:")?;
        writeln!(out, "{}", cut(&format!("  {}", self.record[1])))?;
        writeln!(out, "What is different in it:")?;
        let mut fields = Vec::new();
        self.fields.iter().try_for_each(|field| field.print("  ", &mut fields))?;
        print_cut(&String::from_utf8_lossy(&fields), out)?;
        writeln!(out, "\nWhat is different in all, as kapok diff tells it:")?;
        print_cut(&self.diff, out)?;
        if self.is_kept { self.print_next(out) } else { Ok(writeln!(out, "\nThe store was removed again.")?) }
    }

    fn print_acts(&self, out: &mut impl Write) -> Result<()> {
        let [first, second] = self.versions;
        let mut table = Table::new(&["what happened", ">time"]);
        let mut act = |what: String, time: String| table.push([what, time]);
        let time = |ms: f64| duration::shown(std::time::Duration::from_secs_f64(ms / 1e3));
        let (rows, bytes) = (HumanCount(self.rows[0]), HumanBytes(self.segment_bytes));
        act(format!("version {first}: {rows} packages from JSON lines, {bytes}"), time(self.publish_ms[0]));
        act("open a consumer: it maps the files, and parses nothing".to_owned(), time(self.open_ms));
        act(format!("look up {rows} packages by key"), format!("{:.0} ns each", self.lookup_ns));
        let sum = HumanBytes(u64::try_from(self.installed_size_kib).unwrap_or(0) << 10);
        act(format!("add up a field of all of them: {sum} installed"), time(self.scan_ms));
        let Self { added_rows, changed_rows, removed_rows, .. } = self;
        act(
            format!("version {second}, backports: +{added_rows} ~{changed_rows} -{removed_rows} packages"),
            time(self.publish_ms[1]),
        );
        let blobs = self.fetched_blobs;
        act(format!("the consumer takes it: {blobs} new blobs mapped, one swap"), time(self.refresh_ms));
        act(format!("roll back: the consumer is on version {first} again"), time(self.rollback_ms[0]));
        act(format!("announce version {second} once more"), time(self.rollback_ms[1]));
        table.print(out)?;
        let reads = &self.reads;
        let by_version = reads.by_version.iter().map(|(version, reads)| format!("{} of {version}", HumanCount(*reads)));
        writeln!(
            out,
            "\nAll the while a thread read {} records, {:.0} ns each.\nBy version: {}. None was mixed.",
            HumanCount(reads.total),
            reads.mean_ns,
            by_version.collect::<Vec<_>>().join(", "),
        )?;
        Ok(())
    }

    fn print_next(&self, out: &mut impl Write) -> Result<()> {
        let [first, second] = self.versions;
        let program = program();
        writeln!(out, "\nThe store stays. Try next:\n  export KAPOK_STORE={}", quoted(&self.store))?;
        for line in [
            "versions".to_owned(),
            format!("get {RECORD_TYPE} {FAMOUS}"),
            format!("history {RECORD_TYPE} {FAMOUS}"),
            format!("diff {first} {second} --limit 3"),
            format!("stat {RECORD_TYPE}"),
            format!("export {RECORD_TYPE} --version {first} | head -1"),
            "log".to_owned(),
            "verify".to_owned(),
        ] {
            writeln!(out, "  {program} {line}")?;
        }
        Ok(())
    }
}

fn print_cut(text: &str, out: &mut impl Write) -> Result<()> {
    text.lines().try_for_each(|line| Ok(writeln!(out, "{}", cut(line))?))
}

fn as_json<S: serde::Serializer>(records: &[String; 2], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let parsed = |record: &String| serde_json::from_str::<Value>(record).map_err(serde::ser::Error::custom);
    [parsed(&records[0])?, parsed(&records[1])?].serialize(serializer)
}

/// Cuts a text to the length of a line.
fn cut(line: &str) -> String {
    match line.char_indices().nth(COLUMNS - 1) {
        Some((end, last)) if end + last.len_utf8() < line.len() => format!("{}…", &line[..end]),
        _ => line.to_owned(),
    }
}

/// Returns the name that this program was called by.
fn program() -> String {
    std::env::args().next().map_or_else(|| "kapok".to_owned(), |program| quoted(&program))
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
