//! scratch
use std::sync::Arc; use std::time::Instant;
use capnp::message; use kapok_core::{schema::Schema, segment::*, words::Words};
use kapok_schemas::movies_capnp::movie; use kapok_benches::Movies;
fn main() {
    let n = 1_000_000;
    let t = Instant::now(); let mut m = Movies::new(1); let mut s = 0; for _ in 0..n { s += m.draft().title.len(); } println!("draft {:?} avg title {}", t.elapsed(), s / n);
    let (schema, id) = Schema::of::<movie::Owned>().unwrap();
    let enc = Encoding::new(Arc::new(schema), id, &["id".into()], Sharing::Shared).unwrap();
    let mut stage = Stage::new(&enc);
    let mut words = capnp::Word::allocate_zeroed_vec(1024);
    let t = Instant::now(); let mut m = Movies::new(1);
    for _ in 0..n { let mut msg = message::Builder::new(message::ScratchSpaceHeapAllocator::new(capnp::Word::words_to_bytes_mut(&mut words))); m.draft().fill(msg.init_root()); std::hint::black_box(msg.get_segments_for_output()); }
    println!("make {:?}", t.elapsed());
    let t = Instant::now(); let mut m = Movies::new(1);
    for _ in 0..n { let mut msg = message::Builder::new(message::ScratchSpaceHeapAllocator::new(capnp::Word::words_to_bytes_mut(&mut words))); m.draft().fill(msg.init_root());
      stage.add_struct(Words::new(msg.get_segments_for_output()[0]).struct_of(0).unwrap().unwrap()).unwrap(); }
    println!("make+stage {:?}", t.elapsed());
    let t = Instant::now();
    let segs: Vec<_> = stage.into_segments(SealSettings::default()).unwrap().collect::<Result<_,_>>().unwrap();
    println!("seal {:?} {} segs {} bytes", t.elapsed(), segs.len(), segs[0].bytes.len());
    for e in &segs[0].extents { println!("{:?}", e); }
    let t = Instant::now(); println!("{:x?} blake {:?}", &blake3::hash(&segs[0].bytes).as_bytes()[..4], t.elapsed());
}
