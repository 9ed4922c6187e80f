//! Is this place a store?

use bytes::Bytes;
use capnp::message;
use capnp::serialize;
use kapok_schemas::announcement_capnp::marker;

use crate::clock::now_unix_ms;
use crate::envelope;
use crate::error::Result;
use crate::sealed::SealedKind;
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
        root.set_format_version(envelope::FORMAT_VERSION);
        root.set_conditional_writes_probed(self.conditional_writes_probed);
        root.set_created_unix_ms(now_unix_ms());
        root.set_writer_token(&fresh_token());
        envelope::close(SealedKind::Marker, &serialize::write_message_to_words(&message))
    }

    pub(crate) fn open(name: &str, file: &Bytes) -> Result<Self> {
        let payload = envelope::open(name, SealedKind::Marker, file)?;
        let message = envelope::message(name, &payload)?;
        let read = || -> capnp::Result<_> {
            let root = message.get_root::<marker::Reader<'_>>()?;
            let features = root.get_required_features()?;
            Ok((root, root.get_format_version(), features))
        };
        let (root, format_version, features) = read().map_err(|error| envelope::malformed(name, &error))?;
        envelope::check_features(name, format_version, features)?;
        Ok(Self { conditional_writes_probed: root.get_conditional_writes_probed() })
    }
}
