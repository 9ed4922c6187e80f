//! Recognises input that is not JSON lines, and advises how to convert it.

/// First bytes of files of other packers, the command that unpacks them, and their name.
const PACKED: [(&[u8], &str, &str); 5] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz -dc", "xz"),
    (b"BZh", "bzip2 -dc", "bzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4 -dc", "lz4"),
    (b"PK\x03\x04", "unzip -p", "zip"),
    (&[0x1f, 0x9d], "uncompress -c", "compress"),
];

/// Advises on a file that is compressed in a way that this program does not read.
pub fn packed(head: &[u8]) -> Option<String> {
    let (_, unpack, name) = PACKED.iter().find(|(magic, ..)| head.starts_with(magic))?;
    Some(format!("compressed by {name}, which is not read as it is; try: {unpack} FILE | kapok publish - ..."))
}

/// Advises on a line that cannot be read, by the kind of file that has such lines; `is_first` if no record came before
/// it.
pub fn advice(line: &[u8], is_first: bool) -> Option<&'static str> {
    let line = line.trim_ascii();
    match line {
        b"{" => Some("one record over several lines? try: jq -c . FILE | kapok publish - ..."),
        [b'[', ..] if is_first => Some("a JSON array? try: jq -c '.[]' FILE | kapok publish - ..."),
        [b'{', ..] => None,
        _ if is_first && line.iter().any(|byte| b",;\t".contains(byte)) => {
            Some("CSV? try: mlr --icsv --ojsonl cat FILE | kapok publish - ...")
        }
        _ => None,
    }
}
