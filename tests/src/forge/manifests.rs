//! Manifests that say what is not so.

use std::sync::Arc;

use kapok_core::manifest::{Manifest, RecordType, RowChanges, Tombstones, encode_rows};
use kapok_core::schema::Schema;
use kapok_samples::shapes;
use rand::RngExt;
use rand::rngs::SmallRng;
use roaring::RoaringBitmap;

/// Changes one thing, and says what.
pub(super) fn change(manifest: &mut Manifest, random: &mut SmallRng) -> String {
    let kind = random.random_range(0..18_u8);
    let number = number(random);
    #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
    let small = number as u32;
    let rows = rows(random);
    match kind {
        0 => manifest.version = number,
        1 => manifest.parent = Some(number),
        2 => manifest.log_sequence = number,
        3 => manifest.created_unix_ms = number.cast_signed(),
        4 => manifest.writer = text(random),
        5 => drop(manifest.tags.insert(text(random), text(random))),
        6 | 7 => return shape(manifest, random),
        _ => {
            let count = manifest.record_types.len().max(1);
            let Some(ty) = manifest.record_types.get_mut(random.random_range(0..count)) else {
                return "nothing".into();
            };
            match kind {
                8 => ty.name = text(random),
                9 => ty.type_id = number,
                10 => ty.key = vec![text(random); random.random_range(0..3)],
                11 => ty.changes = Some(RowChanges::default()),
                12 => {
                    if let Some((_, listed)) = ty.changes.iter_mut().flat_map(|changes| &mut changes.added).next() {
                        *listed = rows;
                    }
                }
                _ => segment(ty, kind, (number, small), rows, random),
            }
        }
    }
    format!("manifest {kind} {number}")
}

fn segment(ty: &mut RecordType, kind: u8, (number, small): (u64, u32), rows: Vec<u8>, random: &mut SmallRng) {
    let count = ty.segments.len().max(1);
    let others = ty.segments.clone();
    let other = others.get(random.random_range(0..count)).cloned();
    let (Some(entry), Some(other)) = (ty.segments.get_mut(random.random_range(0..count)), other) else { return };
    match kind {
        13 => {
            let dead = kapok_core::manifest::decode_rows("rows", &rows).map_or(0, |rows| rows.len());
            entry.dead = u32::try_from(dead).unwrap_or(u32::MAX).min(entry.rows);
            entry.tombstones = Tombstones::Inline(rows);
        }
        14 => match random.random_range(0..4) {
            0 => entry.rows = small,
            1 => entry.size = number,
            2 => entry.writer_revision = small,
            _ => entry.dead = small.min(entry.rows),
        },
        15 => {
            // Of another segment: its bytes, its index, its merge sources, its keys.
            match random.random_range(0..4) {
                0 => (entry.id, entry.size, entry.rows) = (other.id, other.size, other.rows),
                1 => entry.artifacts = other.artifacts,
                2 => entry.merged_from = other.merged_from,
                _ => (entry.first_key, entry.last_key) = (other.first_key, other.last_key),
            }
        }
        16 => {
            if let Some(one) = entry.merged_from.first_mut() {
                match random.random_range(0..3) {
                    0 => one.rows = small,
                    1 => one.size = number,
                    _ => one.dropped = rows,
                }
            }
            if let Some(extent) = entry.extents.last_mut() {
                (extent.offset, extent.stride) = (number, small);
            }
        }
        _ => {
            if random.random_bool(0.5) {
                entry.artifacts.push(kapok_core::manifest::Artifact {
                    kind: text(random),
                    name: text(random),
                    id: entry.id,
                    size: entry.size,
                });
            } else {
                let twice = entry.clone();
                ty.segments.push(twice);
            }
        }
    }
    ty.rows = ty.segments.iter().map(|entry| u64::from(entry.rows.saturating_sub(entry.dead))).sum();
}

/// A schema of a hostile shape in the place of the version's, or beside it.
fn shape(manifest: &mut Manifest, random: &mut SmallRng) -> String {
    let (name, shape) = shapes::SHAPES[random.random_range(0..shapes::SHAPES.len())];
    let count = [3, 30, 300, 3_000][random.random_range(0..4)];
    let hostile = shape(count);
    let mut all = Schema::clone(&manifest.schema);
    hostile.structs().for_each(|ty| all.insert_struct((**ty).clone()));
    hostile.enums().for_each(|ty| all.insert_enum((**ty).clone()));
    manifest.schema = Arc::new(all);
    let record_type = RecordType {
        name: "T1".to_owned(),
        type_id: shapes::RECORD,
        key: vec!["id".to_owned()],
        rows: 0,
        segments: Vec::new(),
        changes: Some(RowChanges::default()),
        ..RecordType::default()
    };
    if random.random_bool(0.5)
        && let Some(ty) = manifest.record_types.first_mut()
    {
        // Rows of films, read as what they are not.
        (ty.name, ty.type_id, ty.key) = (record_type.name, record_type.type_id, record_type.key);
    } else {
        manifest.record_types.push(record_type);
    }
    manifest.record_types.sort_by(|a, b| a.name.cmp(&b.name));
    format!("{name}, {count}")
}

fn number(random: &mut SmallRng) -> u64 {
    let numbers = [0, 1, 2, 3, 64, u64::from(u32::MAX), 1 << 29, 1 << 40, u64::MAX, u64::MAX - 1, random.random()];
    numbers[random.random_range(0..numbers.len())]
}

fn text(random: &mut SmallRng) -> String {
    let length = [0, 1, 10, 2_000, 100_000][random.random_range(0..5)];
    let one = ["a", "\u{1b}[2J", "Movie", "id", "\u{202e}", "\n"][random.random_range(0..6)];
    one.repeat(length)
}

/// A few rows, or a few bytes that stand for milliards.
fn rows(random: &mut SmallRng) -> Vec<u8> {
    let mut rows = RoaringBitmap::new();
    match random.random_range(0..4) {
        0 => _ = rows.insert_range(0..=u32::MAX),
        1 => _ = rows.insert_range(0..random.random_range(1..100)),
        2 => rows.extend((0..2_000).map(|n| n * 65_536 + 7)),
        _ => _ = rows.insert(random.random_range(0..50)),
    }
    encode_rows(&rows)
}
