//! Writes honest inputs to begin with: `seeds <folder>`.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use kapok_core::manifest::{Manifest, RecordType};
use kapok_core::schema::Schema;
use kapok_core::segment::{Sharing, Stage};
use kapok_core::view::Tables;
use kapok_fuzz::{framing, vectors};
use kapok_hnsw::Codes;
use kapok_samples::kinds_capnp::kinds;
use kapok_samples::movies_capnp::movie;
use kapok_samples::random::Random;
use kapok_samples::random_kinds::Kinds;
use kapok_samples::{dataset, shapes};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).expect("a folder");
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("segment"))?;
    std::fs::create_dir_all(folder.join("manifest"))?;
    std::fs::create_dir_all(folder.join("vectors"))?;
    write_graphs(folder)?;
    let encoding = dataset::encoding::<movie::Owned>(Sharing::Shared);
    let mut stage = Stage::new(&encoding);
    for id in 0..3 {
        let mut message = capnp::message::Builder::new_default();
        let mut movie: movie::Builder<'_> = message.init_root();
        movie.set_id(id);
        movie.set_title("A title");
        movie.init_genres(1).set(0, "drama");
        dataset::add(&mut stage, message.get_segments_for_output()[0]);
    }
    write(folder, "movies", 0, stage)?;
    let encoding = dataset::encoding::<kinds::Owned>(Sharing::Shared);
    for seed in 0..30 {
        let mut stage = Stage::new(&encoding);
        let mut random = Random::new(seed);
        for id in 0..=(seed as i64 % 3) {
            let record = Kinds::random(&mut random, id);
            dataset::add(&mut stage, record.plain().get_segments_for_output()[0]);
        }
        write(folder, &format!("kinds-{seed}"), 1, stage)?;
    }
    for (number, (_, shape)) in shapes::SHAPES.iter().enumerate() {
        for count in [3, 40] {
            write_shape(folder, &format!("shape-{number}-{count}"), shape(count))?;
        }
    }
    Ok(())
}

/// A graph and codes for each metric and kind of codes.
fn write_graphs(folder: &Path) -> std::io::Result<()> {
    let (bytes, order) = (vectors::bytes(), vectors::order());
    for choice in 0..6 {
        let (metric, kind) = vectors::choice(choice);
        let body = kapok_hnsw::encode(kind, &vectors::vectors(&bytes, metric), NonZeroUsize::MIN);
        let codes = Codes::open("codes", 0, &body, kind, metric, vectors::DIMENSION, vectors::ROWS).expect("codes");
        let graph = kapok_hnsw::build(&codes, &order, &vectors::SETTINGS, None, NonZeroUsize::MIN, &mut |_| {});
        std::fs::write(folder.join("vectors").join(format!("graph-{choice}")), vectors::join(choice, &graph, &body))?;
    }
    Ok(())
}

/// A manifest of no segments whose schema has a hostile shape.
fn write_shape(folder: &Path, name: &str, schema: Schema) -> std::io::Result<()> {
    let mut manifest = Manifest::clone(Tables::empty().manifest());
    (manifest.version, manifest.schema) = (1, Arc::new(schema));
    manifest.record_types = vec![RecordType {
        name: "T1".to_owned(),
        type_id: shapes::RECORD,
        key: vec!["id".to_owned()],
        rows: 0,
        segments: Vec::new(),
        changes: None,
        ..RecordType::default()
    }];
    // A default value that claims more than it holds cannot even be written.
    manifest.encode().map_or(Ok(()), |bytes| std::fs::write(folder.join("manifest").join(name), bytes))
}

fn write(folder: &Path, name: &str, choice: u8, stage: Stage) -> std::io::Result<()> {
    let encoding = stage.encoding().clone();
    let sealed = dataset::seal(stage, None).remove(0);
    let input = framing::join(choice, &encoding, &sealed.extents, &sealed.bytes);
    std::fs::write(folder.join("segment").join(name), input)?;
    let manifest = dataset::manifest(&encoding, vec![sealed.entry(Sharing::Shared)]);
    std::fs::write(folder.join("manifest").join(name), manifest.encode().expect("a manifest"))
}
