//! Sets of vectors with queries and their exact answers.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use kapok_core::schema::Metric;

/// A set of vectors.
pub struct Set {
    pub name: &'static str,
    pub metric: Metric,
    pub dimension: usize,
    pub base: Vec<f32>,
    pub queries: Vec<f32>,
    /// For each query, the distances of the 1st, 10th and 100th nearest.
    pub limits: Vec<[f32; 3]>,
}

pub const K: usize = 10;
/// Numbers of nearest rows whose recall can be told.
pub const KS: [usize; 3] = [1, 10, 100];

impl Set {
    pub fn rows(&self) -> usize {
        self.base.len() / self.dimension
    }

    pub fn vector(&self, row: usize) -> &[f32] {
        &self.base[row * self.dimension..][..self.dimension]
    }

    pub fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks(self.dimension)
    }

    /// Measures as the metric does, in 64 bits.
    fn distance(&self, query: &[f32], row: usize) -> f32 {
        let pairs = query.iter().zip(self.vector(row));
        let sum: f64 = match self.metric {
            Metric::L2 => pairs.map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum(),
            _ => -pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "compared with a margin")]
        let distance = sum as f32;
        distance
    }

    /// Returns the share of the `k` nearest that was found: a row counts if it is no farther than the last of them.
    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    pub fn recall(&self, k: usize, found: &[Vec<usize>]) -> f64 {
        let which = KS.iter().position(|of| *of == k).unwrap();
        let hits: usize = self
            .queries()
            .zip(found)
            .zip(&self.limits)
            .map(|((query, rows), limits)| {
                let limit = limits[which] + limits[which].abs() * 1e-6;
                rows.iter().take(k).filter(|row| self.distance(query, **row) <= limit).count()
            })
            .sum();
        hits as f64 / (found.len() * k) as f64
    }

    /// Returns the set without its vectors and answers.
    pub fn without_answers(&self) -> Self {
        Self { base: Vec::new(), limits: Vec::new(), queries: self.queries.clone(), ..*self }
    }

    /// Replaces vectors by the middle between themselves and others, of their own length.
    pub fn change(&mut self, rows: &[u32], round: usize) {
        for row in rows {
            let other = (*row as usize * 7919 + round * 104_729) % self.rows();
            let mut middle: Vec<f32> =
                self.vector(*row as usize).iter().zip(self.vector(other)).map(|(a, b)| a + b).collect();
            let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            let factor = length(self.vector(*row as usize)) / length(&middle).max(1e-9);
            for x in &mut middle {
                *x *= factor;
            }
            self.base[*row as usize * self.dimension..][..self.dimension].copy_from_slice(&middle);
        }
    }

    /// Finds the exact answers.
    pub fn with_answers(mut self) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let queries: Vec<&[f32]> = self.queries().collect();
        let limits = std::thread::scope(|scope| {
            let parts = queries.chunks(queries.len().div_ceil(threads));
            let threads: Vec<_> = parts
                .map(|part| scope.spawn(|| part.iter().map(|query| self.limits_of(query)).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        self.limits = limits;
        self
    }

    fn limits_of(&self, query: &[f32]) -> [f32; 3] {
        let mut all: Vec<f32> = (0..self.rows()).map(|row| self.distance(query, row)).collect();
        KS.map(|k| *all.select_nth_unstable_by(k - 1, f32::total_cmp).1)
    }
}

/// Returns the sets that this machine has; of the others it says how to get them.
pub fn all() -> Vec<Set> {
    let sets = [minilm(), fashion()];
    sets.into_iter().flatten().map(Set::with_answers).collect()
}

fn minilm() -> Option<Set> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("KAPOK_DATA").map_or_else(default, PathBuf::from).join("minilm-debian");
    let read = |name: &str| fs::read(folder.join(name)).ok().map(|bytes| floats(&bytes[128..]));
    let (Some(base), Some(queries)) = (read("base.npy"), read("query.npy")) else {
        println!("minilm-debian is left out: KAPOK_DATA names no folder that has it");
        return None;
    };
    Some(Set { name: "minilm-debian", metric: Metric::InnerProduct, dimension: 384, base, queries, limits: Vec::new() })
}

fn fashion() -> Option<Set> {
    let read = |name: &str| {
        let file = fs::File::open(format!("/usr/share/datasets/fashion-mnist/{name}-images-idx3-ubyte.gz")).ok()?;
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).ok()?;
        Some(bytes[16..].iter().map(|byte| f32::from(*byte)).collect::<Vec<f32>>())
    };
    let (Some(base), Some(mut queries)) = (read("train"), read("t10k")) else {
        println!("fashion-mnist is left out: install Debian's package dataset-fashion-mnist");
        return None;
    };
    queries.truncate(1000 * 784);
    Some(Set { name: "fashion-mnist", metric: Metric::L2, dimension: 784, base, queries, limits: Vec::new() })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}
