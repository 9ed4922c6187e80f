//! What kernels compute, apart from how.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "some of it is for kernels of other processors"))]

use std::marker::PhantomData;

use crate::element::Element;

/// What is computed of a query and each row.
pub(crate) trait Operation {
    /// What comes out for a row.
    type Out: Copy + Default;
}

/// A kind of number that is widened to `f32`.
pub(crate) trait Float {
    /// The bytes of sixteen of them.
    type Sixteen;
    /// Bytes of one.
    const BYTES: usize;
    /// Which kind.
    const ELEMENT: Element;
    /// All that are whole, and the bytes after them.
    fn sixteens(bytes: &[u8]) -> (&[Self::Sixteen], &[u8]);
    /// Less than sixteen, and zeros after them.
    fn padded(bytes: &[u8]) -> Self::Sixteen;
}

/// A kind of number that fits a byte.
pub(crate) trait Byte {
    /// Whether the byte has a sign.
    const IS_SIGNED: bool;
    /// What a sum of products of two of them is.
    type Sum: Copy + Default;
    /// The sum of these lower 32 bits, of which it has no others.
    fn sum(bits: i32) -> Self::Sum;
}

/// binary32.
pub(crate) struct F32;
/// binary16.
pub(crate) struct F16;
/// bfloat16.
pub(crate) struct Bf16;
/// Signed bytes.
pub(crate) struct I8;
/// Unsigned bytes.
pub(crate) struct U8;

impl Float for F32 {
    type Sixteen = [u8; 64];
    const BYTES: usize = 4;
    const ELEMENT: Element = Element::F32;
    fn sixteens(bytes: &[u8]) -> (&[[u8; 64]], &[u8]) {
        bytes.as_chunks()
    }
    fn padded(bytes: &[u8]) -> [u8; 64] {
        padded(bytes)
    }
}

impl Float for F16 {
    type Sixteen = [u8; 32];
    const BYTES: usize = 2;
    const ELEMENT: Element = Element::F16;
    fn sixteens(bytes: &[u8]) -> (&[[u8; 32]], &[u8]) {
        bytes.as_chunks()
    }
    fn padded(bytes: &[u8]) -> [u8; 32] {
        padded(bytes)
    }
}

impl Float for Bf16 {
    type Sixteen = [u8; 32];
    const BYTES: usize = 2;
    const ELEMENT: Element = Element::Bf16;
    fn sixteens(bytes: &[u8]) -> (&[[u8; 32]], &[u8]) {
        bytes.as_chunks()
    }
    fn padded(bytes: &[u8]) -> [u8; 32] {
        padded(bytes)
    }
}

impl Byte for I8 {
    const IS_SIGNED: bool = true;
    type Sum = i32;
    fn sum(bits: i32) -> i32 {
        bits
    }
}

impl Byte for U8 {
    const IS_SIGNED: bool = false;
    type Sum = u32;
    fn sum(bits: i32) -> u32 {
        bits.cast_unsigned()
    }
}

/// The inner product of a query of `Q` and rows of `R`.
pub(crate) struct FloatDot<Q, R = Q>(PhantomData<(Q, R)>);
/// The squared Euclidean distance.
pub(crate) struct FloatL2<Q, R = Q>(PhantomData<(Q, R)>);
/// The inner product, and that of the row with itself.
pub(crate) struct FloatDotNorm<Q, R = Q>(PhantomData<(Q, R)>);
/// The inner product of bytes.
pub(crate) struct ByteDot<Q, R = Q>(PhantomData<(Q, R)>);
/// The squared Euclidean distance of bytes.
pub(crate) struct ByteL2<E>(PhantomData<E>);
/// The inner product of bytes, and that of the row with itself.
pub(crate) struct ByteDotNorm<E>(PhantomData<E>);
/// The inner product of signed bytes and packed 4-bit codes.
pub(crate) struct U4I8;
/// Number of bits that differ.
pub(crate) struct Hamming;

impl<Q: Float, R: Float> Operation for FloatDot<Q, R> {
    type Out = f32;
}

impl<Q: Float, R: Float> Operation for FloatL2<Q, R> {
    type Out = f32;
}

impl<Q: Float, R: Float> Operation for FloatDotNorm<Q, R> {
    type Out = (f32, f32);
}

impl<Q: Byte, R: Byte> Operation for ByteDot<Q, R> {
    type Out = Q::Sum;
}

impl<E: Byte> Operation for ByteL2<E> {
    type Out = u32;
}

impl<E: Byte> Operation for ByteDotNorm<E> {
    type Out = (E::Sum, u32);
}

impl Operation for U4I8 {
    type Out = i32;
}

impl Operation for Hamming {
    type Out = u32;
}

/// The chunks of a vector, and the bytes after them, as many as those of another: the compiler is to know that.
#[inline]
pub(super) fn chunks_like<'a, const LEN: usize>(
    bytes: &'a [u8],
    (chunks, tail): (&[[u8; LEN]], &[u8]),
) -> (&'a [[u8; LEN]], &'a [u8]) {
    let (own_chunks, own_tail) = bytes.as_chunks();
    (&own_chunks[..chunks.len()], &own_tail[..tail.len()])
}

/// The same for several vectors.
///
/// Here and below, closures stand in functions without `target_feature`: those in functions with it are not inlined into `map`.
#[inline]
pub(super) fn all_chunks_like<'a, const LEN: usize, const N: usize>(
    rows: [&'a [u8]; N],
    like: (&[[u8; LEN]], &[u8]),
) -> [(&'a [[u8; LEN]], &'a [u8]); N] {
    rows.map(|row| chunks_like(row, like))
}

/// The blocks of packed 4-bit codes of several vectors that have as many.
#[inline]
pub(super) fn all_codes<const N: usize>(rows: [&[u8]; N], blocks: usize) -> [&[[u8; 64]]; N] {
    rows.map(|row| &row.as_chunks().0[..blocks])
}

/// Blocks of 64 dimensions, each of which has four times sixteen, whole sixteens after them, and the bytes of the rest.
pub(super) struct Blocks<'a, E: Float> {
    pub(super) whole: &'a [[E::Sixteen; 4]],
    pub(super) groups: &'a [E::Sixteen],
    pub(super) tail: &'a [u8],
}

impl<'a, E: Float> Blocks<'a, E> {
    /// Those of a vector without dimensions.
    pub(super) const EMPTY: Self = Self { whole: &[], groups: &[], tail: &[] };

    #[inline]
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let (sixteens, tail) = E::sixteens(bytes);
        let (whole, groups) = sixteens.as_chunks();
        Self { whole, groups, tail }
    }

    /// The blocks of another vector, which has as many dimensions: the compiler is to know that.
    #[inline]
    pub(super) fn like<F: Float>(bytes: &'a [u8], other: &Blocks<'_, F>) -> Self {
        let Self { whole, groups, tail } = Self::of(bytes);
        Self {
            whole: &whole[..other.whole.len()],
            groups: &groups[..other.groups.len()],
            tail: &tail[..other.tail.len() / F::BYTES * E::BYTES],
        }
    }
}

/// Bytes and zeros after them.
#[inline]
pub(super) fn padded<const LEN: usize>(bytes: &[u8]) -> [u8; LEN] {
    let mut padded = [0; LEN];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

/// Bytes of packed 4-bit codes that hold this many dimensions.
pub(crate) const fn u4_bytes(dimension: usize) -> usize {
    dimension.div_ceil(128) * 64
}
