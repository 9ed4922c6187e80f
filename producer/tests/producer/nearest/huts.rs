//! Records with several vectors, and a naive reading of what is nearest.
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kapok_core::manifest::BlobMap;
use kapok_core::schema::{FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace};
use kapok_index::nearest::{Effort, Hit, SearchSettings};
use kapok_index::{Nearest, View};
use kapok_producer::{Declaration, Producer, Value};

const RECORD: u64 = 1 << 63 | 0x4d;
pub const DIMENSION: usize = 8;

/// Numbers that depend on the seed alone.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

/// A field of vectors.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub metric: Metric,
}

pub const FIELDS: [Field; 3] = [
    Field { name: "embedding", metric: Metric::L2 },
    Field { name: "portrait", metric: Metric::Cosine },
    Field { name: "marks", metric: Metric::Hamming },
];

/// A record: its vectors are floats, 8-bit numbers in a union, and bits.
#[derive(Clone, Debug, Default)]
pub struct Hut {
    pub vectors: [Option<Vec<f32>>; 3],
}

impl Hut {
    pub fn random(r: &mut Numbers) -> Self {
        // Few numbers, so that some are at one distance, and some vectors are of zeros.
        let zero = r.below(20) == 0;
        let mut numbers = |few: usize| -> Vec<f32> {
            (0..DIMENSION).map(|_| if zero { 0.0 } else { r.below(few) as f32 - 2.0 }).collect()
        };
        let (floats, bytes) = (numbers(7).iter().map(|x| x * 0.75).collect(), numbers(9));
        let bits = (0..DIMENSION * 4).map(|_| r.below(2) as f32).collect();
        let vectors = [Some(floats), Some(bytes), Some(bits)];
        Self { vectors: vectors.map(|vector| vector.filter(|_| r.below(4) > 0)) }
    }

    /// The record in JSON, by the names that fields have.
    pub fn json(&self, id: i32, names: [&str; 3]) -> String {
        let mut members = vec![format!("\"id\":{id}")];
        for ((vector, name), field) in self.vectors.iter().zip(names).zip(FIELDS) {
            let Some(vector) = vector else { continue };
            let texts: Vec<String> = if field.metric == Metric::Hamming {
                let byte = |bits: &[f32]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit > 0.0));
                vector.chunks(8).map(|bits| byte(bits).to_string()).collect()
            } else {
                vector.iter().map(f32::to_string).collect()
            };
            members.push(format!("\"{name}\":[{}]", texts.join(",")));
        }
        format!("{{{}}}", members.join(","))
    }
}

/// The schema, whose fields have these names.
pub fn declaration(names: [&str; 3]) -> Declaration {
    let vector = |place: usize, offset: u32, ty: Type, element, dimension: usize| {
        let space = VectorSpace { dimension: dimension as u32, metric: FIELDS[place].metric, element };
        FieldType { vector: Some(space), ..FieldType::slot(names[place], place as u16 + 1, offset, ty) }
    };
    let of = |ty| Type::List(Box::new(ty));
    let embedding = vector(0, 0, of(Type::Float32), VectorElement::AsType, DIMENSION);
    let mut portrait = vector(1, 1, of(Type::Int8), VectorElement::AsType, DIMENSION);
    portrait.discriminant = Some(1);
    let marks = vector(2, 2, Type::Data, VectorElement::Bit, DIMENSION * 4);
    let mut none = FieldType::slot("none", 4, 0, Type::Void);
    none.discriminant = Some(0);
    let fields = vec![FieldType::slot("id", 0, 0, Type::Int32), embedding, portrait, marks, none];
    let record = StructType {
        data_words: 1,
        pointer_words: 3,
        discriminant_count: 2,
        discriminant_offset: 2,
        ..StructType::new(RECORD, "Hut", fields)
    };
    let mut schema = Schema::new();
    schema.insert_struct(record);
    Declaration::new(schema, RECORD).unwrap().key(["id"])
}

/// Records by their keys, and the store that has them.
pub struct Huts {
    pub producer: Producer,
    pub model: BTreeMap<i32, Hut>,
    pub names: [&'static str; 3],
}

impl Huts {
    pub async fn open(url: &str) -> Self {
        let producer = Producer::open(url).await.unwrap();
        Self { producer, model: BTreeMap::new(), names: FIELDS.map(|field| field.name) }
    }

    /// Publishes all of these.
    pub async fn publish(&mut self, huts: BTreeMap<i32, Hut>) {
        self.model = huts;
        let cycle = self.producer.run_cycle(|cycle| {
            cycle.declare(&declaration(self.names))?;
            let mut huts = cycle.values("Hut")?;
            for (id, hut) in &self.model {
                huts.add(&Value::from_json(hut.json(*id, self.names).as_bytes())?)?;
            }
            Ok(())
        });
        cycle.await.unwrap();
    }

    /// Publishes changes: `None` deletes.
    pub async fn change(&mut self, changes: BTreeMap<i32, Option<Hut>>) {
        let cycle = self.producer.run_incremental_cycle(|cycle| {
            cycle.declare(&declaration(self.names))?;
            let mut huts = cycle.values("Hut")?;
            for (id, hut) in &changes {
                match hut {
                    Some(hut) => huts.upsert(&Value::from_json(hut.json(*id, self.names).as_bytes())?)?,
                    None => drop(huts.delete(id)?),
                }
            }
            Ok(())
        });
        cycle.await.unwrap();
        for (id, hut) in changes {
            match hut {
                Some(hut) => self.model.insert(id, hut),
                None => self.model.remove(&id),
            };
        }
    }

    /// Opens the newest version, and verifies all of it.
    pub async fn view(&self) -> View {
        let store = self.producer.store();
        let version = store.manifests().head().await.unwrap().unwrap();
        let manifest = store.manifests().read(version).await.unwrap();
        let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.unwrap();
        let view = View::open(Arc::new(manifest), &blobs).unwrap();
        view.verify_new(&blobs, |_| true).unwrap();
        view
    }

    /// The distances of all records that have the vector, the nearest first.
    pub fn naive(&self, place: usize, query: &[f32]) -> Vec<(f64, i32)> {
        let of =
            |(id, hut): (&i32, &Hut)| Some((distance(FIELDS[place].metric, query, hut.vectors[place].as_ref()?), *id));
        let mut all: Vec<_> = self.model.iter().filter_map(of).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all
    }

    /// Searches, and asserts that each hit is a record at its distance, and that there are as many as can be; the share of the
    /// nearest that is found.
    #[track_caller]
    pub fn check(&self, view: &View, place: usize, query: &[f32], settings: &SearchSettings<'_>) -> f64 {
        let naive = self.naive(place, query);
        let nearest = view.nearest(&format!("Hut.{}", self.names[place])).unwrap();
        let hits = nearest.search(query, settings).unwrap();
        let keys = keys(view, &hits);
        let wanted = settings.k.min(naive.len());
        assert_eq!(hits.len(), wanted, "{place} {settings:?}");
        assert!(hits.is_sorted_by(|a, b| (a.distance, a.row_id) < (b.distance, b.row_id)), "{hits:?}");
        for (hit, key) in hits.iter().zip(&keys) {
            let vector = self.model[key].vectors[place].as_ref().unwrap();
            let expected = distance(FIELDS[place].metric, query, vector);
            assert!((f64::from(hit.distance) - expected).abs() < 1e-5, "{key}: {hit:?} {expected}");
        }
        let farthest = naive.get(wanted.wrapping_sub(1)).map_or(0.0, |last| last.0) + 1e-5;
        let found = hits.iter().filter(|hit| f64::from(hit.distance) <= farthest).count();
        if settings.effort == Effort::Exact {
            assert_eq!(found, wanted, "an exact search misses some");
        }
        if wanted == 0 { 1.0 } else { found as f64 / wanted as f64 }
    }
}

pub fn keys(view: &View, hits: &[Hit]) -> Vec<i32> {
    let ids = view.field::<i32>("Hut.id").unwrap();
    hits.iter().map(|hit| ids.get(hit.row_id).unwrap()).collect()
}

/// The segments of a search: whether each has a graph, by walking which it was searched.
pub fn graphs(nearest: &Nearest<'_>) -> usize {
    nearest.graphs().count()
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f((*a).into(), (*b).into())).sum::<f64>();
    match metric {
        Metric::L2 => sum(|a, b| (a - b) * (a - b)).sqrt(),
        Metric::Hamming => sum(|a, b| (a - b).abs()),
        _ => {
            let norms = sum(|a, _| a * a).sqrt() * sum(|_, b| b * b).sqrt();
            if norms == 0.0 { 1.0 } else { 1.0 - sum(|a, b| a * b) / norms }
        }
    }
}
