//! `kapok vectors stat`: prints what vector fields and their indexes consist of.

use std::io::Write;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_index::View;
use kapok_index::nearest::{GraphStatistics, Nearest, SegmentStatistics};
use serde::Serialize;

use super::type_and_field;
use crate::dataset::Dataset;
use crate::failure::{Failure, Result};
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::table::Table;
use crate::vector_fields;

/// What vector fields and their indexes consist of
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok vectors stat --store data/debian
  kapok vectors stat --store data/debian Package.embedding --json

vectors: those of live records. graphs: segments that have one, of all. levels: rows on levels 1, 2, and so on. links: on level 0,
those of a row in the mean, and the most. reachable: rows that a walk from where searches begin gets to, of those with a vector.
kernels: the instructions that distances are measured by on this machine; KAPOK_KERNELS names others.")]
pub struct Stat {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    /// Only this record type, or this field of it
    #[arg(value_name = "TYPE[.FIELD]")]
    only: Option<String>,
}

#[derive(Serialize)]
struct FieldStat {
    #[serde(rename = "type")]
    record_type: String,
    field: String,
    vectors: u64,
    /// 0 if there is no vector yet.
    dimension: u32,
    element: String,
    metric: &'static str,
    segments: usize,
    /// Segments with a graph.
    graphs: usize,
    /// Rows on levels 1, 2, and so on, of all graphs together.
    levels: Vec<u64>,
    /// Links of level 0.
    links: u64,
    links_mean: f64,
    links_max: u32,
    /// Share of the rows in graphs that walks get to.
    reachable: f64,
    bytes: Bytes,
    kernels: &'static str,
}

#[derive(Default, Serialize)]
struct Bytes {
    vectors: u64,
    codes: u64,
    graph: u64,
}

impl Stat {
    /// Prints the fields.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let dataset = Dataset::open(&self.store, &self.version).await?;
        let (view, field) = match self.only.as_deref().map(type_and_field) {
            Some((record_type, field)) => (dataset.view(record_type).await?, field),
            None => (dataset.whole_view().await?, None),
        };
        let mut stats = Vec::new();
        for ty in &view.manifest().record_types {
            let fields = match field {
                Some(field) => vec![field.to_owned()],
                None => vector_fields::names(view.table(&ty.name)?),
            };
            for field in fields {
                stats.push(FieldStat::of(&view, &ty.name, field)?);
            }
        }
        if let (true, Some(record_type)) = (stats.is_empty(), &self.only) {
            return Err(vector_fields::none(record_type));
        }
        if json {
            serde_json::to_writer_pretty(&mut *out, &stats)?;
            return Ok(writeln!(out)?);
        }
        print(&stats, out)
    }
}

impl FieldStat {
    fn of(view: &View, record_type: &str, field: String) -> Result<Self> {
        let nearest: Nearest<'_> = view.nearest(&format!("{record_type}.{field}"))?;
        let segments = nearest.statistics()?;
        let mut bytes = Bytes::default();
        for segment in &segments {
            bytes.vectors += segment.vector_bytes;
            bytes.codes += segment.codes_bytes.unwrap_or(0);
            bytes.graph += segment.graph_bytes.unwrap_or(0);
        }
        let graphs: Vec<&GraphStatistics> = segments.iter().filter_map(|segment| segment.graph.as_ref()).collect();
        let mut levels = vec![0; graphs.iter().map(|graph| graph.levels.len()).max().unwrap_or(0)];
        for graph in &graphs {
            for (sum, rows) in levels.iter_mut().zip(&graph.levels) {
                *sum += u64::from(*rows);
            }
        }
        let rows: u64 = graphs.iter().map(|graph| u64::from(graph.vectors)).sum();
        let links: u64 = graphs.iter().map(|graph| graph.links).sum();
        let has_graph = |segment: &&SegmentStatistics| segment.graph_bytes.is_some();
        Ok(Self {
            record_type: record_type.to_owned(),
            field,
            vectors: segments.iter().map(|segment| segment.vectors).sum(),
            dimension: nearest.dimension(),
            element: nearest.element().to_string(),
            metric: nearest.metric().name(),
            segments: segments.len(),
            graphs: segments.iter().filter(has_graph).count(),
            levels,
            links,
            links_mean: if rows == 0 { 0.0 } else { share(links, rows) },
            links_max: graphs.iter().map(|graph| graph.links_max).max().unwrap_or(0),
            reachable: share(graphs.iter().map(|graph| u64::from(graph.reachable)).sum(), rows),
            bytes,
            kernels: nearest.kernels(),
        })
    }
}

/// Divides; nothing of nothing is all of it.
#[expect(clippy::cast_precision_loss, reason = "counts of rows and links are below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn print(stats: &[FieldStat], out: &mut impl Write) -> Result<()> {
    let Some(first) = stats.first() else {
        return Err(Failure::no("no record type has a vector field with a metric"));
    };
    let mut fields =
        Table::new(&["field", ">vectors", ">dimension", "element", "metric", ">vectors", ">codes", ">graph"]);
    let mut graphs = Table::new(&["field", ">graphs", ">levels", ">links", ">mean", ">most", ">reachable"]);
    for stat in stats {
        let name = format!("{}.{}", stat.record_type, stat.field);
        let dimension = if stat.dimension == 0 { "unknown".to_owned() } else { stat.dimension.to_string() };
        fields.push([
            name.clone(),
            HumanCount(stat.vectors).to_string(),
            dimension,
            stat.element.clone(),
            stat.metric.to_owned(),
            HumanBytes(stat.bytes.vectors).to_string(),
            HumanBytes(stat.bytes.codes).to_string(),
            HumanBytes(stat.bytes.graph).to_string(),
        ]);
        let levels: Vec<String> = stat.levels.iter().map(u64::to_string).collect();
        graphs.push([
            name,
            format!("{}/{}", stat.graphs, stat.segments),
            if levels.is_empty() { "-".to_owned() } else { levels.join(" ") },
            HumanCount(stat.links).to_string(),
            format!("{:.1}", stat.links_mean),
            stat.links_max.to_string(),
            format!("{:.2} %", stat.reachable * 100.0),
        ]);
    }
    fields.print(out)?;
    writeln!(out)?;
    graphs.print(out)?;
    Ok(writeln!(out, "\nkernels: {}", first.kernels)?)
}
