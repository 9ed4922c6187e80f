//! The marker: the file `dataset`, which makes a place a store.

use bytes::Bytes;
use capnp::message;
use capnp::serialize;
use kapok_schemas::announcement_capnp::marker;

use crate::clock::now_unix_ms;
use crate::error::Result;
use crate::objects::Objects;
use crate::sealed_file::SealedKind;
use crate::sealed_message;
use crate::token::fresh_token;

/// The marker's name.
pub(crate) const MARKER: &str = "dataset";

/// What the file `dataset` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Eight concurrent creates of one name were seen to have one winner.
    pub(crate) conditional_writes_probed: bool,
}

impl Marker {
    pub(crate) fn encode(self) -> Bytes {
        let mut message = message::Builder::new_default();
        let mut root = message.init_root::<marker::Builder<'_>>();
        root.set_format_version(sealed_message::FORMAT_VERSION);
        root.set_conditional_writes_probed(self.conditional_writes_probed);
        root.set_created_unix_ms(now_unix_ms());
        root.set_writer_token(&fresh_token());
        sealed_message::close(SealedKind::Marker, &serialize::write_message_to_words(&message))
    }

    /// Reads the marker of a place, or `None` if there is none.
    pub(crate) async fn read(objects: &Objects) -> Result<Option<Self>> {
        let Some(file) = objects.read(MARKER).await? else {
            return Ok(None);
        };
        let marker = Self::open(&objects.name(MARKER), &file)?;
        if objects.cache.is_some() {
            objects.run.last_read.keep_marker(&file);
        }
        Ok(Some(marker))
    }

    pub(crate) fn open(name: &str, file: &Bytes) -> Result<Self> {
        let payload = sealed_message::open(name, SealedKind::Marker, file)?;
        let message = sealed_message::message(name, &payload)?;
        let read = || -> capnp::Result<_> {
            let root = message.get_root::<marker::Reader<'_>>()?;
            let features = root.get_required_features()?;
            Ok((root, root.get_format_version(), features))
        };
        let (root, format_version, features) = read().map_err(|error| sealed_message::malformed(name, &error))?;
        sealed_message::check_features(name, format_version, features)?;
        Ok(Self { conditional_writes_probed: root.get_conditional_writes_probed() })
    }
}
