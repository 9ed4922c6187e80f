//! `kapok history`: prints how a record changed from version to version.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use kapok_blobstore::Store;
use kapok_core::key::KeyParts;
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::{Manifest, SegmentEntry};
use kapok_core::segment::RowId;
use kapok_index::View;
use serde::Serialize;
use serde_json::Value;

use crate::dataset::rfc3339;
use crate::diff::fields::{Comparison, FieldChange, json, record_at};
use crate::diff::{open, tell_unreadable};
use crate::failure::{Failure, Result};
use crate::key_argument::KeyArgument;
use crate::store_argument::StoreArgument;
use crate::terminal::one_line;
use crate::type_argument::RecordArgument;

/// Show what became of a record, through all versions that the store still has
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  kapok history --store data/debian Package bash
  kapok history --store data/films Rating 42 7 --json           (a key of two fields)

Oldest first. Versions in which nothing changed stand with the one before them. Where older versions are retired, the
trail begins with the record as it was by then. Exit code 1: no version has the record.")]
pub struct History {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    record: RecordArgument,
}

/// A version that changed the record, and the versions after it that did not.
#[derive(Serialize)]
struct Entry {
    version: u64,
    /// The last version in which nothing changed.
    until: u64,
    created: String,
    tags: BTreeMap<String, String>,
    what: EntryKind,
    /// The whole record, in the version that added it.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Value>,
    /// What changed in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldChange>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum EntryKind {
    /// Not there yet.
    Absent,
    /// In the oldest version already: those before are retired.
    Present,
    Added,
    Changed,
    Removed,
}

/// Whether the key could be looked up in any version.
enum Lookups {
    None,
    /// Why not in the newest version.
    Refused(Failure),
    Any,
}

/// A version with its view and the record's row id.
struct RecordVersion {
    view: View,
    at: Option<RowId>,
}

impl History {
    /// Looks the record up in one version after another.
    pub async fn run(&self, json: bool, out: &mut impl Write) -> Result<()> {
        let store = self.store.open().await?;
        let (manifests, unreadable) = store.manifests().read_all(&store.manifests().live().await?).await?;
        tell_unreadable(json, &unreadable);
        // Numbers count from 1, and none is ever freed.
        let oldest = manifests.iter().map(|it| it.version).chain(unreadable.iter().map(|it| it.version)).min();
        let begins = oldest.filter(|oldest| *oldest > 1);
        let mut entries = self.entries(&store, manifests).await?;
        if let (Some(_), Some(first @ Entry { what: EntryKind::Added, .. })) = (begins, entries.first_mut()) {
            first.what = EntryKind::Present;
        }
        if json {
            serde_json::to_writer_pretty(&mut *out, &entries)?;
            return Ok(writeln!(out)?);
        }
        if let Some(oldest) = begins {
            writeln!(out, "versions before {oldest} are retired: the trail begins there")?;
        }
        entries.iter().try_for_each(|entry| entry.print(out))
    }

    async fn entries(&self, store: &Store, manifests: Vec<Manifest>) -> Result<Vec<Entry>> {
        let (name, key) = self.record.type_and_key()?;
        let Some(newest) = manifests.last() else {
            return Err(Failure::no(format!("store {} has no version yet; publish one", store.url())));
        };
        if manifests.iter().all(|manifest| manifest.expect_record_type(name).is_err()) {
            newest.expect_record_type(name)?;
        }
        let versions: Vec<_> = manifests.iter().map(|manifest| manifest.version.to_string()).collect();
        let mut blobs = BlobMap::new();
        let mut entries: Vec<Entry> = Vec::new();
        let mut last: Option<RecordVersion> = None;
        let mut lookups = Lookups::None;
        for manifest in manifests {
            if let (Some(last), Some(entry)) = (&last, entries.last_mut())
                && has_same_rows(last.view.manifest(), &manifest, name)
            {
                entry.until = manifest.version;
                continue;
            }
            let (version, created, tags) = (manifest.version, rfc3339(manifest.created_unix_ms), manifest.tags.clone());
            let view = open(store, manifest, Some(name), &mut blobs).await?;
            let at = find(&view, name, key, &mut lookups)?;
            let seen = RecordVersion { view, at };
            match step(last.as_ref(), &seen, name)? {
                Some((what, record, fields)) => {
                    entries.push(Entry { version, until: version, created, tags, what, record, fields });
                }
                None => {
                    if let Some(entry) = entries.last_mut() {
                        entry.until = version;
                    }
                }
            }
            last = Some(seen);
        }
        if entries.iter().all(|entry| entry.what == EntryKind::Absent) {
            return Err(match lookups {
                Lookups::Refused(failure) => failure,
                _ => {
                    Failure::no(format!("{name} {} is in none of the versions {}", key.join(" "), versions.join(", ")))
                }
            });
        }
        Ok(entries)
    }
}

/// Finds the record. A key that fits one version need not fit all, since a type may be published anew.
fn find(view: &View, name: &str, key: &[String], lookups: &mut Lookups) -> Result<Option<RowId>> {
    let Ok(table) = view.table(name) else { return Ok(None) };
    match KeyArgument::parse(table, key) {
        Ok(key) => {
            *lookups = Lookups::Any;
            Ok(view.find(name, &KeyParts(&key.parts()))?)
        }
        Err(failure) => {
            if !matches!(lookups, Lookups::Any) {
                *lookups = Lookups::Refused(failure);
            }
            Ok(None)
        }
    }
}

/// Returns whether two versions have the same live rows of a type, by their manifests alone.
fn has_same_rows(old: &Manifest, new: &Manifest, name: &str) -> bool {
    let rows = |manifest: &Manifest| {
        let ty = manifest.record_types.iter().find(|ty| ty.name == name)?;
        Some(ty.segments.iter().map(identity).collect::<Vec<_>>())
    };
    old.schema == new.schema && rows(old) == rows(new)
}

fn identity(segment: &SegmentEntry) -> impl PartialEq + use<> {
    (segment.id, segment.tombstones.clone())
}

type Step = (EntryKind, Option<Value>, Vec<FieldChange>);

/// Compares the record in one version and the next; `None` if nothing changed.
fn step(last: Option<&RecordVersion>, seen: &RecordVersion, name: &str) -> Result<Option<Step>> {
    let Some(at) = seen.at else {
        return Ok(match last {
            None => Some((EntryKind::Absent, None, Vec::new())),
            Some(last) => last.at.map(|_| (EntryKind::Removed, None, Vec::new())),
        });
    };
    let table = seen.view.table(name)?;
    if let Some((view, before)) = last.and_then(|last| Some((&last.view, last.at?))) {
        let fields = Comparison::new(view.table(name)?, table).changes(before, at)?;
        return Ok((!fields.is_empty()).then_some((EntryKind::Changed, None, fields)));
    }
    Ok(Some((EntryKind::Added, Some(json(&record_at(table, at)?)?), Vec::new())))
}

impl Entry {
    fn print(&self, out: &mut impl Write) -> Result<()> {
        write!(out, "version {}", self.version)?;
        if self.until > self.version {
            write!(out, " to {}", self.until)?;
        }
        write!(out, ", {}: ", self.created)?;
        let tags: Vec<_> = self.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let tags = if tags.is_empty() { String::new() } else { format!(" ({})", one_line(&tags.join(" "))) };
        match self.what {
            EntryKind::Absent => writeln!(out, "not there{tags}")?,
            EntryKind::Removed => writeln!(out, "removed{tags}")?,
            EntryKind::Changed => writeln!(out, "changed{tags}")?,
            EntryKind::Added => writeln!(out, "added{tags}")?,
            EntryKind::Present => writeln!(out, "there{tags}")?,
        }
        if let Some(record) = &self.record {
            writeln!(out, "  {record}")?;
        }
        self.fields.iter().try_for_each(|field| field.print("  ", out))
    }
}
