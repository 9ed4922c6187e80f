//! Opens the version that a verb reads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use kapok_blobstore::{LastKnown, Store};
use kapok_core::ErrorKind;
use kapok_core::manifest::BlobMap;
use kapok_core::manifest::Manifest;
use kapok_index::View;

use crate::failure::{Failure, Result};
use crate::notice::{is_json, warn};
use crate::progress::while_downloading;
use crate::store_argument::{StoreArgument, VersionArgument};

/// Versions that an error lists.
const LISTED_MAX: usize = 20;

/// A version of a dataset.
pub struct Dataset {
    pub store: Store,
    pub manifest: Manifest,
}

impl Dataset {
    /// Opens the version asked for, or else the one that consumers are on, or else the newest.
    pub async fn open(store: &StoreArgument, version: &VersionArgument) -> Result<Self> {
        let store = store.open().await?;
        if let Some(cause) = store.unreachable().cloned() {
            return Self::open_offline(store, version, &cause).await;
        }
        let version = match version.version {
            Some(version) => version,
            None => match store.announcements().latest(None).await?.map_or(0, |latest| latest.current()) {
                0 => store
                    .manifests()
                    .head()
                    .await?
                    .ok_or_else(|| Failure::no(format!("store {} has no version yet; publish one", store.url())))?,
                version => version,
            },
        };
        let manifest = read_manifest(&store, version).await?;
        Ok(Self { store, manifest })
    }

    /// Opens the version that this host last knew.
    async fn open_offline(store: Store, wanted: &VersionArgument, cause: &kapok_blobstore::Error) -> Result<Self> {
        let known = store.last_known().await?;
        let known = known.filter(|known| wanted.version.is_none_or(|version| version == known.manifest.version));
        let Some(LastKnown { manifest, answered_at, .. }) = known else {
            return Err(Failure::of(cause.kind(), cause.to_string()));
        };
        let text = format!(
            "the store cannot be reached: this is version {}, which was current at {}, the last time that this host reached it: {cause}",
            manifest.version,
            time(answered_at)
        );
        warn(is_json(), &text);
        Ok(Self { store, manifest })
    }

    /// A view of one record type; the blobs of others are not touched.
    pub async fn view(self, record_type: &str) -> Result<View> {
        self.manifest.expect_record_type(record_type)?;
        self.view_of(&BTreeSet::from([record_type.to_owned()])).await
    }

    /// Opens one record type and those that references join with it, in either direction.
    pub async fn view_with_references(self, record_type: &str) -> Result<View> {
        self.manifest.expect_record_type(record_type)?;
        let mut joins = Vec::new();
        for ty in &self.manifest.record_types {
            let targets = self.manifest.schema.referred_types(ty.type_id)?;
            joins.extend(targets.into_iter().map(|target| (ty.name.clone(), target)));
        }
        let mut names = BTreeSet::from([record_type.to_owned()]);
        loop {
            let known = names.len();
            for (from, to) in &joins {
                if names.contains(from) || names.contains(to) {
                    names.extend([from.clone(), to.clone()]);
                }
            }
            if names.len() == known {
                return self.view_of(&names).await;
            }
        }
    }

    async fn view_of(mut self, record_types: &BTreeSet<String>) -> Result<View> {
        self.manifest.record_types.retain(|ty| record_types.contains(&ty.name));
        self.whole_view().await
    }

    /// A view of all record types.
    pub async fn whole_view(self) -> Result<View> {
        let blobs = self.blobs().await?;
        Ok(View::open(Arc::new(self.manifest), &blobs)?)
    }

    /// Gets the blobs: those that this host has as they are, the others with a bar on a terminal.
    async fn blobs(&self) -> Result<BlobMap> {
        let mut have = BlobMap::new();
        for (id, blob) in self.store.blobs().on_host(self.manifest.blobs().collect()).await {
            have.insert(id, blob);
        }
        let loading = self.store.blobs().load(&self.manifest, &have);
        if self.store.local_path().is_some() {
            return Ok(loading.await?);
        }
        let (_, lacking) = have.held_and_lacking(&self.manifest);
        let len = lacking.iter().filter_map(|blob| blob.size).sum();
        Ok(while_downloading(&self.store, len, loading).await?)
    }
}

/// Reads the manifest of a version; the error of an unknown one lists those that there are.
pub async fn read_manifest(store: &Store, version: u64) -> Result<Manifest> {
    match store.manifests().read(version).await {
        Err(kapok_blobstore::Error::NotFound { .. }) => {
            let there = store.manifests().live().await?;
            let message = format!("version {version} does not exist; the store has {}", listed(&there));
            Err(Failure::of(ErrorKind::NotFound, message))
        }
        other => Ok(other?),
    }
}

fn listed(versions: &[u64]) -> String {
    if versions.is_empty() {
        return "none".to_owned();
    }
    let left_out = versions.len().saturating_sub(LISTED_MAX);
    let mut text = if left_out > 0 { format!("{left_out} older ones, ") } else { String::new() };
    let names: Vec<_> = versions[left_out..].iter().map(u64::to_string).collect();
    text.push_str(&names.join(", "));
    text
}

/// Formats a time by RFC 3339.
pub fn rfc3339(unix_ms: i64) -> String {
    match DateTime::from_timestamp_millis(unix_ms) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{unix_ms} ms"),
    }
}

/// Formats a time of the system by RFC 3339.
pub fn time(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Formats a hash as hexadecimal digits.
pub fn hex(id: [u8; 32]) -> String {
    kapok_blobstore::BlobId::from(id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_versions_the_newest_are_listed() {
        assert_eq!(listed(&[]), "none");
        assert_eq!(listed(&[1, 2, 3]), "1, 2, 3");
        let many: Vec<u64> = (1..=23).collect();
        assert!(listed(&many).starts_with("3 older ones, 4, 5"), "{}", listed(&many));
    }

    #[test]
    fn times_have_milliseconds_and_no_local_zone() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}
