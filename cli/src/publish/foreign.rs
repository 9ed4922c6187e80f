//! What is it that is no JSON lines, and how does it become some?

/// How the files of other packers start, what unpacks them, and what they are called.
const PACKED: [(&[u8], &str, &str); 5] = [
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz -dc", "xz"),
    (b"BZh", "bzip2 -dc", "bzip2"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4 -dc", "lz4"),
    (b"PK\x03\x04", "unzip -p", "zip"),
    (&[0x1f, 0x9d], "uncompress -c", "compress"),
];

/// A file that is compressed by something that this program does not read.
pub fn packed(head: &[u8]) -> Option<String> {
    let (_, unpack, name) = PACKED.iter().find(|(magic, ..)| head.starts_with(magic))?;
    Some(format!("compressed by {name}, which is not read as it is; try: {unpack} FILE | kapok publish - ..."))
}

/// A line that cannot be read: what kind of file has such lines. `is_first` where no record stands before it.
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
