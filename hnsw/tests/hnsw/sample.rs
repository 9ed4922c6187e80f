//! Vectors that depend on a seed alone, and what is nearest to one by a naive reading.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

use std::num::NonZeroUsize;

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_distance::Rows;
use kapok_hnsw::{
    BuildSettings, CodeKind, Codes, Found, Graph, Order, Query, RowSet, Scratch, Search, Vectors, Wanted,
};
use kapok_samples::random::Random;

pub const SETTINGS: BuildSettings = BuildSettings { m: 16, m0: 32, ef_construction: 100 };

pub fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Returns a number around 0, mostly within -2 to 2.
fn bell(r: &mut Random) -> f32 {
    (0..4).map(|_| r.below(1 << 16) as f32 / 65536.0).sum::<f32>() - 2.0
}

fn half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    if x.abs() < 6.2e-5 { sign } else { sign | ((bits >> 13) - (112 << 10)) as u16 & 0x7fff }
}

/// Writes numbers around 0 as elements.
fn encode(element: ElementType, numbers: &[f32]) -> Vec<u8> {
    match element {
        ElementType::Float32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ElementType::Float16 => numbers.iter().flat_map(|x| half(*x).to_le_bytes()).collect(),
        ElementType::BFloat16 => numbers.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect(),
        ElementType::Int8 => numbers.iter().map(|x| (x * 30.0).clamp(-128.0, 127.0) as i8 as u8).collect(),
        ElementType::UInt8 => numbers.iter().map(|x| (x * 30.0 + 128.0).clamp(0.0, 255.0) as u8).collect(),
        ElementType::Bit => {
            numbers.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, x| byte << 1 | u8::from(*x > 0.0))).collect()
        }
        other => panic!("{other}"),
    }
}

/// Rows of vectors that all have one.
pub struct Sample {
    pub element: ElementType,
    pub metric: Metric,
    pub dimension: usize,
    pub rows: u32,
    stride: usize,
    bytes: Vec<u8>,
}

impl Sample {
    pub fn of(element: ElementType, metric: Metric, vectors: &[Vec<f32>]) -> Self {
        let dimension = vectors.first().map_or(16, Vec::len);
        let stride = element.vector_bytes(dimension as u32).unwrap().next_multiple_of(8);
        let mut bytes = Vec::new();
        for vector in vectors {
            bytes.extend(encode(element, vector));
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        Self { element, metric, dimension, rows: vectors.len() as u32, stride, bytes }
    }

    /// So many rows around so many centres.
    pub fn clustered(element: ElementType, metric: Metric, rows: usize, dimension: usize, centres: usize) -> Self {
        Self::of(element, metric, &clustered(rows, dimension, centres, 1))
    }

    pub fn vectors(&self) -> Vectors<'_> {
        let row_bytes = self.element.vector_bytes(self.dimension as u32).unwrap();
        let rows = Rows::new(&self.bytes, 0, self.stride, row_bytes, self.rows).unwrap();
        Vectors::of_rows("sample", rows, self.element, self.dimension as u32, self.metric).unwrap()
    }

    /// The bytes of a row's vector.
    pub fn row(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * self.stride..][..self.element.vector_bytes(self.dimension as u32).unwrap()]
    }

    /// A row as numbers, bits as 0 and 1.
    pub fn numbers(&self, row: u32) -> Vec<f32> {
        let mut out = Vec::new();
        self.element.widen(self.row(row), &mut out);
        out
    }

    /// The nearest rows, the lower first of those at one distance.
    pub fn naive(&self, query: &[f32], k: usize, is_wanted: impl Fn(u32) -> bool) -> Vec<(f64, u32)> {
        let rows = (0..self.rows).filter(|row| is_wanted(*row));
        let mut found: Vec<_> = rows.map(|row| (distance(self.metric, query, &self.numbers(row)), row)).collect();
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        found.truncate(k);
        found
    }

    pub fn codes(&self, kind: CodeKind) -> Vec<u8> {
        kapok_hnsw::encode(kind, &self.vectors(), threads(2))
    }

    pub fn open_codes<'a>(&self, kind: CodeKind, body: &'a [u8]) -> Codes<'a> {
        Codes::open("codes", 0, body, kind, self.metric, self.dimension as u32, self.rows).unwrap()
    }

    pub fn build(&self, codes: Option<&Codes<'_>>, order: &Order, on: usize) -> Vec<u8> {
        match codes {
            Some(codes) => kapok_hnsw::build(codes, order, &SETTINGS, None, threads(on), &mut |_| {}),
            None => kapok_hnsw::build(&self.vectors(), order, &SETTINGS, None, threads(on), &mut |_| {}),
        }
    }
}

pub fn clustered(rows: usize, dimension: usize, centres: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut r = Random::new(centres as u64);
    let centres: Vec<Vec<f32>> = (0..centres).map(|_| (0..dimension).map(|_| bell(&mut r)).collect()).collect();
    let mut r = Random::new(seed << 32);
    let near = |r: &mut Random| {
        let centre = r.below(centres.len());
        centres[centre].iter().map(|x| x + 0.6 * bell(r)).collect()
    };
    (0..rows).map(|_| near(&mut r)).collect()
}

pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f((*a).into(), (*b).into())).sum::<f64>();
    let dot = sum(|a, b| a * b);
    match metric {
        Metric::L2 => sum(|a, b| (a - b) * (a - b)).sqrt(),
        Metric::InnerProduct => 0.0 - dot,
        Metric::Hamming => sum(|a, b| (a - b).abs()),
        _ => {
            let norms = sum(|a, _| a * a).sqrt() * sum(|_, b| b * b).sqrt();
            if norms == 0.0 { 1.0 } else { 1.0 - dot / norms }
        }
    }
}

/// Orders rows by hashes that depend on the number alone.
pub fn order(rows: impl IntoIterator<Item = u32>) -> Order {
    Order::new(rows.into_iter().map(|row| (Random::new(row.into()).next(), row)), SETTINGS.m)
}

pub fn wanted(k: usize, ef: usize) -> Wanted {
    Wanted { k, ef, is_exact: false }
}

pub const EXACT: Wanted = Wanted { k: 10, ef: 10, is_exact: true };

pub fn search(search: &Search<'_>, query: &Query, wanted: &Wanted, allowed: Option<&RowSet>) -> Vec<Found> {
    search.nearest(&mut Scratch::default(), query, wanted, allowed, &|| false).unwrap().0
}

/// What a sample is searched by.
pub struct Built {
    pub sample: Sample,
    kind: Option<CodeKind>,
    codes: Vec<u8>,
    graph: Vec<u8>,
}

impl Built {
    pub fn new(sample: Sample, kind: Option<CodeKind>) -> Self {
        let codes = kind.map(|kind| sample.codes(kind)).unwrap_or_default();
        let opened = kind.map(|kind| sample.open_codes(kind, &codes));
        let graph = sample.build(opened.as_ref(), &order(0..sample.rows), 2);
        Self { sample, kind, codes, graph }
    }

    pub fn search(&self) -> Search<'_> {
        Search {
            vectors: self.sample.vectors(),
            codes: self.kind.map(|kind| self.sample.open_codes(kind, &self.codes)),
            graph: Some(Graph::open("graph", 0, &self.graph, self.sample.rows).unwrap()),
        }
    }

    /// The share of the nearest that is found for some queries, where a row as near as the last of them counts.
    pub fn recall(
        &self,
        queries: &[Vec<f32>],
        wanted: &Wanted,
        allowed: Option<&RowSet>,
        check: impl Fn(kapok_hnsw::Strategy),
    ) -> f64 {
        let searched = self.search();
        let (mut scratch, mut hits, mut all) = (Scratch::default(), 0, 0);
        for query in queries {
            let is_allowed = |row| allowed.is_none_or(|allowed| allowed.contains(row));
            let nearest = self.sample.naive(query, wanted.k, is_allowed);
            let prepared = searched.vectors.query(query).unwrap();
            let (found, strategy) = searched.nearest(&mut scratch, &prepared, wanted, allowed, &|| false).unwrap();
            check(strategy);
            assert_eq!(found.len(), nearest.len());
            assert!(found.iter().all(|found| is_allowed(found.row)));
            let farthest = nearest.last().map_or(0.0, |last| last.0) + 1e-5;
            hits += found.iter().filter(|found| f64::from(found.distance) <= farthest).count();
            all += nearest.len();
        }
        hits as f64 / all as f64
    }

    /// Vectors of the same kind as those of the sample, from the same centres.
    pub fn queries(&self, centres: usize, count: usize) -> Vec<Vec<f32>> {
        let vectors = clustered(count, self.sample.dimension, centres, 99);
        let queries = Sample::of(self.sample.element, self.sample.metric, &vectors);
        (0..queries.rows).map(|row| queries.numbers(row)).collect()
    }
}
