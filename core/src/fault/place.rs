//! The field that a fault is about, and the path to it.

use super::Fault;

impl Fault {
    /// Returns the path of the field that this is about, if it is about one field.
    pub fn field(&self) -> Option<String> {
        match self {
            Self::UnknownField { path, field, .. } => Some(format!("{path}.{field}")),
            Self::NoField { path: field, .. }
            | Self::NoFieldToDrop { path: field, .. }
            | Self::SchemaChange { field, .. }
            | Self::OlderSchema { field, .. }
            | Self::TypeMismatch { field, .. }
            | Self::Path { path: field, .. }
            | Self::NotDroppable { field, .. }
            | Self::InferenceSetting { field, .. }
            | Self::FieldRefused { field, .. }
            | Self::RustType { field, .. }
            | Self::Inference { field, .. }
            | Self::Mismatch { field, .. }
            | Self::NotNullable { field, .. }
            | Self::Absent { field }
            | Self::StoredMismatch { field, .. }
            | Self::Dimension { field, .. }
            | Self::NotFinite { field, .. }
            | Self::KeyField { field, .. }
            | Self::KeyMismatch { field, .. }
            | Self::MissingKey { field }
            | Self::ReadAs { field, .. }
            | Self::ReadAsOption { field, .. }
            | Self::Deserialize { path: field, .. } => Some(field.clone()),
            _ => None,
        }
    }

    /// Returns the path that grows while an error about a value is on its way up.
    pub(crate) fn path_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Invalid { subject: path, .. }
            | Self::Limit { subject: path, .. }
            | Self::UnknownField { path, .. }
            | Self::Mismatch { field: path, .. }
            | Self::FieldRefused { field: path, .. }
            | Self::NotNullable { field: path, .. }
            | Self::MissingKey { field: path } => Some(path),
            _ => None,
        }
    }
}
