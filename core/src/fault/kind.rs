//! The kind of each fault: what its caller does next.

use super::Fault;
use crate::error_kind::ErrorKind;

impl Fault {
    /// Returns what the caller does next.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::NotFound { .. } | Self::NoRecordType { .. } | Self::NoField { .. } | Self::NoFieldToDrop { .. } => {
                ErrorKind::NotFound
            }
            Self::Incompatible { .. }
            | Self::SchemaChange { .. }
            | Self::OlderSchema { .. }
            | Self::TypeMismatch { .. }
            | Self::KeyChange { .. } => ErrorKind::Incompatible,
            Self::Stopped { .. } => ErrorKind::Unavailable,
            Self::Invalid { .. }
            | Self::Schema { .. }
            | Self::TypeName { .. }
            | Self::AmbiguousName { .. }
            | Self::Path { .. }
            | Self::NotDroppable { .. }
            | Self::NoRecords { .. }
            | Self::InferenceSetting { .. }
            | Self::FieldRefused { .. }
            | Self::RustType { .. }
            | Self::Json { .. }
            | Self::JsonInteger { .. }
            | Self::Inference { .. }
            | Self::UnknownField { .. }
            | Self::Mismatch { .. }
            | Self::NotNullable { .. }
            | Self::Absent { .. }
            | Self::StoredMismatch { .. }
            | Self::Dimension { .. }
            | Self::NotFinite { .. }
            | Self::NoKey { .. }
            | Self::KeyField { .. }
            | Self::KeyMismatch { .. }
            | Self::KeyLength { .. }
            | Self::MissingKey { .. }
            | Self::UnsetKey { .. }
            | Self::DuplicateKey { .. }
            | Self::KeysAlike { .. }
            | Self::ReadAs { .. }
            | Self::ReadAsOption { .. }
            | Self::Deserialize { .. }
            | Self::StaleRow { .. }
            | Self::Query { .. }
            | Self::Limit { .. }
            | Self::Budget { .. } => ErrorKind::Invalid,
        }
    }
}
