//! `kapok search`: prints the records whose vectors are nearest to one.

use std::io::Write;
use std::num::NonZeroUsize;

use clap::Args;
use kapok_core::view::Table;
use kapok_index::View;
use kapok_index::nearest::{Effort, Hit, SearchSettings, SegmentSearch, Strategy};
use kapok_index::query::{Expr, Parameters, Query, Selection};

use crate::dataset::Dataset;
use crate::failure::Result;
use crate::output;
use crate::query::json;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::type_argument::TypeArgument;
use crate::vector_fields;

mod wish;

use wish::Wish;

/// Print the records whose vectors are nearest to one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok search --store data/debian Package --vector like:bash -k 5
  kapok search --store data/debian Package --vector '[0.1, 0.25, -0.3]' --select package,description
  kapok search --store data/debian Package --vector @query.npy -k 10 --where 'section = \"libs\"' --json

--vector is a JSON list of numbers, @FILE for each row of a .npy or .fvecs file, or like:KEY for the vector of a record, which
is left out itself (a key of several fields: like:1,2, or as a JSON list like:[1,\"two\"]). Bytes of a .npy file are bits where the
field has bits.

Each line is a distance and a key, as JSON has it. With --select it is a JSON object. --json prints one object for each query:
  {\"version\":3,\"hits\":[{\"key\":\"zsh\",\"distance\":0.21,\"ordinal\":61203}, ..]}
An ordinal is the place of the record in the version: the rows of all segments, counted through.

Distances are what the field's metric says: Euclidean (l2), one minus the cosine (cosine), the negated inner product (dot), the
number of bits that differ (hamming). Segments with an index of the field are searched by it, others exactly: --explain tells
how. Exit code 1: no such type, field or key; 2: a field that is no vector, or a --vector of another length.")]
pub struct Search {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    #[command(flatten)]
    record_type: TypeArgument,
    /// The vector field [default: the only one of the type]
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
    /// What to be near to: a JSON list, @FILE or like:KEY
    #[arg(long, value_name = "VECTOR", allow_hyphen_values = true)]
    vector: String,
    /// How many records
    #[arg(short, value_name = "N", default_value_t = 10)]
    k: usize,
    /// Candidates that a walk over the graph keeps: more find more, and take longer [default: by k and size]
    #[arg(long, value_name = "N", conflicts_with = "exact")]
    ef: Option<usize>,
    /// Only records at this distance or nearer
    #[arg(long, value_name = "DISTANCE", allow_negative_numbers = true)]
    radius: Option<f32>,
    /// Only records that satisfy an expression: see kapok query
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
    /// Measure every vector, without an index
    #[arg(long)]
    exact: bool,
    /// Print these fields of each record, too: names with dots between, commas between fields
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    select: Vec<String>,
    /// Print how each segment was searched for the first vector, on stderr
    #[arg(long)]
    explain: bool,
}

impl Search {
    /// Searches the view of one version.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let name = self.record_type.name();
        let filter = self.filter.as_deref().map(Expr::parse).transpose()?;
        let view = Dataset::open(&self.store, &self.version).await?.view_with_references(name).await?;
        let table = view.table(name)?;
        let field = match &self.field {
            Some(field) => field.clone(),
            None => vector_fields::only(table)?,
        };
        let nearest = view.nearest(&format!("{name}.{field}"))?;
        let filter = match &filter {
            Some(expr) => {
                let query = Query::bind(&view, name, expr)?;
                Some(nearest.filter(&query.rows_with(&Parameters::new())?)?)
            }
            None => None,
        };
        let settings = SearchSettings {
            effort: match self.ef {
                _ if self.exact => Effort::Exact,
                Some(ef) => Effort::Ef(ef),
                None => Effort::Default,
            },
            radius: self.radius,
            filter: filter.as_ref(),
            ..SearchSettings::new(self.k)
        };
        let wish = Wish::parse(&self.vector, &view, table, &nearest)?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let all = match &wish {
            Wish::Record(row_id) if self.explain => vec![told(nearest.explain_like(*row_id, &settings)?)],
            Wish::Record(row_id) => vec![nearest.search_like(*row_id, &settings)?],
            Wish::Vectors(vectors) => {
                let (first, rest) = vectors.split_at(usize::from(self.explain && !vectors.is_empty()));
                let mut all = Vec::with_capacity(vectors.len());
                for vector in first {
                    all.push(told(nearest.explain(vector, &settings)?));
                }
                all.extend(nearest.search_many(rest, &settings, threads)?);
                all
            }
        };
        let printer = Printer::new(&view, table, &self.select)?;
        all.iter().try_for_each(|hits| printer.print(hits, json, out))
    }
}

/// Prints how each segment was searched, and returns the hits.
fn told((hits, searches): (Vec<Hit>, Vec<SegmentSearch>)) -> Vec<Hit> {
    for (place, SegmentSearch { rows, measured, strategy, .. }) in searches.into_iter().enumerate() {
        let how = how(strategy);
        output::error_line(format!("segment {place}: {how}; {measured} distances measured, {rows} vectors"));
    }
    hits
}

/// Returns how a segment was searched, in words.
fn how(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Exact => "exactly",
        Strategy::Codes => "by all codes",
        Strategy::Walk => "over the graph",
        Strategy::TwoHops => "over the graph, across records that are filtered out",
        _ => "otherwise",
    }
}

/// Prints the hits of a query.
struct Printer<'v> {
    table: &'v Table,
    version: u64,
    key: Selection<'v>,
    fields: Option<Selection<'v>>,
    /// Rows of the segments before each.
    bases: Vec<u64>,
}

impl<'v> Printer<'v> {
    fn new(view: &'v View, table: &'v Table, select: &[String]) -> Result<Self> {
        let rows = view.query(table.name(), "true")?;
        let names: Vec<&str> = table.key().names().collect();
        let mut bases = vec![0];
        for source in table.segments() {
            bases.push(bases.last().copied().unwrap_or(0) + u64::from(source.segment().rows()));
        }
        Ok(Self {
            table,
            version: view.version(),
            key: rows.select(&names)?,
            fields: if select.is_empty() { None } else { Some(rows.select(select)?) },
            bases,
        })
    }

    fn print(&self, hits: &[Hit], json: bool, out: &mut impl Write) -> Result<()> {
        if !json {
            return hits.iter().try_for_each(|hit| self.print_line(hit, out));
        }
        write!(out, "{{\"version\":{},\"hits\":[", self.version)?;
        for (at, hit) in hits.iter().enumerate() {
            out.write_all(if at > 0 { b"," } else { b"" })?;
            self.print_object(hit, out)?;
        }
        Ok(writeln!(out, "]}}")?)
    }

    fn print_line(&self, hit: &Hit, out: &mut impl Write) -> Result<()> {
        if self.fields.is_some() {
            self.print_object(hit, out)?;
        } else {
            write!(out, "{:.6}\t", hit.distance)?;
            self.print_key(hit, out)?;
        }
        Ok(out.write_all(b"\n")?)
    }

    fn print_object(&self, hit: &Hit, out: &mut impl Write) -> Result<()> {
        out.write_all(b"{\"key\":")?;
        self.print_key(hit, out)?;
        let (place, row) = self.table.place(hit.row_id)?;
        let ordinal = self.bases.get(place).copied().unwrap_or(0) + u64::from(row);
        write!(out, ",\"distance\":{},\"ordinal\":{ordinal}", serde_json::to_string(&hit.distance)?)?;
        if let Some(fields) = &self.fields {
            out.write_all(b",\"record\":")?;
            json::write_fields(&fields.read(&self.table.record(hit.row_id)?)?, out)?;
        }
        Ok(out.write_all(b"}")?)
    }

    /// Prints the value of the key, or a list of those of a key of several fields.
    fn print_key(&self, hit: &Hit, out: &mut impl Write) -> Result<()> {
        let record = self.table.record(hit.row_id)?;
        let values = self.key.read(&record)?;
        let is_list = values.len() > 1;
        out.write_all(if is_list { b"[" } else { b"" })?;
        for (at, (_, value)) in values.iter().enumerate() {
            out.write_all(if at > 0 { b"," } else { b"" })?;
            json::write_value_of_record(value, out)?;
        }
        Ok(out.write_all(if is_list { b"]" } else { b"" })?)
    }
}
