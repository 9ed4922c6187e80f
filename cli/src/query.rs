//! `kapok query`: prints the records that satisfy an expression, or aggregates of them.

use std::io::Write;

use clap::Args;
use kapok_blobstore::clock;
use kapok_index::View;
use kapok_index::query::{Aggregate, Expr, Group, Order, Parameters, Rows, Value};

use crate::dataset::Dataset;
use crate::export;
use crate::failure::{Failure, Result};
use crate::store_argument::{StoreArgument, VersionArgument};

pub mod json;

/// Print the records that satisfy an expression, as JSON lines in key order
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok query --store data/films Movie 'year >= 1990 and \"Drama\" in genres'
  kapok query --store data/films Movie 'title ~= \"star wa*\"' --select id,title --order -year,title --limit 10
  kapok query --store data/films Movie 'year between $from and 1999' --param from=1990 --count
  kapok query --store data/films Movie --group-by 'genres[]' --agg 'count()' --agg 'avg(runtimeMin)'
  kapok query --store data/shop Order 'any(items, productId = 3 and qty > 1)' --agg 'sum(items[].qty)'
  kapok query --store data/films Movie 'year >= 1990' --agg 'avg(Rating.movieId, stars)' --agg 'count(Rating.movieId)'

Expressions:
  = != < <= > >=      compare with a number, text, true, false, an enumerant, b\"base64\"
  ^= *=               starts with, contains
  ~= 'star wa* x~1'   has all of these words, in any order and case; * for a prefix, ~1 ~2 for that many edits
  in [1, 2]           is one of; VALUE in LIST: the list has it; between LOW and HIGH: both included
  any(items, qty > 1) all(tags, it != 'x')   about the elements of a list; it is an element that is no struct
  len(tags) = 0       elements of a list, bytes of text; labels[\"en\"] is the value of a key of a map
  movieId.title ^= 'M'             a field of the record that movieId is declared to refer to; null if there is none
  any(actorIds, it.name = 'Ann')   likewise of each element of a list that is declared so; any(items, productId.price > 9)
  any(Rating.movieId, stars >= 4)  about the records of a type that refer to this one, by a field; also all(..), len(..);
                                   through lists any(Order.items[].productId, paid), any(Movie.actorIds[], year > 1990)
  is null, is not null, not, and, or, (..), $name for a --param; odd names stand in `backquotes`

Comparisons are false for null, and != and not are plain opposites. Aggregates: count() count(x) count_distinct(x)
sum(x) avg(x) min(x) max(x) top_n(3, x); x may go through lists, as in items[].qty. avg(Rating.movieId, stars) takes the values of
the records that refer, count(Rating.movieId) their number.

With --json, records are printed as one object with \"next\", which --after takes for the next page, also in a later version.
No match is exit code 0, an expression that cannot be used is 2.")]
pub struct Query {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    /// The record type, unless --type names it, and the expression [default: true]
    #[arg(value_names = ["TYPE", "EXPR"], num_args = 0..=2, allow_negative_numbers = true)]
    words: Vec<String>,
    /// The record type, in place of TYPE
    #[arg(long = "type", value_name = "TYPE")]
    named: Option<String>,
    /// Print only these fields: names with dots between, commas between fields
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', conflicts_with_all = ["count", "aggregates"])]
    select: Vec<String>,
    /// Order by these fields; - before one puts the greatest first; null comes last
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', allow_hyphen_values = true)]
    order: Vec<String>,
    /// Print only so many records
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on behind a page: its "next", as --json prints it
    #[arg(long, value_name = "CURSOR", conflicts_with_all = ["count", "aggregates", "group_by", "explain"])]
    after: Option<String>,
    /// Print the number of records alone
    #[arg(long, conflicts_with_all = ["aggregates", "group_by", "explain"])]
    count: bool,
    /// Print aggregates of the records with the same values of these fields
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', conflicts_with = "explain")]
    group_by: Vec<String>,
    /// Print an aggregate of the records; may be repeated
    #[arg(long = "agg", id = "aggregates", value_name = "AGGREGATE", conflicts_with = "explain")]
    aggregates: Vec<String>,
    /// Give a parameter of the expression its value; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// Print how the query is answered, in place of records
    #[arg(long)]
    explain: bool,
}

impl Query {
    /// Runs the query on the view of one version.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let (name, text) = self.type_and_expression()?;
        // What is wrong in the texts is told before anything is read.
        let expr = Expr::parse(text)?;
        let aggregates =
            self.aggregates.iter().map(|text| Aggregate::parse(text).map_err(|e| Failure::from(e).about(text)));
        let mut aggregates = aggregates.collect::<Result<Vec<_>>>()?;
        if aggregates.is_empty() && !self.group_by.is_empty() {
            aggregates.push(Aggregate::count());
        }
        let parameters = self.parameters()?;
        let view = Dataset::open(&self.store, &self.version).await?.view_with_references(name).await?;
        let query = kapok_index::query::Query::bind(&view, name, &expr)?;
        let mut rows = query.rows_with(&parameters)?.order_by(&self.orders())?;
        if let Ok(processors) = std::thread::available_parallelism() {
            rows = rows.threads(processors);
        }
        if let Some(limit) = self.limit {
            rows = rows.limit(limit);
        }
        if self.count {
            return Ok(writeln!(out, "{}", rows.count()?)?);
        }
        if self.explain {
            return explain(&rows, json, out);
        }
        if !aggregates.is_empty() {
            return self.print_groups(&rows, &aggregates, out);
        }
        self.print_records(&view, &rows, json, out)
    }

    fn type_and_expression(&self) -> Result<(&str, &str)> {
        let words: Vec<&str> = self.named.iter().chain(&self.words).map(String::as_str).collect();
        match words.as_slice() {
            [name] => Ok((name, "true")),
            [name, expression] => Ok((name, expression)),
            [] => Err(Failure::usage("the record type is missing: give TYPE, or --type")),
            _ => Err(Failure::usage("the record type is given twice: by --type and in its place")),
        }
    }

    /// Values are those of the language; what is none is text.
    fn parameters(&self) -> Result<Parameters> {
        let mut out = Parameters::new();
        for text in &self.parameters {
            let Some((name, value)) = text.split_once('=') else {
                return Err(Failure::usage(format!("--param {text}: expected NAME=VALUE")));
            };
            out = out.set(
                name,
                match Value::parse(value) {
                    Ok(Value::Name(name)) => Value::Text(name),
                    Ok(value) => value,
                    Err(_) => Value::from(value),
                },
            );
        }
        Ok(out)
    }

    fn orders(&self) -> Vec<Order> {
        let order = |field: &String| match field.strip_prefix('-') {
            Some(field) => Order::descending(field),
            None => Order::ascending(field),
        };
        self.order.iter().map(order).collect()
    }

    fn print_records(&self, view: &View, rows: &Rows<'_>, json: bool, out: &mut impl Write) -> Result<()> {
        let table = rows.table();
        let selection = if self.select.is_empty() { None } else { Some(rows.select(&self.select)?) };
        let print = |row_id, out: &mut _| {
            let record = table.record(row_id)?;
            match &selection {
                None => export::write(&record, out),
                Some(selection) => json::write_fields(&selection.read(&record)?, out),
            }
        };
        if !json && self.after.is_none() {
            for row_id in rows {
                print(row_id?, out)?;
                out.write_all(b"\n")?;
            }
            return Ok(());
        }
        let page = rows.page(self.after.as_deref())?;
        if json {
            write!(out, "{{\"version\":{},\"records\":[", view.version())?;
        }
        for (index, row_id) in page.row_ids.into_iter().enumerate() {
            if json && index > 0 {
                out.write_all(b",")?;
            }
            print(row_id, out)?;
            if !json {
                out.write_all(b"\n")?;
            }
        }
        if json {
            writeln!(out, "],\"next\":{}}}", serde_json::to_string(&page.next)?)?;
        }
        Ok(())
    }

    /// Prints a line for each group.
    fn print_groups(&self, rows: &Rows<'_>, aggregates: &[Aggregate], out: &mut impl Write) -> Result<()> {
        let groups = if self.group_by.is_empty() {
            vec![Group { key: Vec::new(), values: rows.aggregate(aggregates)? }]
        } else {
            rows.group_by(&self.group_by, aggregates)?
        };
        let names: Vec<String> =
            self.group_by.iter().cloned().chain(aggregates.iter().map(Aggregate::to_string)).collect();
        for group in groups {
            json::write_values(names.iter().zip(group.key.iter().chain(&group.values)), out)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Prints how the query was answered, and how long it took.
fn explain(rows: &Rows<'_>, json: bool, out: &mut impl Write) -> Result<()> {
    let (mut found, mut ms_all, mut segments) = (0, 0.0, Vec::new());
    let mut started = clock::instant();
    for (place, one) in rows.explain_each().enumerate() {
        let one = one?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        (found, ms_all) = (found + one.found, ms_all + ms);
        if json {
            segments.push(serde_json::json!({
                "segment": one.segment, "rows": one.rows, "dead": one.dead, "source": one.source,
                "candidates": one.candidates, "conditions": one.conditions, "found": one.found, "ms": ms,
            }));
        } else {
            writeln!(out, "segment {place}: {one} ({ms:.3} ms)")?;
        }
        started = clock::instant();
    }
    let (order, joins) = (rows.order_index()?, rows.explain_joins());
    if json {
        let joins: Vec<_> = joins
            .iter()
            .map(|one| {
                let mut told = serde_json::json!({"path": one.path, "type": one.record_type, "source": one.source});
                if let Some(found) = one.found_first {
                    told["found_first"] = found.into();
                }
                told
            })
            .collect();
        let told =
            serde_json::json!({"segments": segments, "joins": joins, "order": order, "found": found, "ms": ms_all});
        return Ok(writeln!(out, "{told}")?);
    }
    for join in joins {
        writeln!(out, "{join}")?;
    }
    if let Some(index) = order {
        writeln!(out, "order: {index}")?;
    }
    Ok(writeln!(out, "found {found} record(s) in {ms_all:.3} ms")?)
}
