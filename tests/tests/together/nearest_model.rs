//! Exact searches give what a naive reading does, over random schemas with several fields of vectors, and random histories.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]

use std::collections::BTreeMap;
use std::sync::Arc;

use kapok_core::manifest::BlobMap;
use kapok_core::schema::{FieldType, Metric, Schema, StructType, Type, VectorElement, VectorSpace};
use kapok_index::View;
use kapok_index::nearest::{Effort, SearchSettings};
use kapok_producer::{Declaration, Producer};
use kapok_tests::model::Random;
use kapok_tests::scale::scaled;

const RECORD: u64 = 1 << 63 | 0x77;
const FIELDS_MAX: usize = 5;

/// What the elements of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    F32,
    F16,
    BF16,
    I8,
    U8,
    Bit,
}

const ELEMENTS: [Element; 6] = [Element::F32, Element::F16, Element::BF16, Element::I8, Element::U8, Element::Bit];

/// A field of vectors: its number is its place among all.
#[derive(Clone, Debug)]
struct Field {
    name: String,
    element: Element,
    metric: Metric,
    dimension: usize,
    /// Whether it is a member of the union, of which a record has one at most.
    is_member: bool,
}

impl Field {
    fn random(place: usize, r: &mut Random) -> Self {
        let element = *r.pick(&ELEMENTS);
        let metrics = [Metric::L2, Metric::Cosine, Metric::InnerProduct];
        let metric = if element == Element::Bit { Metric::Hamming } else { *r.pick(&metrics) };
        let dimension = if element == Element::Bit { 8 * (1 + r.below(5)) } else { 1 + r.below(20) };
        Self { name: format!("v{place}"), element, metric, dimension: dimension as usize, is_member: r.below(3) == 0 }
    }

    fn slot(&self, place: usize, discriminant: u16) -> FieldType {
        let list = |ty| Type::List(Box::new(ty));
        let (ty, element) = match self.element {
            Element::F32 => (list(Type::Float32), VectorElement::AsType),
            Element::F16 => (list(Type::UInt16), VectorElement::Float16),
            Element::BF16 => (list(Type::UInt16), VectorElement::BFloat16),
            Element::I8 => (list(Type::Int8), VectorElement::AsType),
            Element::U8 => (list(Type::UInt8), VectorElement::AsType),
            Element::Bit => (Type::Data, VectorElement::Bit),
        };
        let space = VectorSpace { dimension: self.dimension as u32, metric: self.metric, element };
        let mut slot = FieldType::slot(&self.name, place as u16 + 3, place as u32, ty);
        slot.vector = Some(space);
        slot.discriminant = self.is_member.then_some(discriminant);
        slot
    }

    /// A vector that the elements hold as it is.
    fn vector(&self, r: &mut Random) -> Vec<f32> {
        let zero = r.below(25) == 0;
        let number = |r: &mut Random| match self.element {
            _ if zero => 0.0,
            Element::Bit => f32::from(r.below(2) as u8),
            Element::U8 => f32::from(r.below(256) as u8),
            Element::I8 => f32::from(r.below(256) as u8) - 128.0,
            _ => (f32::from(r.below(40) as u8) - 20.0) * 0.5,
        };
        (0..self.dimension).map(|_| number(r)).collect()
    }

    /// The elements as JSON takes them.
    fn json(&self, vector: &[f32]) -> String {
        let texts: Vec<String> = match self.element {
            Element::F16 => vector.iter().map(|x| half(*x).to_string()).collect(),
            Element::BF16 => vector.iter().map(|x| (x.to_bits() >> 16).to_string()).collect(),
            Element::Bit => {
                let byte = |bits: &[f32]| bits.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit > 0.0));
                vector.chunks(8).map(|bits| byte(bits).to_string()).collect()
            }
            _ => vector.iter().map(f32::to_string).collect(),
        };
        format!("[{}]", texts.join(","))
    }

    fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        let sum = |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f((*a).into(), (*b).into())).sum::<f64>();
        match self.metric {
            Metric::L2 => sum(|a, b| (a - b) * (a - b)).sqrt(),
            Metric::InnerProduct => -sum(|a, b| a * b),
            Metric::Cosine => {
                let norms = sum(|a, _| a * a).sqrt() * sum(|_, b| b * b).sqrt();
                if norms == 0.0 { 1.0 } else { 1.0 - sum(|a, b| a * b) / norms }
            }
            _ => sum(|a, b| (a - b).abs()),
        }
    }
}

/// A number of few bits as a 16-bit float.
fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    if x == 0.0 { sign } else { sign | ((bits >> 13) - (112 << 10)) as u16 & 0x7fff }
}

/// The vectors of a record, of each field.
type Record = Vec<Option<Vec<f32>>>;

/// A store, and what it is to hold.
struct History {
    producer: Producer,
    /// All fields that there will be.
    fields: Vec<Field>,
    /// How many of them there are.
    declared: usize,
    model: BTreeMap<u32, Record>,
    r: Random,
}

impl History {
    async fn new(seed: u64) -> Self {
        let mut r = Random::new(seed);
        let fields = (0..=r.below(FIELDS_MAX as u32) as usize).map(|place| Field::random(place, &mut r)).collect();
        let producer = Producer::open(&format!("memory://nearest-model-{seed}")).await.unwrap();
        let mut history = Self { producer, fields, declared: 0, model: BTreeMap::new(), r };
        history.declared = history.r.below(history.fields.len() as u32) as usize + 1;
        history
    }

    fn declaration(&self) -> Declaration {
        let mut fields = vec![FieldType::slot("id", 0, 0, Type::UInt32)];
        let mut members = 0;
        for name in ["none", "other"] {
            let mut member = FieldType::slot(name, members + 1, 0, Type::Void);
            member.discriminant = Some(members);
            fields.push(member);
            members += 1;
        }
        for (place, field) in self.fields[..self.declared].iter().enumerate() {
            fields.push(field.slot(place, members));
            members += u16::from(field.is_member);
        }
        let record = StructType {
            data_words: 1,
            pointer_words: self.declared as u16,
            discriminant_count: members,
            discriminant_offset: 2,
            ..StructType::new(RECORD, "Hut", fields)
        };
        let mut schema = Schema::new();
        schema.insert_struct(record);
        Declaration::new(schema, RECORD).unwrap().key(["id"])
    }

    fn record(&mut self) -> Record {
        let mut member = None;
        let (fields, r) = (&self.fields[..self.declared], &mut self.r);
        let of = |field: &Field| {
            let vector = (r.below(4) > 0).then(|| field.vector(r))?;
            if field.is_member && member.replace(()).is_some() { None } else { Some(vector) }
        };
        fields.iter().map(of).collect()
    }

    fn json(&self, id: u32, record: &Record) -> String {
        let mut members = vec![format!("\"id\":{id}")];
        for (field, vector) in self.fields.iter().zip(record) {
            members.extend(vector.as_ref().map(|vector| format!("\"{}\":{}", field.name, field.json(vector))));
        }
        format!("{{{}}}", members.join(","))
    }

    /// Publishes all records, or changes some.
    async fn step(&mut self) {
        let declaration = self.declaration();
        let (ids, is_full) = (260, self.model.is_empty() || self.r.below(6) == 0);
        let mut changes: BTreeMap<u32, Option<Record>> = BTreeMap::new();
        for _ in 0..if is_full { 300 } else { 1 + self.r.below(60) } {
            let id = self.r.below(ids);
            let record = (self.r.below(3) > 0).then(|| self.record());
            changes.insert(id, record);
        }
        for (id, record) in &changes {
            match record {
                Some(record) => _ = self.model.insert(*id, record.clone()),
                None => _ = self.model.remove(id),
            }
        }
        if is_full {
            let cycle = self.producer.run_cycle(|cycle| {
                cycle.declare(&declaration)?;
                let mut huts = cycle.values("Hut")?;
                let mut all = self.model.iter();
                Ok(all.try_for_each(|(id, record)| huts.add_json(self.json(*id, record).as_bytes()))?)
            });
            cycle.await.unwrap();
            return;
        }
        let cycle = self.producer.run_incremental_cycle(|cycle| {
            cycle.declare(&declaration)?;
            let mut huts = cycle.values("Hut")?;
            for (id, record) in &changes {
                match record {
                    Some(record) => huts.upsert_json(self.json(*id, record).as_bytes())?,
                    None => drop(huts.delete(id)?),
                }
            }
            Ok(())
        });
        cycle.await.unwrap();
    }

    async fn view(&self) -> View {
        let store = self.producer.store();
        let version = store.manifests().head().await.unwrap().unwrap();
        let manifest = store.manifests().read(version).await.unwrap();
        let blobs = store.blobs().load(&manifest, &BlobMap::new()).await.unwrap();
        View::open(Arc::new(manifest), &blobs).unwrap()
    }

    /// Compares searches with a naive reading; the number of hits.
    async fn check(&mut self) -> usize {
        let view = self.view().await;
        let ids = view.field::<u32>("Hut.id").unwrap();
        let mut found = 0;
        for place in 0..self.declared {
            let field = self.fields[place].clone();
            let nearest = view.nearest(&format!("Hut.{}", field.name)).unwrap();
            for k in [1, 7, 1000] {
                let query = field.vector(&mut self.r);
                let wanted = self.r.below(5);
                let is_filtered = self.r.below(2) == 0;
                let filter = nearest.filter_by(|row_id| ids.get(row_id).unwrap() % 5 != wanted);
                let settings = SearchSettings {
                    effort: Effort::Exact,
                    filter: Some(&filter).filter(|_| is_filtered),
                    ..SearchSettings::new(k)
                };
                let hits = nearest.search(&query, &settings).unwrap();
                let of = |(id, record): (&u32, &Record)| {
                    let vector = record.get(place)?.as_ref()?;
                    (!is_filtered || id % 5 != wanted).then(|| field.distance(&query, vector))
                };
                let mut naive: Vec<f64> = self.model.iter().filter_map(of).collect();
                naive.sort_by(f64::total_cmp);
                let when = format!("version {} {field:?} k={k}", view.version());
                assert_eq!(hits.len(), k.min(naive.len()), "{when}");
                let is_near = |a: f32, b: f64| (f64::from(a) - b).abs() <= 1e-5 * (1.0 + b.abs());
                for (hit, naive) in hits.iter().zip(&naive) {
                    let id = ids.get(hit.row_id).unwrap();
                    let vector = self.model[&id][place].as_ref().unwrap_or_else(|| panic!("{when}: {id} has none"));
                    assert!(is_near(hit.distance, field.distance(&query, vector)), "{when}: {id} {hit:?}");
                    assert!(is_near(hit.distance, *naive), "{when}: {hit:?} where {naive} is the next");
                }
                assert!(hits.is_sorted_by(|a, b| (a.distance, a.row_id) < (b.distance, b.row_id)), "{when}");
                found += hits.len();
            }
        }
        found
    }
}

#[tokio::test]
async fn exact_searches_equal_naive_ones_over_random_schemas_and_histories() {
    let mut found = 0;
    for seed in 0..u64::from(scaled(12)) {
        let mut history = History::new(seed).await;
        for turn in 0..8 {
            if turn > 0 && history.r.below(3) == 0 {
                let place = history.r.below(history.declared as u32) as usize;
                history.fields[place].name = format!("v{place}x{turn}");
            }
            if history.r.below(3) == 0 {
                history.declared = (history.declared + 1).min(history.fields.len());
            }
            history.step().await;
            found += history.check().await;
        }
    }
    assert!(found > 10_000, "{found}");
}
