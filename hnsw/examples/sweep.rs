use kapok_hnsw::{build, codes, graph::*, matrix::*, search::Scratch, Points};
use std::time::Instant;
fn read(p: &str) -> Vec<u8> { std::fs::read(p).unwrap() }
fn hash(i: u64) -> u64 { let mut z = i.wrapping_add(0x9E3779B97F4A7C15).wrapping_mul(0xBF58476D1CE4E5B9); z ^= z >> 31; z = z.wrapping_mul(0x94D049BB133111EB); z ^ (z >> 29) }
fn main() {
    let set = std::env::args().nth(1).unwrap();
    let mode = std::env::args().nth(2).unwrap();
    let threads: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let opt = |i: usize, d: usize| std::env::args().nth(i).map_or(d, |x| x.parse().unwrap());
    let (batch, growth, efc) = (opt(4, 1024), opt(5, 8), opt(6, 200));
    let (dim, metric) = if set == "fashion" { (784usize, Metric::L2) } else { (384, Metric::Dot) };
    let base = read(&format!("/tmp/data/{set}_base.f32"));
    let queries: Vec<f32> = read(&format!("/tmp/data/{set}_query.f32")).as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let gt: Vec<u32> = read(&format!("/tmp/data/{set}_gt.i32")).as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let n = base.len() / 4 / dim;
    let matrix = Matrix::new(&base, 0, dim * 4, dim, n, metric).unwrap();
    let settings = Settings { m: 16, m0: 32, ef_construction: efc };
    let order = build::Order::new((0..n as u32).map(|r| (hash(r as u64), r)), 16);
    let kind = match mode.as_str() { "sq8" => Some(codes::CodeKind::Sq8), "sq4" => Some(codes::CodeKind::Sq4), _ => None };
    let t = Instant::now();
    let bytes; let mut mean = vec![];
    let codes = if let Some(kind) = kind { mean = codes::mean(&matrix); bytes = codes::build(kind, &matrix, &mean, threads); Some(codes::Codes::new(kind, metric, dim, mean.clone(), &bytes, n).unwrap()) } else { None };
    let coded = t.elapsed();
    let path = format!("/tmp/data/{set}_{mode}_{batch}_{growth}_{efc}.graph");
    let w = |v: &[u32]| -> Vec<u8> { v.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let r = |v: &[u8]| -> Vec<u32> { v.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect() };
    let graph = if std::env::var("CACHED").is_ok() {
        let l = r(&read(&path));
        let (level0, mut rest) = l.split_at(n * 32);
        let mut g = Graph { m: 16, m0: 32, level0: level0.to_vec(), order: rest[..order.counts[0]].to_vec(), upper: vec![], first: order.rows[0] };
        rest = &rest[order.counts[0]..];
        for c in &order.counts { g.upper.push(rest[..c * 16].to_vec()); rest = &rest[c * 16..]; }
        g
    } else { match &codes { Some(codes) => build::build(codes, &order, &settings, threads, batch, growth), None => build::build(&matrix, &order, &settings, threads, batch, growth) } };
    if std::env::var("CACHED").is_err() { let mut v = w(&graph.level0); v.extend(w(&graph.order)); for u in &graph.upper { v.extend(w(u)); } std::fs::write(&path, v).unwrap(); }
    println!("{set} {mode} threads {threads}: codes {coded:?} build {:?} links mean {:.1} levels {:?}", t.elapsed(), graph.level0.iter().filter(|x| **x != NONE).count() as f64 / n as f64, order.counts);
    let _ = &mean;
    let mut scratch = Scratch::default();
    let k = 10;
    let efs: Vec<usize> = std::env::var("EFS").map_or(vec![10usize, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160], |s| s.split(",").map(|x| x.parse().unwrap()).collect());
    let reps: usize = std::env::var("REPS").map_or(3, |s| s.parse().unwrap());
    for ef in efs {
        for rescore in [16usize, 32] {
            if codes.is_none() && rescore != 16 { continue; }
            if rescore > ef && rescore != 16 { continue; }
            let mut best = f64::MAX; let mut hits = 0;
            for _ in 0..reps {
                hits = 0;
                let t = Instant::now();
                let (mut ids, mut out) = (Vec::new(), vec![0f32; 1024]);
                for (i, q) in queries.chunks(dim).enumerate() {
                    let mut top: Vec<u32> = match &codes {
                        Some(codes) => {
                            let query = codes.query(q);
                            ids.clear();
                            ids.extend(scratch.search(codes, &query, &graph, ef).take(rescore).map(|x| x.0));
                            for id in &ids { matrix.rows.prefetch(*id); }
                            matrix.measure(&q.to_vec(), &ids, &mut out);
                            let mut pairs: Vec<(f32, u32)> = ids.iter().zip(&out).map(|(i, s)| (*s, *i)).collect();
                            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
                            pairs.iter().take(k).map(|x| x.1).collect()
                        }
                        None => scratch.search(&matrix, &q.to_vec(), &graph, ef).take(k).map(|x| x.0).collect(),
                    };
                    top.truncate(k);
                    hits += top.iter().filter(|id| gt[i * 100..i * 100 + k].contains(id)).count();
                }
                best = best.min(t.elapsed().as_secs_f64());
            }
            println!("  ef {ef:3} rescore {rescore:2} recall {:.4} qps {:.0}", hits as f64 / (k * queries.len() / dim) as f64, queries.len() as f64 / dim as f64 / best);
        }
    }
}
