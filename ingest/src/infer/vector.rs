//! Decides if a list can be a vector of its field.

use super::misfit::{Fit, Misfit, describe_type, found};
use super::number::{fits_float32, holds};
use super::shape::Vector;
use crate::Value;
use kapok_core::schema::Type;

impl Vector {
    /// Takes one more vector.
    pub(super) fn join(&mut self, items: &[Value], line: u64) -> Fit {
        for (index, item) in items.iter().enumerate() {
            let fits = match (&self.element, item) {
                (Type::Float32, Value::Int(_) | Value::UInt(_) | Value::Float32(_)) => true,
                (Type::Float32, Value::Float64(v)) => fits_float32(*v),
                (ty, _) => holds(ty, item) == Some(true),
            };
            if !fits {
                let element = describe_type(&self.element);
                return Err(Misfit::new(format!("a vector of {element} cannot hold {}", found(item))).at(index));
            }
        }
        let Some(dimension) = u32::try_from(items.len()).ok().filter(|dimension| *dimension > 0) else {
            return Err(Misfit::new(format!("dimension={} of a vector; null says that there is none", items.len())));
        };
        if self.dimension == 0 {
            self.dimension = dimension;
            self.line = line;
        }
        if self.dimension == dimension {
            return Ok(());
        }
        let whence = if self.line == 0 { "the schema".to_owned() } else { format!("line={}", self.line) };
        Err(Misfit::new(format!("vectors of two lengths: dimension={dimension}, {} in {whence}", self.dimension)))
    }
}
