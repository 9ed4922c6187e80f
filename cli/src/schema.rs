//! `kapok schema`: prints the types of a dataset as Cap'n Proto IDL, for programs in other languages.

use std::io::Write;

use clap::Args;
use kapok_core::schema::RecordDeclaration;
use kapok_ingest::KAPOK_CAPNP;
use serde::Serialize;

use crate::dataset::{Dataset, hex};
use crate::failure::Result;
use crate::store_argument::{StoreArgument, VersionArgument};
use crate::type_argument::OnlyType;

/// Print the schema as Cap'n Proto IDL, in one file without imports
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok schema --store data/debian > debian.capnp
  kapok schema --store data/debian Package
  kapok schema --annotations > kapok.capnp")]
pub struct PrintSchema {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    version: VersionArgument,
    #[command(flatten)]
    only: OnlyType,
    /// Print /kapok.capnp, which schema files import for Kapok's annotations, and no dataset's schema; needs no store
    #[arg(long, conflicts_with_all = ["version", "positional", "type_name"])]
    annotations: bool,
}

/// JSON output of `--annotations`.
#[derive(Serialize)]
struct AnnotationsText {
    idl: &'static str,
}

#[derive(Serialize)]
struct SchemaText {
    version: u64,
    /// Fingerprint of the types printed.
    schema: String,
    types: Vec<String>,
    idl: String,
}

impl PrintSchema {
    /// Prints the schema.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        if self.annotations {
            let idl = KAPOK_CAPNP;
            if json {
                serde_json::to_writer_pretty(&mut *out, &AnnotationsText { idl })?;
                writeln!(out)?;
            } else {
                out.write_all(idl.as_bytes())?;
            }
            return Ok(());
        }
        let Dataset { mut manifest, .. } = Dataset::open(&self.store, &self.version).await?;
        if let Some(name) = self.only.name() {
            manifest.expect_record_type(name)?;
            manifest.record_types.retain(|ty| ty.name == name);
        }
        let schema = manifest.schema.closure(manifest.record_types.iter().map(|ty| ty.type_id))?;
        let declarations: Vec<_> = manifest
            .record_types
            .iter()
            .map(|ty| RecordDeclaration { name: &ty.name, type_id: ty.type_id, key: &ty.key })
            .collect();
        let idl = schema.to_idl(&declarations)?;
        if json {
            let types = manifest.record_types.iter().map(|ty| ty.name.clone()).collect();
            let text = SchemaText { version: manifest.version, schema: hex(schema.fingerprint()?), types, idl };
            serde_json::to_writer_pretty(&mut *out, &text)?;
            writeln!(out)?;
        } else {
            out.write_all(idl.as_bytes())?;
        }
        Ok(())
    }
}
