//! The records of the demo: a sample of real packages, and the changes that Debian's backports make to it.

use std::collections::BTreeMap;

use kapok_ingest::Value;

use super::KEY;
use super::reader::Probe;
use crate::failure::Result;
use crate::publish::{Input, Lines};

/// Every 21st package of Debian 12, with security and stable updates.
const SAMPLE: &[u8] = include_bytes!("../../../examples/data/debian-sample.jsonl.zst");
/// Packages of the sample that the backports change, and some of those that they add.
const BACKPORTS: &[u8] = include_bytes!("../../../examples/data/debian-backports.jsonl.zst");
/// Packages of the sample that the second version removes.
const GONE: &str = include_str!("../../../examples/data/debian-backports-gone.txt");

/// Returns the records of the first version.
pub fn first() -> Input {
    Input::bundled("the bundled sample", SAMPLE)
}

/// Changes from the first version to the second.
pub struct Changes {
    /// Records that are new or have another content.
    pub upserts: Vec<Value>,
    /// Keys of records that are deleted.
    pub gone: Vec<&'static str>,
    /// Each key of both versions, with what is expected there.
    pub probes: Vec<Probe>,
}

impl Changes {
    /// Reads both samples, and derives what a reader must find.
    pub fn read() -> Result<Self> {
        let mut probes = BTreeMap::new();
        records(&first(), |key, version, _| {
            probes.insert(key.clone(), Probe { key, before: Some(version.clone()), after: Some(version) });
        })?;
        let mut upserts = Vec::new();
        records(&Input::bundled("the bundled backports", BACKPORTS), |key, version, record| {
            let probe = probes.entry(key.clone()).or_insert(Probe { key, before: None, after: None });
            probe.after = Some(version);
            upserts.push(record.clone());
        })?;
        let gone: Vec<_> = GONE.lines().collect();
        for key in &gone {
            if let Some(probe) = probes.get_mut(*key) {
                probe.after = None;
            }
        }
        Ok(Self { upserts, gone, probes: probes.into_values().collect() })
    }
}

fn records(input: &Input, mut each: impl FnMut(String, String, &Value)) -> Result<()> {
    Lines { input, threads: 1, what: "reading" }.in_order(|_, record| {
        if let (Some(key), Some(version)) = (text(record, KEY), text(record, "version")) {
            each(key.to_owned(), version.to_owned(), record);
        }
        Ok(())
    })
}

fn text<'v>(record: &'v Value, name: &str) -> Option<&'v str> {
    let Value::Struct(members) = record else { return None };
    match members.iter().find(|(it, _)| it == name) {
        Some((_, Value::Text(text))) => Some(text),
        _ => None,
    }
}
