//! Revisions of the rules by which a Text or Data before the last part of a key becomes bytes.

/// Ends a Text or Data that is not the last part.
const END: u8 = 0;
/// Follows a byte 0 in keys of revision 0.
const MARK: u8 = 0xff;
/// Stands in keys of revision 1 before bytes that are 0 or 1, which are one greater then.
const ESCAPE: u8 = 1;

/// Revision of the rules by which keys become bytes. A record type keeps that of its first version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRevision {
    /// The first rules, those of record types of earlier releases. Keys of several fields may be encoded alike, if a Text or
    /// Data before the last one holds a byte 0, or is followed by a byte 255.
    #[default]
    R0,
    /// Keys that differ are encoded differently.
    R1,
}

impl KeyRevision {
    /// Returns the number that manifests have for it.
    pub fn number(self) -> u32 {
        match self {
            Self::R0 => 0,
            Self::R1 => 1,
        }
    }

    /// Returns the revision of a number; `None` for one that this release does not know.
    pub fn of_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::R0),
            1 => Some(Self::R1),
            _ => None,
        }
    }

    /// Appends the bytes of a Text or Data, and its end unless it is the last part.
    pub(super) fn push(self, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        if last {
            out.extend_from_slice(bytes);
            return;
        }
        for byte in bytes {
            match self {
                Self::R0 if *byte == END => out.extend([END, MARK]),
                Self::R1 if *byte <= ESCAPE => out.extend([ESCAPE, byte + 1]),
                _ => out.push(*byte),
            }
        }
        out.push(END);
    }

    /// Takes a Text or Data off the front of an encoded key.
    pub(super) fn pop(self, key: &mut &[u8], last: bool) -> Vec<u8> {
        if last {
            return std::mem::take(key).to_vec();
        }
        let mut out = Vec::new();
        while let [byte, rest @ ..] = *key {
            *key = rest;
            let escaped = match (self, *byte, rest) {
                (Self::R0, END, [MARK, rest @ ..]) => Some((END, rest)),
                (Self::R1, ESCAPE, [escaped, rest @ ..]) => Some((escaped.wrapping_sub(1), rest)),
                (_, END, _) => break,
                _ => None,
            };
            out.push(escaped.map_or(*byte, |(byte, _)| byte));
            if let Some((_, rest)) = escaped {
                *key = rest;
            }
        }
        out
    }

    /// Returns whether bytes that are a key may be those of another one, too: quickly, and yes in doubt.
    pub(super) fn may_be_of_two(self, key: &[u8]) -> bool {
        // Where a part can be taken to end, or not, stands what follows a 0 that belongs to a text.
        self == Self::R0 && key.windows(2).any(|pair| pair == [END, MARK])
    }
}
