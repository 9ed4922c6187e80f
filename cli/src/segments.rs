//! `kapok segments`: lists the segments of a record type.

use std::io::Write;

use clap::Args;
use indicatif::{HumanBytes, HumanCount};
use kapok_blobstore::{BlobId, BlobKind};
use serde::Serialize;

use crate::dataset::Dataset;
use crate::failure::Result;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::table::Table;
use crate::type_argument::TypeArgument;

/// List the segments of a record type
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok segments --store data/debian Package
  kapok schema --store data/debian > debian.capnp
  capnp convert binary:json debian.capnp PackageSegment < $(kapok segments --store data/debian Package --json | jq -r '.[0].path')")]
pub struct Segments {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    #[command(flatten)]
    record_type: TypeArgument,
}

#[derive(Serialize)]
struct SegmentInfo {
    id: String,
    /// Its file, or its location and key.
    path: String,
    rows: u32,
    dead_rows: u32,
    bytes: u64,
    indexes: Vec<IndexInfo>,
}

#[derive(Serialize)]
struct IndexInfo {
    kind: String,
    name: String,
    path: String,
    bytes: u64,
}

impl Segments {
    /// Lists them in the order in which row ids count them.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let Dataset { store, manifest } = Dataset::open(&self.store, &self.version).await?;
        let ty = manifest.expect_record_type(self.record_type.name())?;
        let segments = ty.segments.iter().map(|segment| SegmentInfo {
            id: BlobId::from(segment.id).to_string(),
            path: store.blobs().name(BlobKind::Segment, BlobId::from(segment.id)),
            rows: segment.rows,
            dead_rows: segment.dead,
            bytes: segment.size,
            indexes: segment
                .artifacts
                .iter()
                .map(|index| IndexInfo {
                    kind: index.kind.clone(),
                    name: index.name.clone(),
                    path: store.blobs().name(BlobKind::Index, BlobId::from(index.id)),
                    bytes: index.size,
                })
                .collect(),
        });
        let segments: Vec<_> = segments.collect();
        if json {
            serde_json::to_writer_pretty(&mut *out, &segments)?;
            writeln!(out)?;
            return Ok(());
        }
        let mut table = Table::new(&[">rows", ">dead", ">bytes", "path"]);
        for segment in segments {
            table.push([
                HumanCount(u64::from(segment.rows)).to_string(),
                HumanCount(u64::from(segment.dead_rows)).to_string(),
                HumanBytes(segment.bytes).to_string(),
                segment.path,
            ]);
        }
        Ok(table.print(out)?)
    }
}
