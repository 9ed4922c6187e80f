//! How long a row takes, by each set of kernels that this processor has: hot, and out of a gigabyte.
//!
//! The sums of all sets are compared before any is timed. The comparison with other libraries is in distance/peers.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "a benchmark measures and prints")]
#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a benchmark")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

mod data;
mod race;

use std::hint::black_box;
use std::time::Instant;

use data::{DIMENSIONS, Random, bytes_of, hot_rows};
use kapok_distance::{Kernels, RowIds, Rows};
use race::{Contestant, ns_per_row, quarter};

/// A query of every kind.
struct Queries {
    floats: Vec<f32>,
    signed: Vec<i8>,
    bytes: Vec<u8>,
}

/// Takes the sums of some rows, as bits.
type Call = fn(Kernels, &Queries, &Rows<'_>, RowIds<'_>, &mut Sums);

#[derive(Default, PartialEq, Debug)]
struct Sums {
    floats: Vec<f32>,
    signed: Vec<i32>,
    unsigned: Vec<u32>,
}

struct Operation {
    name: &'static str,
    row_bytes: fn(usize) -> usize,
    fill: fn(&mut Random, usize) -> Vec<u8>,
    call: Call,
}

const OPERATIONS: [Operation; 12] = [
    Operation {
        name: "dot f32",
        row_bytes: |dimension| dimension * 4,
        fill: |random, bytes| bytes_of(&random.floats(bytes / 4)),
        call: |kernels, query, rows, ids, sums| kernels.dot_f32(&query.floats, rows, ids, &mut sums.floats),
    },
    Operation {
        name: "l2 f32",
        row_bytes: |dimension| dimension * 4,
        fill: |random, bytes| bytes_of(&random.floats(bytes / 4)),
        call: |kernels, query, rows, ids, sums| kernels.l2_f32(&query.floats, rows, ids, &mut sums.floats),
    },
    Operation {
        name: "dot f16",
        row_bytes: |dimension| dimension * 2,
        fill: |random, bytes| random.f16s(bytes / 2),
        call: |kernels, query, rows, ids, sums| kernels.dot_f16(&query.floats, rows, ids, &mut sums.floats),
    },
    Operation {
        name: "dot bf16",
        row_bytes: |dimension| dimension * 2,
        fill: |random, bytes| random.bf16s(bytes / 2),
        call: |kernels, query, rows, ids, sums| kernels.dot_bf16(&query.floats, rows, ids, &mut sums.floats),
    },
    Operation {
        name: "l2 bf16",
        row_bytes: |dimension| dimension * 2,
        fill: |random, bytes| random.bf16s(bytes / 2),
        call: |kernels, query, rows, ids, sums| kernels.l2_bf16(&query.floats, rows, ids, &mut sums.floats),
    },
    Operation {
        name: "dot i8",
        row_bytes: |dimension| dimension,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| kernels.dot_i8(&query.signed, rows, ids, &mut sums.signed),
    },
    Operation {
        name: "l2 i8",
        row_bytes: |dimension| dimension,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| kernels.l2_i8(&query.signed, rows, ids, &mut sums.unsigned),
    },
    Operation {
        name: "dot u8",
        row_bytes: |dimension| dimension,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| kernels.dot_u8(&query.bytes, rows, ids, &mut sums.unsigned),
    },
    Operation {
        name: "l2 u8",
        row_bytes: |dimension| dimension,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| kernels.l2_u8(&query.bytes, rows, ids, &mut sums.unsigned),
    },
    Operation {
        name: "dot u8 codes",
        row_bytes: |dimension| dimension,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| kernels.dot_u8i8(&query.signed, rows, ids, &mut sums.signed),
    },
    Operation {
        name: "dot 4-bit codes",
        row_bytes: |dimension| dimension.div_ceil(128) * 64,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| kernels.dot_u4i8(&query.signed, rows, ids, &mut sums.signed),
    },
    Operation {
        name: "hamming",
        row_bytes: |dimension| dimension / 8,
        fill: |random, bytes| random.bytes(bytes),
        call: |kernels, query, rows, ids, sums| {
            kernels.hamming(&query.bytes[..query.bytes.len() / 8], rows, ids, &mut sums.unsigned);
        },
    },
];

fn main() {
    // One of the two, if the first argument names it.
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    if only.as_deref().is_none_or(|only| only == "hot") {
        hot();
    }
    if only.as_deref().is_none_or(|only| only == "cold") {
        cold();
    }
}

fn queries(random: &mut Random, dimension: usize) -> Queries {
    let bytes = random.bytes(dimension);
    let signed = bytes.iter().map(|byte| byte.cast_signed()).collect();
    Queries { floats: random.floats(dimension), signed, bytes }
}

/// Places for the sums of an operation: only those of its kind are of the right number.
fn sums(operation: &Operation, count: usize) -> Sums {
    let mut sums = Sums::default();
    match operation.name {
        "dot u8" | "l2 u8" | "l2 i8" | "hamming" => sums.unsigned = vec![0; count],
        "dot i8" | "dot u8 codes" | "dot 4-bit codes" => sums.signed = vec![0; count],
        _ => sums.floats = vec![0.0; count],
    }
    sums
}

fn hot() {
    let sets = Kernels::available();
    println!("hot, ns a row: {}", sets.iter().map(|kernels| kernels.name()).collect::<Vec<_>>().join(" / "));
    for operation in &OPERATIONS {
        print!("{:16}", operation.name);
        for dimension in DIMENSIONS {
            let mut random = Random(dimension as u64);
            let query = queries(&mut random, dimension);
            let row_bytes = (operation.row_bytes)(dimension);
            let count = hot_rows(row_bytes);
            let bytes = (operation.fill)(&mut random, row_bytes * count as usize);
            let rows = Rows::new(&bytes, 0, row_bytes, row_bytes, count).unwrap();
            let ids = random.order(count);
            let expected = {
                let mut expected = sums(operation, ids.len());
                (operation.call)(sets[0], &query, &rows, (&ids).into(), &mut expected);
                expected
            };
            let mut contestants: Vec<_> = sets
                .iter()
                .map(|&kernels| {
                    let mut sums = sums(operation, ids.len());
                    (operation.call)(kernels, &query, &rows, (&ids).into(), &mut sums);
                    assert_eq!(sums, expected, "{}", kernels.name());
                    let (query, rows, ids) = (&query, &rows, &ids);
                    let contestant: Contestant<'_> = Box::new(move || {
                        (operation.call)(kernels, black_box(query), rows, ids.into(), &mut sums);
                        black_box(&sums);
                    });
                    contestant
                })
                .collect();
            let ns = ns_per_row(ids.len(), &mut contestants);
            let ns: Vec<_> = ns.into_iter().map(|ns| format!("{ns:.1}")).collect();
            print!(" | {dimension}: {}", ns.join(" / "));
        }
        println!();
    }
}

/// Bytes of which rows are read that no cache holds.
const COLD_BYTES: usize = 1 << 30;
/// Random rows of a call.
const BATCH: usize = 32;

fn cold() {
    let kernels = Kernels::detect();
    println!("\nfrom 1 GiB, {}: GB/s in order | GB/s and ns a row at random", kernels.name());
    let mut bytes = vec![1_u8; COLD_BYTES];
    let mut random = Random(1);
    let reading =
        1.0 / quarter((0..5).map(|_| seconds_per_gb(COLD_BYTES, || _ = black_box(read(black_box(&bytes))))).collect());
    println!("plain reading    | {reading:.1}");
    for operation in
        OPERATIONS.iter().filter(|operation| operation.name.starts_with("dot") || operation.name == "hamming")
    {
        // Its own numbers: subnormal ones, which others may be, are slow.
        let pattern = (operation.fill)(&mut random, 1 << 20);
        bytes.chunks_mut(pattern.len()).for_each(|chunk| chunk.copy_from_slice(&pattern[..chunk.len()]));
        for dimension in [128, 384, 1536] {
            let query = queries(&mut random, dimension);
            let row_bytes = (operation.row_bytes)(dimension);
            let count = (COLD_BYTES / row_bytes) as u32;
            let rows = Rows::new(&bytes, 0, row_bytes, row_bytes, count).unwrap();
            let mut of_all = sums(operation, count as usize);
            let in_order = (0..5).map(|_| {
                seconds_per_gb(COLD_BYTES, || {
                    (operation.call)(kernels, &query, &rows, (0..count).into(), &mut of_all);
                })
            });
            let in_order = 1.0 / quarter(in_order.collect());
            // As a search in a graph asks: the neighbours of a node at once.
            let mut of_batch = sums(operation, BATCH);
            let at_random = (0..160).map(|_| {
                let ids: Vec<u32> = (0..20 * BATCH).map(|_| (random.bits() % u64::from(count)) as u32).collect();
                seconds_per_gb(ids.len() * row_bytes, || {
                    for batch in ids.chunks(BATCH) {
                        (operation.call)(kernels, &query, &rows, batch.into(), &mut of_batch);
                    }
                })
            });
            let at_random = 1.0 / quarter(at_random.collect());
            let ns = row_bytes as f64 / at_random;
            println!("{:16} | {dimension}: {in_order:.1} | {at_random:.1}, {ns:.0} ns", operation.name);
        }
    }
}

fn seconds_per_gb(bytes: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() / bytes as f64 * 1e9
}

fn read(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word));
    words.fold(0, u64::wrapping_add)
}
