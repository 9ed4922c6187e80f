//! What settings say of vector fields.

use kapok_core::schema::{Metric, StructType, Type, VectorElement, VectorSpace};
use kapok_core::vectors::ElementType;

use super::InferenceSettings;
use super::growth::key_field;
use super::shape::{NodeId, Object, Shape, Vector};
use super::walk::Shapes;
use kapok_core::Result;

/// A vector field, as settings describe it: of constant length, and if nothing else is said, a `List(Float32)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorSetting {
    /// JSON names joined by dots, passing through lists.
    pub path: String,
    /// The field's metric; if it is unspecified, a metric that is known stays. A new field of metric `Hamming` is of bits, as
    /// bytes of `Data`.
    pub metric: Metric,
    /// What the vectors are and their dimension, if they come [beside the records](crate::RecordVectors); then the field is one
    /// of the record itself.
    pub held: Option<(ElementType, u32)>,
}

impl From<&str> for VectorSetting {
    fn from(path: &str) -> Self {
        Self { path: path.to_owned(), metric: Metric::Unspecified, held: None }
    }
}

impl VectorSetting {
    /// Returns the shape of a new field.
    pub(super) fn shape(&self) -> Shape {
        let (element, dimension) = self.held.unwrap_or((ElementType::Float32, 0));
        if self.metric == Metric::Hamming {
            return Shape::Fixed(Type::Data);
        }
        let (element, form) = match element {
            ElementType::Float16 => (Type::UInt16, VectorElement::Float16),
            ElementType::BFloat16 => (Type::UInt16, VectorElement::BFloat16),
            ElementType::Int8 => (Type::Int8, VectorElement::AsType),
            ElementType::UInt8 => (Type::UInt8, VectorElement::AsType),
            _ => (Type::Float32, VectorElement::AsType),
        };
        Shape::Vector(Vector { element, form, dimension, line: 0 })
    }
}

impl InferenceSettings {
    /// Returns the vector field of a path.
    pub(super) fn vector(&self, path: &str) -> Option<&VectorSetting> {
        self.vectors.iter().find(|vector| vector.path == path)
    }
}

impl Shapes {
    /// Adds the fields of vectors that no record shows, unless they are known.
    pub(super) fn push_held_vectors(&mut self) -> Result<()> {
        let held = self.settings.vectors.iter().filter(|vector| vector.held.is_some());
        let paths: Vec<String> = held.map(|vector| vector.path.clone()).collect();
        for path in paths {
            if path.contains('.') {
                let subject = format!("{}.{path}", self.record_type);
                return Err(key_field(subject, "vectors from a file are those of a field of the record itself"));
            }
            if self.objects[0].find(&path, 0).is_none() {
                self.push_member(0, &path).map_err(|misfit| misfit.into_error(&self.record_type, 0))?;
            }
        }
        Ok(())
    }

    /// Returns whether the vectors of a place come beside the records.
    pub(super) fn is_held(&self, at: NodeId) -> bool {
        self.settings.vector(&self.nodes[at].path).is_some_and(|vector| vector.held.is_some())
    }

    /// Returns what a new field's vectors are; `None` if it has none.
    pub(super) fn vector_space(&self, at: NodeId) -> Option<VectorSpace> {
        let node = &self.nodes[at];
        let setting = self.settings.vector(&node.path);
        let metric = setting.map_or(Metric::Unspecified, |setting| setting.metric);
        match &node.shape {
            Shape::Vector(Vector { dimension, form, .. }) => {
                Some(VectorSpace { dimension: *dimension, metric, element: *form })
            }
            Shape::Fixed(Type::Data) if metric == Metric::Hamming => {
                let held = setting.and_then(|setting| setting.held);
                let dimension = held.map_or(0, |(_, bytes)| bytes.saturating_mul(8));
                Some(VectorSpace { dimension, metric, element: VectorElement::Bit })
            }
            _ => None,
        }
    }

    /// Returns a known type, with the metrics that the settings give its vector fields.
    pub(super) fn with_metrics(&self, object: &Object, mut ty: StructType) -> StructType {
        for member in &object.members {
            let setting = self.settings.vector(&self.nodes[member.node].path);
            let Some(setting) = setting.filter(|setting| setting.metric != Metric::Unspecified) else { continue };
            let known = member.known_name.as_deref();
            let field = ty.fields.iter_mut().find(|field| Some(field.name.as_str()) == known);
            if let Some(space) = field.and_then(|field| field.vector.as_mut()) {
                space.metric = setting.metric;
            }
        }
        ty
    }
}
