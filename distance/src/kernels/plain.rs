//! Numbers as the bytes that they are.

/// Numbers without padding, of which the bytes may be read.
pub(crate) trait Plain: Copy {}
impl Plain for f32 {}
impl Plain for i8 {}

/// The bytes of numbers, in the order of this processor, which is little-endian.
pub(crate) fn bytes_of<T: Plain>(numbers: &[T]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little"), "vectors are stored little-endian and read as they are") };
    // SAFETY: 1. none are needed. 2. as many bytes as the slice has, for as long as it is borrowed. 3. bytes need no
    // alignment, and numbers have no padding.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}
