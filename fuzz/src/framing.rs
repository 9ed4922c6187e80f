//! A segment and its extents as one input of the target `segment`.

use kapok_core::manifest::{SegmentEntry, Tombstones};
use kapok_core::segment::{Encoding, Extent, Segment, Sharing};

const EXTENT_BYTES: usize = 17;

/// Fields of a record type that have extents: the rows, then pointer fields by name.
fn fields(encoding: &Encoding) -> Vec<String> {
    let ty = encoding.schema().struct_type(encoding.type_id()).expect("the record type");
    let mut out = vec![String::new()];
    out.extend(ty.fields.iter().map(|field| field.name.clone()));
    out.extend(["place.label", "contact.email"].map(str::to_owned));
    out
}

/// One input.
pub fn join(choice: u8, encoding: &Encoding, extents: &[Extent], file: &[u8]) -> Vec<u8> {
    let fields = fields(encoding);
    let mut out = vec![choice, u8::try_from(extents.len()).expect("few fields")];
    for extent in extents {
        let index = fields.iter().position(|field| *field == extent.field).expect("a known field");
        out.push(u8::try_from(index).expect("few fields"));
        for number in [extent.offset, extent.size, u64::from(extent.stride), 0] {
            out.extend(u32::try_from(number).expect("a small file").to_le_bytes());
        }
    }
    out.extend(file);
    out
}

/// The extents and the file of an input.
pub fn split<'d>(encoding: &Encoding, data: &'d [u8]) -> Option<(Vec<Extent>, &'d [u8])> {
    let fields = fields(encoding);
    let (head, rest) = data.split_at_checked(2)?;
    let (extents, file) = rest.split_at_checked(head[1] as usize * EXTENT_BYTES)?;
    let extent = |bytes: &[u8]| {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let field = fields[bytes[0] as usize % fields.len()].clone();
        Extent { field, offset: number(1).into(), size: number(5).into(), stride: number(9) }
    };
    Some((extents.chunks_exact(EXTENT_BYTES).map(extent).collect(), file))
}

/// An entry whose keys are right.
pub fn entry(encoding: &Encoding, segment: &Segment, extents: Vec<Extent>) -> SegmentEntry {
    let key = |row| {
        let mut out = Vec::new();
        if let Some(row) = segment.row(row) {
            let _ = encoding.key().encode_row(row, &mut out);
        }
        out
    };
    SegmentEntry {
        id: [1; 32],
        size: segment.bytes().len() as u64,
        rows: segment.rows(),
        dead: 0,
        first_key: key(0),
        last_key: key(segment.rows().saturating_sub(1)),
        extents,
        tombstones: Tombstones::None,
        artifacts: Vec::new(),
        writer_revision: 1,
        sharing: Sharing::Shared,
        merged_from: Vec::new(),
    }
}
