//! How does a cycle become a version?
//!
//! populate → stage → write → verify → commit → announce: see [`Producer::run_cycle`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kapok_blobstore::{AnnouncementDraft, BlobId, BlobKind, CommitOutcome, PutOutcome, Store, Token, fresh_token};
use kapok_core::blobs::{Blob, Blobs};
use kapok_core::manifest::{Artifact, Changes, Manifest, RecordType, SegmentEntry, Tombstones};
use kapok_core::schema::{FieldKind, OlderSchema, Schema, StructType, VectorSpace};
use kapok_core::segment::{Encoding, SealSettings, SealedSegment, Segment, WRITER_REVISION};
use kapok_index::unique;

use crate::cycle::{Cycle, Populated, StagedType};
use crate::declaration::Evolution;
use crate::error::{BoxError, Error, Result};
use crate::report::{CycleReport, Outcome, Steps, TypeReport};

/// How a producer works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Who publishes, for people: stands in manifests and announcements.
    pub writer: String,
    /// How segments are cut.
    pub seal: SealSettings,
    /// Whether a version is announced as soon as it is committed.
    pub announcing: Announcing,
    /// How stored bytes are checked before the commit.
    pub verification: Verification,
}

/// Whether versions are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Announcing {
    /// As soon as they are committed.
    #[default]
    Always,
    /// By somebody else, later.
    Never,
}

/// How stored bytes are checked before the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verification {
    /// Opened again from the store, hashed, and walked through every pointer.
    #[default]
    Full,
    /// Opened again from the store: lengths, headers and roots.
    Open,
}

impl Default for Settings {
    fn default() -> Self {
        let writer = std::env::var("USER").unwrap_or_else(|_| "producer".to_owned());
        Self {
            writer: format!("{writer} pid={}", std::process::id()),
            seal: SealSettings::default(),
            announcing: Announcing::default(),
            verification: Verification::default(),
        }
    }
}

/// Publishes versions of a dataset.
#[derive(Clone, Debug)]
pub struct Producer {
    store: Store,
    settings: Settings,
}

impl Producer {
    /// Opens a store for writing, creating it where there is none: `memory://name`, `file:///path`, or a path.
    ///
    /// # Errors
    /// `Unavailable` or `Invalid` where the store cannot be written to.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Self::with_store(Store::open_for_writing(url).await?, Settings::default()))
    }

    /// Publishes to a store that is open for writing.
    pub fn with_store(store: Store, settings: Settings) -> Self {
        Self { store, settings }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings, to be changed between cycles.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Runs one cycle: the closure adds the whole dataset, every record of every type that it declares; record types that
    /// it does not touch are carried over.
    ///
    /// 1. **Populate**: the closure stages records; it runs on this task, and may use threads.
    /// 2. **Write**: segments and indexes are sealed and stored. Nothing refers to them yet.
    /// 3. **Verify**: what was stored is opened again and checked.
    /// 4. **Commit**: the manifest is put where no other producer's is yet.
    /// 5. **Announce**: consumers move.
    ///
    /// Dropped or failing at any point, it leaves the announced version as it was.
    ///
    /// # Errors
    /// `Invalid` for records that cannot be published, naming type, key and positions; `Conflict` where another producer
    /// committed the same version first; `Unavailable` where the store fails.
    pub async fn run_cycle(
        &self,
        populate: impl FnOnce(&Cycle) -> std::result::Result<(), BoxError>,
    ) -> Result<CycleReport> {
        let mut steps = Steps::default();
        let prior = self.head().await?;
        let token = fresh_token();

        let started = Instant::now();
        let cycle = Cycle::new(prior.clone());
        populate(&cycle).map_err(Error::from_populate)?;
        let populated = cycle.finish();
        steps.populate = started.elapsed();

        let started = Instant::now();
        let mut draft = Draft::new(prior.as_deref(), &populated)?;
        let mut types = Vec::new();
        let mut bytes_written = 0;
        for (name, staged) in &populated.types {
            let (entry, report, written) = self.write_type(staged, &mut draft).await?;
            draft.record_types.insert(name.clone(), entry);
            types.push(report);
            bytes_written += written;
        }
        steps.write = started.elapsed();

        let manifest = draft.into_manifest(prior.as_deref(), populated.tags.clone(), &self.settings, token)?;
        if let Some(prior) = prior.as_deref().filter(|prior| same_content(prior, &manifest)) {
            // A head that its producer could not announce is announced now.
            let started = Instant::now();
            self.announce(prior.version).await?;
            steps.announce = started.elapsed();
            let outcome = Outcome::Unchanged { version: prior.version };
            return Ok(CycleReport { outcome, types, steps, bytes_written });
        }

        let started = Instant::now();
        self.verify(&manifest, &populated).await?;
        steps.verify = started.elapsed();

        let started = Instant::now();
        self.commit(&manifest).await?;
        steps.commit = started.elapsed();

        let started = Instant::now();
        self.announce(manifest.version).await?;
        steps.announce = started.elapsed();
        let version = manifest.version;
        tracing::info!(version, bytes_written, total_ms = steps.total().as_millis(), "published");
        Ok(CycleReport { outcome: Outcome::Published { version }, types, steps, bytes_written })
    }

    /// The newest committed version.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` where it cannot be read.
    pub async fn head(&self) -> Result<Option<Arc<Manifest>>> {
        match self.store.head().await? {
            Some(version) => Ok(Some(Arc::new(self.store.read_manifest(version).await?))),
            None => Ok(None),
        }
    }

    /// Seals and stores the records of one type.
    async fn write_type(&self, staged: &StagedType, draft: &mut Draft) -> Result<(RecordType, TypeReport, u64)> {
        let stage = staged.join()?;
        let dimensions: Vec<(String, u32)> = stage.dimensions().map(|(name, n)| (name.to_owned(), n)).collect();
        draft.fix_dimensions(staged.encoding.type_id(), &dimensions)?;
        let rows = stage.len() as u64;
        let name = staged.encoding.record_type().to_owned();
        let mut report = TypeReport { name: name.clone(), rows, segments: 0, segment_bytes: 0, index_bytes: 0 };
        let mut entries = Vec::new();
        let mut written = 0;
        for sealed in stage.seal(self.settings.seal)? {
            let (entry, bytes) = self.write_segment(sealed?, staged).await?;
            report.segments += 1;
            report.segment_bytes += entry.bytes;
            report.index_bytes += entry.artifacts.iter().map(|index| index.bytes).sum::<u64>();
            written += bytes;
            entries.push(entry);
        }
        let type_id = staged.encoding.type_id();
        let entry = RecordType { name, type_id, key: staged.key.clone(), rows, segments: entries, changes: None };
        Ok((entry, report, written))
    }

    /// Stores a segment, and beside it makes and stores its index.
    async fn write_segment(&self, sealed: SealedSegment, staged: &StagedType) -> Result<(SegmentEntry, u64)> {
        let id = BlobId::from(sealed.id);
        let bytes = Bytes::from(sealed.bytes);
        let store = self.store.clone();
        let put = tokio::spawn({
            let bytes = bytes.clone();
            async move { store.put(BlobKind::Segment, id, bytes).await }
        });
        let segment = Segment::open(&self.store.blob_name(BlobKind::Segment, id), bytes.clone(), sealed.rows)?;
        let index = Bytes::from(unique::build(staged.encoding.key(), &segment)?);
        let index_id = BlobId::of(&index);
        let index_bytes = index.len() as u64;
        let mut written = 0;
        if self.store.put(BlobKind::Index, index_id, index).await? == PutOutcome::Written {
            written += index_bytes;
        }
        if put.await.map_err(|source| Error::Task { source })?? == PutOutcome::Written {
            written += bytes.len() as u64;
        }
        let artifact = Artifact {
            kind: unique::KIND.to_owned(),
            name: staged.key.join(","),
            id: *index_id.as_bytes(),
            bytes: index_bytes,
        };
        let entry = SegmentEntry {
            id: sealed.id,
            bytes: bytes.len() as u64,
            rows: sealed.rows,
            dead: 0,
            first_key: sealed.first_key,
            last_key: sealed.last_key,
            extents: sealed.extents,
            tombstones: Tombstones::None,
            artifacts: vec![artifact],
            writer_revision: WRITER_REVISION,
            sharing: staged.sharing,
            recipe: Vec::new(),
        };
        Ok((entry, written))
    }

    /// Opens again what this cycle stored, from the store, and checks it.
    async fn verify(&self, manifest: &Manifest, populated: &Populated) -> Result<()> {
        let blobs = self.store.load(manifest, &Blobs::new()).await?;
        for entry in &manifest.record_types {
            let Some(staged) = populated.types.get(&entry.name) else { continue };
            let ty = manifest.schema.struct_type(entry.type_id)?;
            debug_assert_eq!(ty.name, entry.name);
            let schema = Arc::clone(&manifest.schema);
            let encoding = Encoding::new(schema, entry.type_id, &entry.key, staged.sharing)?;
            for segment in &entry.segments {
                let Blob { name, bytes } = blobs.expect(&segment.id)?;
                let opened = Segment::open(name, bytes.clone(), segment.rows)?;
                for index in &segment.artifacts {
                    let Blob { name, bytes } = blobs.expect(&index.id)?;
                    let index = unique::UniqueIndex::open(name, bytes.clone(), segment.rows)?;
                    if self.settings.verification == Verification::Full {
                        index.verify(encoding.key(), &opened)?;
                    }
                }
                if self.settings.verification == Verification::Full {
                    encoding.verify(&opened, segment)?;
                    opened.verify_hash(&segment.id)?;
                }
            }
        }
        Ok(())
    }

    async fn commit(&self, manifest: &Manifest) -> Result<()> {
        match self.store.commit_manifest(manifest).await? {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Lost => {
                let winner = self.store.read_manifest(manifest.version).await;
                let winner = winner.map_or_else(|error| format!("unknown ({error})"), |winner| winner.writer);
                Err(Error::Conflict { version: manifest.version, winner })
            }
        }
    }

    async fn announce(&self, version: u64) -> Result<()> {
        if self.settings.announcing == Announcing::Always {
            let writer = self.settings.writer.as_str();
            self.store.announce(|latest| AnnouncementDraft::announce(latest, version, writer, "published")).await?;
        }
        Ok(())
    }
}

/// A manifest in the making.
struct Draft {
    schema: Schema,
    record_types: BTreeMap<String, RecordType>,
}

impl Draft {
    /// The record types that are carried over, and the schema of all.
    fn new(prior: Option<&Manifest>, populated: &Populated) -> Result<Self> {
        let mut record_types = BTreeMap::new();
        let mut schema = Schema::new();
        if let Some(prior) = prior {
            for ty in prior.record_types.iter().filter(|ty| !populated.types.contains_key(&ty.name)) {
                record_types.insert(ty.name.clone(), RecordType { changes: Some(Changes::default()), ..ty.clone() });
            }
            // A record type that is published anew leaves its old schema behind.
            let kept = prior
                .record_types
                .iter()
                .filter(|ty| populated.types.get(&ty.name).is_none_or(|staged| staged.evolution == Evolution::Append));
            schema = prior.schema.closure(kept.map(|ty| ty.type_id))?;
        }
        for staged in populated.types.values() {
            let ty = [staged.encoding.type_id()];
            schema = schema.evolve(staged.encoding.schema(), &ty, OlderSchema::Refuse)?;
            check_key(prior, staged)?;
        }
        Ok(Self { schema, record_types })
    }

    /// Writes down the dimensions of vectors that were not known before the first one.
    fn fix_dimensions(&mut self, type_id: u64, dimensions: &[(String, u32)]) -> Result<()> {
        for (path, dimension) in dimensions {
            let mut owner = type_id;
            let mut names = path.split('.').peekable();
            while let Some(name) = names.next() {
                let mut ty: StructType = (**self.schema.struct_type(owner)?).clone();
                let Some(field) = ty.fields.iter_mut().find(|field| field.name == name) else { break };
                if let (FieldKind::Group(id), Some(_)) = (&field.kind, names.peek()) {
                    owner = *id;
                    continue;
                }
                if let Some(VectorSpace { dimension: known @ 0, .. }) = &mut field.vector {
                    *known = *dimension;
                    self.schema.insert_struct(ty);
                }
                break;
            }
        }
        Ok(())
    }

    fn into_manifest(
        self,
        prior: Option<&Manifest>,
        tags: BTreeMap<String, String>,
        settings: &Settings,
        token: Token,
    ) -> Result<Manifest> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Manifest {
            version: prior.map_or(1, |prior| prior.version + 1),
            parent: prior.map(|prior| prior.version),
            created_unix_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            writer: settings.writer.clone(),
            writer_token: token,
            announce_itself: settings.announcing == Announcing::Always,
            schema: Arc::new(self.schema.closure(self.record_types.values().map(|ty| ty.type_id))?),
            record_types: self.record_types.into_values().collect(),
            tags,
        })
    }
}

/// A primary key stays what it is, unless the record type is published anew.
fn check_key(prior: Option<&Manifest>, staged: &StagedType) -> Result<()> {
    let known = prior.and_then(|prior| prior.record_type(staged.encoding.record_type()));
    match known {
        Some(known) if staged.evolution == Evolution::Append && known.key != staged.key => {
            let detail = format!(
                "the dataset's is {}, this one is {}; to change it, republish the record type",
                known.key.join(","),
                staged.key.join(",")
            );
            Err(kapok_core::Error::incompatible(format!("{} key", known.name), detail).into())
        }
        Some(known) if staged.evolution == Evolution::Append && known.type_id != staged.encoding.type_id() => {
            let detail = format!(
                "the dataset's type id is {:#018x}, this one's is {:#018x}; keep it, or republish the record type",
                known.type_id,
                staged.encoding.type_id()
            );
            Err(kapok_core::Error::incompatible(format!("record type {}", known.name), detail).into())
        }
        _ => Ok(()),
    }
}

/// Whether two versions hold the same records, schema, indexes and tags.
fn same_content(a: &Manifest, b: &Manifest) -> bool {
    let same_type = |(a, b): (&RecordType, &RecordType)| {
        a.name == b.name && a.type_id == b.type_id && a.key == b.key && a.segments == b.segments
    };
    a.schema == b.schema
        && a.tags == b.tags
        && a.record_types.len() == b.record_types.len()
        && a.record_types.iter().zip(&b.record_types).all(same_type)
}
