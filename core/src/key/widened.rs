//! Keys of records whose key fields are to become wider.

use super::{KeyKind, KeySpec, from_signed, push_integer};
use crate::words::{Read, StructRef};

impl KeySpec {
    /// Appends the key of a row as another key encodes it, whose integers are wider or narrower: from the row, since
    /// encoded keys do not tell their parts apart.
    ///
    /// # Errors
    /// The malformed word. `Ok(false)` if a part is null, or the other key has no place for it.
    pub fn encode_row_as(&self, row: StructRef<'_>, other: &Self, out: &mut Vec<u8>) -> Read<bool> {
        if self.parts.len() != other.parts.len() {
            return Ok(false);
        }
        let other_revision = other.revision;
        for (index, (part, other)) in self.parts.iter().zip(&other.parts).enumerate() {
            let fits = match (part.kind, other.kind) {
                (KeyKind::Text, KeyKind::Text) | (KeyKind::Data, KeyKind::Data) => {
                    let Some(bytes) = part.bytes(row)? else { return Ok(false) };
                    other_revision.push(bytes, index + 1 == self.parts.len(), out);
                    true
                }
                (KeyKind::Bool, KeyKind::Bool) => push_integer(part.integer(row), 1, out),
                (KeyKind::Signed(_) | KeyKind::Unsigned(_), KeyKind::Unsigned(n)) => {
                    push_integer(part.integer(row), n, out)
                }
                (KeyKind::Signed(_) | KeyKind::Unsigned(_), KeyKind::Signed(n)) => {
                    push_integer(from_signed(part.integer(row), n), n, out)
                }
                _ => false,
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl super::KeyField {
    /// Returns the value of an integer or Bool part.
    fn integer(&self, row: StructRef<'_>) -> i128 {
        let value = i128::from(self.number(row).1);
        match self.kind {
            KeyKind::Signed(n) => value - (1 << (8 * n - 1)),
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::KeyPart;
    use super::super::tests::key;
    use crate::schema::Type;
    use crate::words::Words;

    /// A row of one word, an `Int8` and a `UInt8`, and of a pointer to the text "a", then bytes.
    fn row(signed: i8, unsigned: u8) -> Vec<u8> {
        let mut words = vec![0, 0, 0, 0, 1, 0, 1, 0, signed.cast_unsigned(), unsigned, 0, 0, 0, 0, 0, 0];
        words.extend([1, 0, 0, 0, 0x12, 0, 0, 0, b'a', 0, 0, 0, 0, 0, 0, 0]);
        words
    }

    #[test]
    fn the_key_of_a_row_is_that_of_the_same_parts_however_wide() {
        // What follows a text may look like the end of it.
        let narrow = key(&[Type::Text, Type::Int8, Type::UInt8]);
        for wide in [[Type::Int8, Type::UInt8], [Type::Int64, Type::Int16], [Type::Int16, Type::UInt32]] {
            let wide = key(&[&[Type::Text][..], &wide].concat());
            for (signed, unsigned) in [(0, 0), (-1, 255), (127, 255), (-128, 1), (127, 0)] {
                let words = row(signed, unsigned);
                let row = Words::new(&words).struct_of(0).unwrap().unwrap();
                let (mut expected, mut found) = (Vec::new(), Vec::new());
                let parts = [KeyPart::Text("a"), KeyPart::Int(i128::from(signed)), KeyPart::Int(i128::from(unsigned))];
                assert!(wide.encode(&parts, &mut expected).unwrap());
                assert!(narrow.encode_row_as(row, &wide, &mut found).unwrap());
                assert_eq!(found, expected);
            }
        }
        let words = row(-1, 1);
        let row = Words::new(&words).struct_of(0).unwrap().unwrap();
        for other in
            [&[Type::Text, Type::UInt8, Type::UInt8][..], &[Type::Data, Type::Int8, Type::UInt8], &[Type::Text]]
        {
            assert!(!narrow.encode_row_as(row, &key(other), &mut Vec::new()).unwrap());
        }
    }
}
