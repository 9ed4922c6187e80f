//! Record types that were declared in a cycle. A second declaration of one must say the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kapok_core::schema::{RecordStruct, Schema};
use kapok_index::View;

use crate::declaration::Declaration;
use crate::error::Result;
use crate::lock::lock;
use crate::staged_schema::{StagedSchema, declared_twice};

/// Record types of a cycle by name, each with its staged records or changes.
#[derive(Debug)]
pub(crate) struct Declarations<T>(Mutex<BTreeMap<String, Arc<T>>>);

/// Staged records of a record type, or changes to it.
pub(crate) trait DeclaredType {
    /// Returns how its records are staged.
    fn schema(&self) -> &StagedSchema;
}

impl<T> Default for Declarations<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: DeclaredType> Declarations<T> {
    pub(crate) fn get(&self, record_type: &str) -> Option<Arc<T>> {
        lock(&self.0).get(record_type).cloned()
    }

    /// Adds a type, or finds the one that was declared in the same way.
    ///
    /// # Errors
    /// `Invalid` if it was declared otherwise, and as [`StagedSchema::new`].
    pub(crate) fn declare(
        &self,
        declaration: &Declaration,
        prior: &View,
        make: impl FnOnce(StagedSchema) -> T,
    ) -> Result<Arc<T>> {
        let mut types = lock(&self.0);
        if let Some(known) = types.get(&declaration.name) {
            if !known.schema().is_of(declaration, &declaration.key_fields()?) {
                return Err(declared_twice(&declaration.name));
            }
            return Ok(Arc::clone(known));
        }
        let ty = Arc::new(make(StagedSchema::new(declaration, prior)?));
        types.insert(declaration.name.clone(), Arc::clone(&ty));
        Ok(ty)
    }

    /// Takes a type back.
    pub(crate) fn withdraw(&self, record_type: &str) {
        lock(&self.0).remove(record_type);
    }

    /// Finds the type of a generated struct, if it was declared before and takes all fields of the struct.
    ///
    /// # Errors
    /// `Invalid` if it does not take all fields.
    pub(crate) fn of_generated<R: RecordStruct>(&self) -> Result<Option<Arc<T>>> {
        let (name, type_id) = Schema::name_and_id_of::<R>()?;
        let known = self.get(&name).filter(|ty| ty.schema().encoding.type_id() == type_id);
        if let Some(known) = &known {
            known.schema().check_takes(&Declaration::of::<R>()?)?;
        }
        Ok(known)
    }

    pub(crate) fn into_inner(self) -> BTreeMap<String, Arc<T>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
