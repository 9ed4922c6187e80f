//! How far two vectors are apart.

use crate::element::Element;

/// How far two vectors are apart. Smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// One minus the cosine of the angle; 1 if one of the two is zero.
    Cosine,
    /// The negated inner product.
    Dot,
    /// Number of bits that differ.
    Hamming,
}

impl Metric {
    /// Whether there are distances between vectors of this element: Hamming between bits alone, the others between numbers.
    pub fn suits(self, element: Element) -> bool {
        (self == Self::Hamming) == (element == Element::Bit)
    }
}
