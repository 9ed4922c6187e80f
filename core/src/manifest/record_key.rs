//! The primary key of a record type as its manifest entry says it, and the encoding of its records.

use std::sync::Arc;

use super::{RecordType, Wire};
use crate::error::{Error, Result};
use crate::key::{KeyRevision, KeySpec};
use crate::schema::Schema;
use crate::segment::{Encoding, Sharing};

impl RecordType {
    /// Resolves the primary key. `schema`: that of the manifest.
    ///
    /// # Errors
    /// `Invalid` as [`KeySpec::new`].
    pub fn key_spec(&self, schema: &Schema) -> Result<KeySpec> {
        Ok(KeySpec::new(schema, schema.struct_type(self.type_id)?, &self.key)?.with_revision(self.key_revision))
    }

    /// Compiles the encoding of the records. `schema`: that of the manifest.
    ///
    /// # Errors
    /// `Invalid` as [`Encoding::new`].
    pub fn encoding(&self, schema: &Arc<Schema>, sharing: Sharing) -> Result<Encoding> {
        let encoding = Encoding::new(Arc::clone(schema), self.type_id, &self.key, sharing)?;
        Ok(encoding.with_key_revision(self.key_revision))
    }
}

impl Wire<'_> {
    pub(super) fn key_revision(&self, number: u32) -> Result<KeyRevision> {
        KeyRevision::of_number(number).ok_or_else(|| {
            Error::incompatible(self.name, format!("key_revision={number} is unknown; upgrade this program"))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use bytes::Bytes;
    use capnp::{message, serialize};
    use kapok_schemas::manifest_capnp as wire;

    use super::*;
    use crate::ErrorKind;
    use crate::manifest::Manifest;
    use crate::schema::{FieldType, StructType, Type};

    fn manifest(key_revision: KeyRevision) -> Manifest {
        let fields = (0..2).map(|n| FieldType::slot(&format!("f{n}"), n, 0, Type::Text)).collect();
        let mut ty = StructType::new(1 << 63, "Thing".to_owned(), fields);
        ty.lay_out().unwrap();
        let mut schema = Schema::new();
        schema.insert_struct(ty);
        let key = vec!["f0".to_owned(), "f1".to_owned()];
        let ty = RecordType { name: "Thing".to_owned(), type_id: 1 << 63, key, key_revision, ..RecordType::default() };
        Manifest {
            version: 1,
            parent: None,
            created_unix_ms: 0,
            writer: String::new(),
            writer_token: [0; 16],
            announce_itself: false,
            schema: Arc::new(schema),
            record_types: vec![ty],
            tags: BTreeMap::new(),
            log_sequence: 0,
        }
    }

    fn changed(bytes: &[u8], change: impl FnOnce(wire::manifest::Builder<'_>)) -> Bytes {
        let read = serialize::read_message(bytes, message::ReaderOptions::new()).unwrap();
        let mut message = message::Builder::new_default();
        message.set_root(read.get_root::<wire::manifest::Reader<'_>>().unwrap()).unwrap();
        change(message.get_root().unwrap());
        Bytes::from(serialize::write_message_to_words(&message))
    }

    fn features(bytes: &[u8]) -> Vec<String> {
        let read = serialize::read_message(bytes, message::ReaderOptions::new()).unwrap();
        let root: wire::manifest::Reader<'_> = read.get_root().unwrap();
        root.get_required_features().unwrap().iter().map(|it| it.unwrap().to_string().unwrap()).collect()
    }

    #[test]
    fn only_a_manifest_with_a_later_key_revision_requires_that_readers_know_it() {
        for (revision, required) in
            [(KeyRevision::R0, &["bound-artifacts"][..]), (KeyRevision::R1, &["bound-artifacts", "key-revisions"])]
        {
            let bytes = manifest(revision).encode().unwrap();
            assert_eq!(features(&bytes), required);
            let decoded = Manifest::decode("manifest", &Bytes::from(bytes)).unwrap();
            assert_eq!(decoded, manifest(revision));
            let ty = &decoded.record_types[0];
            assert_eq!(ty.key_spec(&decoded.schema).unwrap().revision(), revision);
            let encoding = ty.encoding(&decoded.schema, Sharing::Shared).unwrap();
            assert_eq!(encoding.key().revision(), revision);
        }
    }

    #[test]
    fn an_unknown_key_revision_is_refused() {
        let bytes = manifest(KeyRevision::R1).encode().unwrap();
        let bytes = changed(&bytes, |root| root.get_record_types().unwrap().get(0).set_key_revision(2));
        let error = Manifest::decode("manifest", &bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        assert!(error.to_string().contains("key_revision=2"), "{error}");
    }
}
