//! Stores whose every hash and checksum is right, and which nobody honest would have made.
//!
//! A case is made from its number alone: an honest store, in which a few files are changed (the marker, manifests,
//! announcements, segments, indexes, tombstones; merge sources, lists of changes, schemas), and every name that follows from
//! what they hold is made right again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use kapok_blobstore::{BlobId, Store};
use kapok_core::manifest::{Manifest, Tombstones};
use kapok_producer::Producer;
use kapok_samples::sealed;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::faults::films::{Films, publish, publish_some};

mod manifests;
mod newer;

pub use newer::{Newer, newer};

/// The files of a store, by name.
pub type Files = BTreeMap<String, Bytes>;

/// Folders of blobs.
const BLOBS: [&str; 3] = ["segments", "indexes", "tombstones"];

/// An honest store of films and ratings: full and incremental cycles, merges, dead rows within manifests and beside them.
///
/// # Panics
/// Where it cannot be made.
pub async fn honest() -> Files {
    let backend = Arc::new(InMemory::new());
    let store = Store::options()
        .writable()
        .object_store(Arc::clone(&backend) as Arc<dyn ObjectStore>, "")
        .open("test://honest");
    let mut settings = kapok_producer::ProducerSettings::default();
    let policy = &mut settings.merge_policy;
    (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (3, 0.5, 0, 1 << 20);
    let producer =
        Producer::builder(store.await.expect("a store")).settings(settings).open().await.expect("a producer");
    for step in 1..6 {
        let (before, after) = (Films::at(7, step - 1), Films::at(7, step));
        if step == 1 {
            publish(&producer, &after, step).await.expect("a cycle");
        } else {
            publish_some(&producer, &after, &Films::differing(&[&before, &after]), step).await.expect("a cycle");
        }
    }
    files(&*backend).await
}

/// What a backend holds.
///
/// # Panics
/// Where it cannot be read.
pub async fn files(backend: &dyn ObjectStore) -> Files {
    let mut out = Files::new();
    let listed: Vec<_> = backend.list(None).try_collect().await.expect("a listing");
    for meta in listed {
        let bytes = backend.get(&meta.location).await.expect("a file").bytes().await.expect("its bytes");
        out.insert(meta.location.to_string(), bytes);
    }
    out
}

/// A backend that holds these files.
///
/// # Panics
/// Never: memory takes them.
pub async fn backend(files: &Files) -> Arc<InMemory> {
    let backend = InMemory::new();
    for (name, bytes) in files {
        backend.put(&name.as_str().into(), bytes.clone().into()).await.expect("memory");
    }
    Arc::new(backend)
}

/// The store of a case, and what was done to it.
pub fn forged(honest: &Files, case: u64) -> (Files, Vec<String>) {
    let mut random = SmallRng::seed_from_u64(case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (mut files, mut done) = (honest.clone(), Vec::new());
    for _ in 0..random.random_range(1..4) {
        let names: Vec<String> = files.keys().cloned().collect();
        // Manifests say the most.
        let wanted = if random.random_bool(0.5) { "manifests/" } else { "" };
        let names: Vec<_> = names.into_iter().filter(|name| name.starts_with(wanted)).collect();
        let Some(name) = names.get(random.random_range(0..names.len().max(1))) else { continue };
        let what = change(&mut files, name, &mut random);
        done.push(format!("{name}: {what}"));
    }
    (files, done)
}

fn change(files: &mut Files, name: &str, random: &mut SmallRng) -> String {
    let folder = name.split('/').next().unwrap_or_default();
    let bytes = files[name].clone();
    if BLOBS.contains(&folder) {
        let mut changed = bytes.to_vec();
        let what = spoil(&mut changed, random);
        rename_blob(files, name, Bytes::from(changed));
        return what;
    }
    let Some((kind, payload)) = sealed::open(&bytes) else { return "left".to_owned() };
    let (payload, what) = match Manifest::decode(name, &payload) {
        Ok(mut manifest) if folder == "manifests" && random.random_bool(0.8) => {
            let what = manifests::change(&mut manifest, random);
            match manifest.encode() {
                Ok(payload) => (payload, what),
                Err(_) => return "cannot be encoded".to_owned(),
            }
        }
        _ => {
            let mut payload = payload.to_vec();
            let what = spoil(&mut payload, random);
            (payload, what)
        }
    };
    // A file in the place of another now and then.
    let kinds = [sealed::MARKER, sealed::MANIFEST, sealed::ANNOUNCEMENT, sealed::RETIRED_MANIFEST];
    let kind = if random.random_bool(0.02) { kinds[random.random_range(0..4)] } else { kind };
    files.insert(name.to_owned(), sealed::seal(kind, &payload));
    what
}

/// Puts a blob under its new hash, and has every manifest name it so.
fn rename_blob(files: &mut Files, name: &str, bytes: Bytes) {
    let Some((folder, old)) = name.split_once('/') else { return };
    let (Ok(old), new) = (old.parse::<BlobId>(), BlobId::of(&bytes)) else { return };
    let len = bytes.len() as u64;
    files.remove(name);
    files.insert(format!("{folder}/{new}"), bytes);
    let (old, new) = (*old.as_bytes(), *new.as_bytes());
    let swap = |id: &mut [u8; 32]| {
        let is_it = *id == old;
        *id = if is_it { new } else { *id };
        is_it
    };
    let names: Vec<String> = files.keys().filter(|name| name.starts_with("manifests/")).cloned().collect();
    for name in names {
        let Some(mut manifest) =
            sealed::open(&files[&name]).and_then(|(_, payload)| Manifest::decode(&name, &payload).ok())
        else {
            continue;
        };
        for ty in &mut manifest.record_types {
            for entry in &mut ty.segments {
                if swap(&mut entry.id) {
                    entry.size = len;
                }
                for artifact in &mut entry.artifacts {
                    if swap(&mut artifact.id) {
                        artifact.size = len;
                    }
                }
                for one in &mut entry.merged_from {
                    if swap(&mut one.segment) {
                        one.size = len;
                    }
                }
                if let Tombstones::Blob(id) = &mut entry.tombstones {
                    swap(id);
                }
            }
            let changes =
                ty.changes.iter_mut().flat_map(|changes| changes.added.iter_mut().chain(&mut changes.removed));
            for (id, _) in changes {
                swap(id);
            }
        }
        if let Ok(payload) = manifest.encode() {
            files.insert(name, sealed::seal(sealed::MANIFEST, &payload));
        }
    }
}

/// Changes bytes, words, pointers or the length.
fn spoil(bytes: &mut Vec<u8>, random: &mut SmallRng) -> String {
    if bytes.is_empty() {
        bytes.extend_from_slice(b"KAPOKUQ1");
    }
    let times = random.random_range(1..4);
    let mut what = Vec::new();
    for _ in 0..times {
        let len = bytes.len().max(1);
        let word = random.random_range(0..len.div_ceil(8)) * 8;
        let kind = random.random_range(0..6_u8);
        match kind {
            0 => bytes[random.random_range(0..len)] ^= 1 << random.random_range(0..8),
            1 => bytes[random.random_range(0..len)] = random.random(),
            2 | 3 => {
                let values = [0, u64::MAX, 1, 1 << 32, random.random(), 0xffff_fffc, u64::from(u32::MAX) << 32 | 1];
                let value = values[random.random_range(0..values.len())].to_le_bytes();
                let end = (word + 8).min(bytes.len());
                bytes[word..end].copy_from_slice(&value[..end - word]);
            }
            4 => bytes.truncate(random.random_range(0..=len)),
            _ => {
                let from = random.random_range(0..len.div_ceil(8)) * 8;
                let end = (from + 8).min(len);
                let copy = bytes[from..end].to_vec();
                let end = (word + copy.len()).min(len);
                bytes[word..end].copy_from_slice(&copy[..end - word]);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
        what.push(format!("kind {kind} at {word}"));
    }
    what.join(", ")
}
