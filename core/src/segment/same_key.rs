//! The errors of two records whose keys are the same, or are encoded alike by the rules of an earlier release.

use bytes::Bytes;

use super::Segment;
use super::live::LiveSegment;
use super::seal::SealedSegment;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::key::{KeyRevision, KeySpec};

impl Stage {
    /// Makes the error of two staged rows whose keys are encoded alike.
    #[cold]
    pub(super) fn same_key(&self, first: u32, second: u32) -> Error {
        let encoded = self.encoded_key(first);
        if self.encoding.key.may_be_of_two(&encoded) {
            match (self.exact_key(first), self.exact_key(second)) {
                (Ok(first), Ok(second)) if first != second => return self.alike(&first, &second),
                (Err(error), _) | (_, Err(error)) => return error,
                _ => {}
            }
        }
        self.duplicate(&encoded, self.describe_source(first), self.describe_source(second))
    }

    /// Makes the error of a staged row whose key is that of a segment's row, which another record is equal to.
    #[cold]
    pub(super) fn same_key_as(
        &self,
        (key, source, row): (&KeySpec, &LiveSegment, u32),
        staged: Option<u32>,
        first: String,
        second: String,
    ) -> Error {
        let encode = |key: &KeySpec| -> Result<Vec<u8>> {
            let mut encoded = Vec::new();
            if let Some(record) = source.segment().row(row) {
                let unreadable = |malformed: crate::words::Malformed| malformed.into_error(source.segment().name());
                key.encode_row(record, &mut encoded).map_err(unreadable)?;
            }
            Ok(encoded)
        };
        let encoded = match encode(key) {
            Ok(encoded) => encoded,
            Err(error) => return error,
        };
        if let Some(staged) = staged
            && key.may_be_of_two(&encoded)
        {
            match (encode(&exact_rules(key)), self.exact_key(staged)) {
                (Ok(stored), Ok(staged)) if stored != staged => return self.alike(&stored, &staged),
                (Err(error), _) | (_, Err(error)) => return error,
                _ => {}
            }
        }
        self.duplicate(&encoded, first, second)
    }

    fn duplicate(&self, encoded: &[u8], first: String, second: String) -> Error {
        let record_type = self.encoding.record_type.to_string();
        Fault::DuplicateKey { record_type, key: self.encoding.key.describe(encoded), first, second }.into()
    }

    fn alike(&self, first: &[u8], second: &[u8]) -> Error {
        let exact = exact_rules(&self.encoding.key);
        let (first, second) = (exact.describe(first), exact.describe(second));
        Fault::KeysAlike { record_type: self.encoding.record_type.to_string(), first, second }.into()
    }

    /// Returns the key of a staged row as rules encode it that encode no two keys alike.
    fn exact_key(&self, row: u32) -> Result<Vec<u8>> {
        let SealedSegment { bytes, rows, .. } = self.write_segment(&[row])?;
        let segment = Segment::open("staged record", Bytes::from(bytes), rows)?;
        let mut exact = Vec::new();
        if let Some(record) = segment.row(0) {
            let spec = exact_rules(&self.encoding.key);
            spec.encode_row(record, &mut exact).map_err(|malformed| malformed.into_error(segment.name()))?;
        }
        Ok(exact)
    }
}

fn exact_rules(key: &KeySpec) -> KeySpec {
    key.clone().with_revision(KeyRevision::R1)
}
