//! Names for one write of one writer, by which it knows its own file again.

/// Sixteen random bytes inside a created file: they settle a create whose reply was lost.
pub type Token = [u8; 16];

/// Returns a token that no other writer has.
pub fn fresh_token() -> Token {
    rand::random()
}
