//! Recall against queries per second.
use std::num::NonZeroUsize;
use std::time::Instant;

use kapok_core::schema::Metric;
use kapok_core::vectors::ElementType;
use kapok_distance::Rows;
use kapok_hnsw::{BuildSettings, CodeKind, Codes, Graph, Order, Scratch, Search, Vectors, Wanted, build, encode};

fn hash(i: u64) -> u64 {
    let mut z = i.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^= z >> 31;
    z = z.wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 29)
}

fn main() {
    let arg = |i: usize, d: &str| std::env::args().nth(i).unwrap_or(d.to_owned());
    let var = |n: &str, d: &str| std::env::var(n).unwrap_or(d.to_owned());
    let (set, mode, threads) =
        (arg(1, "minilm"), arg(2, "sq8"), NonZeroUsize::new(arg(3, "2").parse().unwrap()).unwrap());
    let (dim, metric) = if set == "fashion" { (784usize, Metric::L2) } else { (384, Metric::InnerProduct) };
    let base = std::fs::read(format!("/tmp/data/{set}_base.f32")).unwrap();
    let queries: Vec<f32> = std::fs::read(format!("/tmp/data/{set}_query.f32"))
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    let gt: Vec<u32> = std::fs::read(format!("/tmp/data/{set}_gt.i32"))
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|b| u32::from_le_bytes(*b))
        .collect();
    let n = base.len() / 4 / dim;
    let rows = Rows::new(&base, 0, 4 * dim, 4 * dim, n as u32).unwrap();
    let vectors = Vectors::of_rows(&set, rows, ElementType::Float32, dim as u32, metric).unwrap();
    let settings = BuildSettings { m: 16, m0: 32, ef_construction: 200 };
    let kind = CodeKind::named(&mode);
    let t = Instant::now();
    let coded = kind.map(|kind| encode(kind, &vectors, threads));
    let codes = coded
        .as_ref()
        .map(|bytes| Codes::open("codes", 0, bytes, kind.unwrap(), metric, dim as u32, n as u32).unwrap());
    let coding = t.elapsed();
    let path = format!("/tmp/data/{set}_{mode}.graph");
    let body = if var("CACHED", "") == "1" {
        std::fs::read(&path).unwrap()
    } else {
        let order = Order::new((0..n as u32).map(|r| (hash(u64::from(r)), r)), settings.m);
        let body = match &codes {
            Some(codes) => build(codes, &order, &settings, None, threads, &mut |_| {}),
            None => build(&vectors, &order, &settings, None, threads, &mut |_| {}),
        };
        println!("{set} {mode}: codes {coding:?}, with graph {:?}", t.elapsed());
        std::fs::write(&path, &body).unwrap();
        body
    };
    let graph = Graph::open("graph", 0, &body, n as u32).unwrap();
    println!("{:?} bytes a row {:.1}", graph.statistics(), body.len() as f64 / n as f64);
    let search = Search { vectors, codes, graph: Some(graph) };
    let mut scratch = Scratch::default();
    for ef in var("EFS", "10,12,16,20,24,32,40,48,64,80,96,128").split(',').map(|x| x.parse::<usize>().unwrap()) {
        let (mut best, mut hits) = (f64::MAX, 0);
        for _ in 0..var("REPS", "3").parse::<usize>().unwrap() {
            hits = 0;
            let t = Instant::now();
            for (i, q) in queries.chunks(dim).enumerate() {
                let query = search.vectors.query(q).unwrap();
                let (found, _) = search
                    .nearest(&mut scratch, &query, &Wanted { k: 10, ef, is_exact: false }, None, &|| false)
                    .unwrap();
                hits += found.iter().filter(|f| gt[i * 100..i * 100 + 10].contains(&f.row)).count();
            }
            best = best.min(t.elapsed().as_secs_f64());
        }
        let count = queries.len() / dim;
        println!("  ef {ef:3} recall {:.4} qps {:.0}", hits as f64 / (10 * count) as f64, count as f64 / best);
    }
}
