//! Files as a newer release may write them, which this one must refuse.

use bytes::Bytes;
use capnp::message::{Builder, ReaderOptions};
use capnp::serialize;
use kapok_samples::sealed;
use kapok_schemas::announcement_capnp::{announcement, marker};
use kapok_schemas::manifest_capnp::manifest;

/// What a file asks of its reader.
#[derive(Clone, Copy, Debug)]
pub enum Newer {
    /// Another version of the format.
    FormatVersion(u32),
    /// A feature.
    Feature(&'static str),
}

/// A sealed file that asks for something new, and is whole.
///
/// # Panics
/// If it is no marker, manifest or announcement.
pub fn newer(name: &str, file: &Bytes, what: Newer) -> Bytes {
    let (kind, payload) = sealed::open(file).expect("a sealed file");
    let mut payload: &[u8] = &payload;
    let message = serialize::read_message_from_flat_slice(&mut payload, ReaderOptions::new()).expect("a message");
    let mut changed = Builder::new_default();
    macro_rules! change {
        ($root:ident) => {{
            changed.set_root(message.get_root::<$root::Reader<'_>>().expect("a root")).expect("a copy");
            let mut root: $root::Builder<'_> = changed.get_root().expect("a root");
            match what {
                Newer::FormatVersion(version) => root.set_format_version(version),
                Newer::Feature(feature) => root.init_required_features(1).set(0, feature),
            }
        }};
    }
    match kind {
        sealed::MARKER => change!(marker),
        sealed::MANIFEST => change!(manifest),
        sealed::ANNOUNCEMENT => change!(announcement),
        _ => panic!("{name} is a stub"),
    }
    sealed::seal(kind, &serialize::write_message_to_words(&changed))
}
