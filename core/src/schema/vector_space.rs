//! What kind of vectors a field holds.

use super::Type;
use crate::error::{Error, Result};
use crate::vectors::ElementType;

/// What kind of vectors a field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorSpace {
    /// Elements of each vector, a multiple of 8 for bits; 0: that of the first one published.
    pub dimension: u32,
    /// Metric that vectors are compared by.
    pub metric: Metric,
    /// What the elements are, as far as the field's type does not tell.
    pub element: VectorElement,
}

/// Metric that vectors are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Metric {
    /// Not said.
    #[default]
    Unspecified,
    /// Euclidean distance.
    L2,
    /// 1 less the cosine of the angle.
    Cosine,
    /// Inner product, negated, so that the nearest has the greatest.
    InnerProduct,
    /// Number of bits that differ. For bits alone.
    Hamming,
}

/// What the elements of a vector are, as far as the field's type does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum VectorElement {
    /// Numbers as the type has them: of `List(Float32)`, `List(Int8)`, `List(UInt8)`; the bytes of `Data`.
    #[default]
    AsType,
    /// IEEE 754 of 16 bits, in a `List(UInt16)`.
    Float16,
    /// The upper 16 bits of a `Float32`, in a `List(UInt16)`.
    BFloat16,
    /// The bits of `Data`, the lowest of a byte first.
    Bit,
}

impl VectorSpace {
    /// Returns what the vectors of a field of a type are made of. `path`: what errors call the field.
    ///
    /// # Errors
    /// `Invalid` if the type cannot hold such vectors, or has no such metric.
    pub fn element_type(&self, path: &str, ty: &Type) -> Result<ElementType> {
        let of_list = if let Type::List(element) = ty { Some(&**element) } else { None };
        let element = match (self.element, of_list) {
            (VectorElement::AsType, Some(Type::Float32)) => ElementType::Float32,
            (VectorElement::AsType, Some(Type::Int8)) => ElementType::Int8,
            (VectorElement::AsType, Some(Type::UInt8)) => ElementType::UInt8,
            (VectorElement::AsType, None) if *ty == Type::Data => ElementType::UInt8,
            (VectorElement::Float16, Some(Type::UInt16)) => ElementType::Float16,
            (VectorElement::BFloat16, Some(Type::UInt16)) => ElementType::BFloat16,
            (VectorElement::Bit, None) if *ty == Type::Data => ElementType::Bit,
            (VectorElement::AsType, Some(Type::UInt16)) => {
                return Err(Error::schema(path, "a vector of List(UInt16) needs element = float16 or bfloat16"));
            }
            (VectorElement::Float16 | VectorElement::BFloat16, _) => {
                let problem = format!("a vector of element = {} must be a List(UInt16)", self.element.name());
                return Err(Error::schema(path, problem));
            }
            (VectorElement::Bit, _) => return Err(Error::schema(path, "a vector of element = bit must be Data")),
            (VectorElement::AsType, _) => {
                let problem = "a vector must be a List(Float32), List(Int8), List(UInt8) or Data; of 16-bit floats a \
                               List(UInt16)";
                return Err(Error::schema(path, problem));
            }
        };
        let is_bit = element == ElementType::Bit;
        if self.metric != Metric::Unspecified && is_bit != (self.metric == Metric::Hamming) {
            let metric = self.metric.name();
            return Err(Error::schema(
                path,
                format!("metric = {metric} for {element}: hamming is for bits alone, and bits have no other"),
            ));
        }
        if is_bit && !self.dimension.is_multiple_of(8) {
            let problem = format!("dimension = {} of bits, which must be a multiple of 8", self.dimension);
            return Err(Error::schema(path, problem));
        }
        Ok(element)
    }

    /// Returns what two revisions of a field say together, if nothing known changes: a dimension of 0 and an unspecified
    /// metric are not known.
    pub(super) fn joined(self, other: Self) -> Option<Self> {
        let agree = |a: bool, b: bool, same: bool| !a || !b || same;
        let is_said = |metric| metric != Metric::Unspecified;
        let same = self.element == other.element
            && agree(self.dimension != 0, other.dimension != 0, self.dimension == other.dimension)
            && agree(is_said(self.metric), is_said(other.metric), self.metric == other.metric);
        same.then_some(Self {
            dimension: if other.dimension == 0 { self.dimension } else { other.dimension },
            metric: if is_said(other.metric) { other.metric } else { self.metric },
            element: self.element,
        })
    }
}

impl Metric {
    /// Returns its name in schemas.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::L2 => "l2",
            Self::Cosine => "cosine",
            Self::InnerProduct => "innerProduct",
            Self::Hamming => "hamming",
        }
    }
}

impl VectorElement {
    /// Returns its name in schemas.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsType => "asType",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
            Self::Bit => "bit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(element: Type) -> Type {
        Type::List(Box::new(element))
    }

    #[test]
    fn types_hold_the_vectors_that_their_elements_allow_and_no_others() {
        use VectorElement::{AsType, BFloat16, Bit, Float16};
        for (ty, element, expected) in [
            (list(Type::Float32), AsType, Ok(ElementType::Float32)),
            (list(Type::Int8), AsType, Ok(ElementType::Int8)),
            (list(Type::UInt8), AsType, Ok(ElementType::UInt8)),
            (Type::Data, AsType, Ok(ElementType::UInt8)),
            (Type::Data, Bit, Ok(ElementType::Bit)),
            (list(Type::UInt16), Float16, Ok(ElementType::Float16)),
            (list(Type::UInt16), BFloat16, Ok(ElementType::BFloat16)),
            (list(Type::UInt16), AsType, Err("needs element = float16 or bfloat16")),
            (list(Type::UInt16), Bit, Err("element = bit must be Data")),
            (list(Type::UInt8), Bit, Err("element = bit must be Data")),
            (list(Type::Float32), Float16, Err("element = float16 must be a List(UInt16)")),
            (Type::Data, BFloat16, Err("element = bfloat16 must be a List(UInt16)")),
            (list(Type::Float64), AsType, Err("must be a List(Float32), List(Int8), List(UInt8) or Data")),
            (Type::Text, AsType, Err("must be a List(Float32)")),
        ] {
            let space = VectorSpace { element, ..VectorSpace::default() };
            match (space.element_type("T.f", &ty), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, _) => panic!("{ty:?} {element:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn hamming_is_for_bits_alone_and_bits_fill_bytes() {
        let check = |metric, element, dimension| {
            VectorSpace { dimension, metric, element }.element_type("T.f", &Type::Data).map_err(|e| e.to_string())
        };
        for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
            assert!(check(metric, VectorElement::AsType, 3).is_ok());
            let error = check(metric, VectorElement::Bit, 8).expect_err("not of bits");
            assert!(error.contains(metric.name()) && error.contains("hamming is for bits alone"), "{error}");
        }
        assert!(
            check(Metric::Hamming, VectorElement::AsType, 8)
                .expect_err("of bits alone")
                .contains("metric = hamming for uint8")
        );
        assert!(check(Metric::Hamming, VectorElement::Bit, 16).is_ok());
        assert!(check(Metric::Unspecified, VectorElement::Bit, 16).is_ok());
        let error = check(Metric::Hamming, VectorElement::Bit, 12).expect_err("whole bytes");
        assert!(error.contains("dimension = 12 of bits"), "{error}");
    }
}
