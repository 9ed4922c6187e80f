//! Random tokens, by which a writer knows its own file again.

/// Sixteen random bytes inside a created file, which settle a create whose reply was lost.
pub type Token = [u8; 16];

/// Returns a token that no other writer has.
pub fn fresh_token() -> Token {
    rand::random()
}
