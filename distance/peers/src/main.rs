//! Kernels of Kapok, simsimd and numkong, in turns on the same rows: nanoseconds a row, hot.
//!
//! The peers take one pair a call, through their own C functions, which is the fastest way to call them. Their answers are compared
//! with ours before any is timed. A row that Kapok loses is marked.

#[path = "../../benches/kernels/data.rs"]
mod data;
#[path = "../../benches/kernels/race.rs"]
mod race;

use std::hint::black_box;

use data::{DIMENSIONS, Random, bytes_of, hot_rows};
use kapok_distance::{Kernels, Rows};
use numkong as _;
use race::{Contestant, ns_per_row};
use simsimd as _;

type Pair<Out> = unsafe extern "C" fn(*const u8, *const u8, u64, *mut Out);

unsafe extern "C" {
    fn simsimd_dot_f32(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_l2sq_f32(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_dot_f16(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_l2sq_f16(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_dot_bf16(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_l2sq_bf16(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_dot_i8(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_l2sq_i8(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_dot_u8(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_l2sq_u8(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn simsimd_hamming_b8(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn nk_dot_f32(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn nk_sqeuclidean_f32(a: *const u8, b: *const u8, count: u64, out: *mut f64);
    fn nk_dot_f16(a: *const u8, b: *const u8, count: u64, out: *mut f32);
    fn nk_sqeuclidean_f16(a: *const u8, b: *const u8, count: u64, out: *mut f32);
    fn nk_dot_bf16(a: *const u8, b: *const u8, count: u64, out: *mut f32);
    fn nk_sqeuclidean_bf16(a: *const u8, b: *const u8, count: u64, out: *mut f32);
    fn nk_dot_i8(a: *const u8, b: *const u8, count: u64, out: *mut i32);
    fn nk_sqeuclidean_i8(a: *const u8, b: *const u8, count: u64, out: *mut u32);
    fn nk_dot_u8(a: *const u8, b: *const u8, count: u64, out: *mut u32);
    fn nk_sqeuclidean_u8(a: *const u8, b: *const u8, count: u64, out: *mut u32);
    fn nk_hamming_u1(a: *const u8, b: *const u8, count: u64, out: *mut u32);
}

/// Rows, the order in which they are taken, and a query.
struct Data {
    dimension: usize,
    /// What the peers count: bytes for simsimd's bits, else dimensions.
    simsimd_count: usize,
    query: Vec<u8>,
    bytes: Vec<u8>,
    row_bytes: usize,
    ids: Vec<u32>,
}

impl Data {
    fn new(dimension: usize, row_bytes: usize, fill: impl Fn(&mut Random, usize) -> Vec<u8>) -> Self {
        let mut random = Random(dimension as u64);
        let count = hot_rows(row_bytes);
        let bytes = fill(&mut random, row_bytes * count as usize);
        let query = fill(&mut random, row_bytes);
        Self { dimension, simsimd_count: dimension, query, bytes, row_bytes, ids: random.order(count) }
    }

    fn rows(&self) -> Rows<'_> {
        let count = (self.bytes.len() / self.row_bytes) as u32;
        Rows::new(&self.bytes, 0, self.row_bytes, self.row_bytes, count).expect("rows")
    }
}

/// Sums of one pair a call.
fn pairs<Out: Default>(data: &Data, count: usize, pair: Pair<Out>, out: &mut [Out]) {
    for (out, &id) in out.iter_mut().zip(&data.ids) {
        let row = &data.bytes[id as usize * data.row_bytes..][..data.row_bytes];
        // SAFETY: both sides have as many elements as the call says, and all bits are valid numbers.
        unsafe { pair(data.query.as_ptr(), row.as_ptr(), count as u64, out) };
    }
}

fn compare<Ours, Theirs>(
    name: &str,
    data: &Data,
    ours: impl Fn(&[u32], &mut [Ours]),
    simsimd: Pair<f64>,
    numkong: Pair<Theirs>,
) where
    Ours: Copy + Default,
    Theirs: Copy + Default,
    f64: From<Ours> + From<Theirs>,
{
    let count = data.ids.len();
    let (mut sums, mut of_simsimd, mut of_numkong) =
        (vec![Ours::default(); count], vec![0.0; count], vec![Theirs::default(); count]);
    ours(&data.ids, &mut sums);
    pairs(data, data.simsimd_count, simsimd, &mut of_simsimd);
    pairs(data, data.dimension, numkong, &mut of_numkong);
    let is_near = |a: f64, b: f64| (a - b).abs() <= 0.02 * (a.abs() + (data.dimension as f64).sqrt());
    for ((&sum, &of_simsimd), &of_numkong) in sums.iter().zip(&of_simsimd).zip(&of_numkong) {
        let sum = f64::from(sum);
        assert!(is_near(sum, of_numkong.into()), "{name} {}: {sum} {}", data.dimension, f64::from(of_numkong));
        if !is_near(sum, of_simsimd) {
            println!("{name} {}: simsimd gives {of_simsimd} instead of {sum}", data.dimension);
            break;
        }
    }
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|| {
            ours(black_box(&data.ids), &mut sums);
            black_box(&sums);
        }),
        Box::new(|| {
            pairs(black_box(data), data.simsimd_count, simsimd, &mut of_simsimd);
            black_box(&of_simsimd);
        }),
        Box::new(|| {
            pairs(black_box(data), data.dimension, numkong, &mut of_numkong);
            black_box(&of_numkong);
        }),
    ];
    let ns = ns_per_row(count, &mut contestants);
    let best = ns[1].min(ns[2]);
    let is_lost = if ns[0] > best { "LOST" } else { "" };
    print!("{name:10} {:5}", data.dimension);
    for (name, ns) in ["kapok", "simsimd", "numkong"].iter().zip(&ns) {
        print!(" | {name} {ns:6.1}");
    }
    println!(" | best peer / kapok {:.2} {is_lost}", best / ns[0]);
}

fn floats_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn main() {
    let kernels = Kernels::detect();
    println!("kernels: {}; nanoseconds a row", kernels.name());
    for dimension in DIMENSIONS {
        let data = Data::new(dimension, dimension * 4, |random, bytes| bytes_of(&random.floats(bytes / 4)));
        let (query, rows) = (floats_of(&data.query), data.rows());
        compare("dot f32", &data, |ids, out| kernels.dot_f32(&query, &rows, ids, out), simsimd_dot_f32, nk_dot_f32);
        compare(
            "l2 f32",
            &data,
            |ids, out| kernels.l2_f32(&query, &rows, ids, out),
            simsimd_l2sq_f32,
            nk_sqeuclidean_f32,
        );
    }
    for dimension in DIMENSIONS {
        let data = Data::new(dimension, dimension * 2, |random, bytes| random.f16s(bytes / 2));
        let (query, rows) = (widened(&data.query, f32_of_f16), data.rows());
        compare("dot f16", &data, |ids, out| kernels.dot_f16(&query, &rows, ids, out), simsimd_dot_f16, nk_dot_f16);
        compare(
            "l2 f16",
            &data,
            |ids, out| kernels.l2_f16(&query, &rows, ids, out),
            simsimd_l2sq_f16,
            nk_sqeuclidean_f16,
        );
    }
    for dimension in DIMENSIONS {
        let data = Data::new(dimension, dimension * 2, |random, bytes| random.bf16s(bytes / 2));
        let (query, rows) = (widened(&data.query, |bits| f32::from_bits(u32::from(bits) << 16)), data.rows());
        compare("dot bf16", &data, |ids, out| kernels.dot_bf16(&query, &rows, ids, out), simsimd_dot_bf16, nk_dot_bf16);
        compare(
            "l2 bf16",
            &data,
            |ids, out| kernels.l2_bf16(&query, &rows, ids, out),
            simsimd_l2sq_bf16,
            nk_sqeuclidean_bf16,
        );
    }
    for dimension in DIMENSIONS {
        let data = Data::new(dimension, dimension, |random, bytes| random.bytes(bytes));
        let rows = data.rows();
        let query: Vec<i8> = data.query.iter().map(|byte| byte.cast_signed()).collect();
        compare("dot i8", &data, |ids, out| kernels.dot_i8(&query, &rows, ids, out), simsimd_dot_i8, nk_dot_i8);
        compare("l2 i8", &data, |ids, out| kernels.l2_i8(&query, &rows, ids, out), simsimd_l2sq_i8, nk_sqeuclidean_i8);
        let query = &data.query;
        compare("dot u8", &data, |ids, out| kernels.dot_u8(query, &rows, ids, out), simsimd_dot_u8, nk_dot_u8);
        compare("l2 u8", &data, |ids, out| kernels.l2_u8(query, &rows, ids, out), simsimd_l2sq_u8, nk_sqeuclidean_u8);
    }
    for dimension in DIMENSIONS {
        let mut data = Data::new(dimension, dimension / 8, |random, bytes| random.bytes(bytes));
        data.simsimd_count = dimension / 8;
        let rows = data.rows();
        compare(
            "hamming",
            &data,
            |ids, out| kernels.hamming(&data.query, &rows, ids, out),
            simsimd_hamming_b8,
            nk_hamming_u1,
        );
    }
}

fn widened(bytes: &[u8], widen: impl Fn(u16) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| widen(u16::from_le_bytes(bytes))).collect()
}

/// The value of a binary16 that is finite.
fn f32_of_f16(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = if exponent == 0 { fraction * 2_f32.powi(-24) } else { (1024.0 + fraction) * 2_f32.powi(exponent - 25) };
    if bits >> 15 == 1 { -size } else { size }
}
