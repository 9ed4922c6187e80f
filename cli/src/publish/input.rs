//! Opens JSON lines so that they can be read twice: a file, a copy of standard input, or bytes of this program.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use blake3::{Hash, Hasher};
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;

use super::foreign;
use crate::failure::{Failure, Result};
use crate::progress;

const BUFFER_BYTES: usize = 1 << 16;
/// Bytes that are hashed at once.
const HASH_BUFFER_BYTES: usize = 1 << 18;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Largest window of `zstd --long`.
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// JSON lines, plain or compressed.
#[derive(Debug)]
pub struct Input {
    name: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    File { file: File, len: u64 },
    Bytes(&'static [u8]),
}

impl Input {
    /// Opens a file, or spools standard input (`-`) and pipes into a temporary file that has no name.
    pub fn open(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Self::spool("standard input".to_owned(), &mut io::stdin().lock());
        }
        let name = path.display().to_string();
        let unreadable = |error: io::Error| Failure::input(format!("{name}: cannot be read: {error}"));
        let mut file = File::open(path).map_err(unreadable)?;
        let kind = file.metadata().map_err(unreadable)?;
        if kind.is_dir() {
            return Err(Failure::input(format!("{name}: is a folder, not a file of JSON lines")));
        }
        if !kind.is_file() {
            return Self::spool(name, &mut file);
        }
        Ok(Self { source: Source::File { file, len: kind.len() }, name })
    }

    /// Returns the input of bytes that this program holds.
    pub fn bundled(name: &str, bytes: &'static [u8]) -> Self {
        Self { name: name.to_owned(), source: Source::Bytes(bytes) }
    }

    /// Returns the name of the input in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn spool(name: String, from: &mut impl Read) -> Result<Self> {
        let failed = |error: io::Error| Failure::no(format!("{name}: cannot be copied to a temporary file: {error}"));
        let mut file = tempfile::tempfile().map_err(failed)?;
        let len = io::copy(from, &mut file).map_err(failed)?;
        Ok(Self { source: Source::File { file, len }, name })
    }

    /// Returns the decompressed lines from the first, and the bar that shows how far they were read.
    pub fn read(
        &self,
        what: &'static str,
        digest: Option<&Digest>,
    ) -> io::Result<(Box<dyn BufRead + Send>, ProgressBar)> {
        let (raw, bar) = self.raw(what)?;
        let lines = match digest {
            Some(digest) => decompressed(Digested { raw, hasher: Hasher::new(), digest: digest.clone() })?,
            None => decompressed(raw)?,
        };
        Ok((lines, bar))
    }

    /// Returns the hash of the input as it is stored.
    pub fn hash(&self) -> io::Result<Hash> {
        let (mut raw, bar) = self.raw("comparing")?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; HASH_BUFFER_BYTES];
        loop {
            match raw.read(&mut buffer)? {
                0 => break,
                len => hasher.update(&buffer[..len]),
            };
        }
        bar.finish_and_clear();
        Ok(hasher.finalize())
    }

    fn raw(&self, what: &'static str) -> io::Result<(Box<dyn Read + Send>, ProgressBar)> {
        match &self.source {
            Source::File { file, len } => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                let bar = progress::bytes(what, *len);
                Ok((Box::new(bar.wrap_read(file)), bar))
            }
            Source::Bytes(bytes) => Ok((Box::new(Cursor::new(*bytes)), ProgressBar::hidden())),
        }
    }
}

/// Hash of an input as it is stored, known when all of it was read.
#[derive(Clone, Default)]
pub struct Digest(Arc<Mutex<Option<Hash>>>);

impl Digest {
    pub fn get(&self) -> Option<Hash> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, hash: Option<Hash>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hash;
    }
}

/// Hashes what is read.
struct Digested<R> {
    raw: R,
    hasher: Hasher,
    digest: Digest,
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.raw.read(buffer)?;
        if !buffer.is_empty() {
            self.hasher.update(&buffer[..len]);
            // A file may grow after its end was met, and is then read on.
            self.digest.set((len == 0).then(|| self.hasher.finalize()));
        }
        Ok(len)
    }
}

fn decompressed(raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, raw);
    // Recognised by content, since standard input has no name. No JSON begins like this.
    let head = raw.fill_buf()?;
    if head.starts_with(&ZSTD_MAGIC) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)));
    }
    if head.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw))));
    }
    if let Some(advice) = foreign::packed(head) {
        return Err(io::Error::other(advice));
    }
    Ok(Box::new(raw))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decompressed(Cursor::new(bytes.to_vec()))?.read_to_end(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        io::Write::write_all(&mut encoder, text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_text_that_ends_early_is_an_error_wherever_it_ends() {
        let (first, second): (Vec<u8>, Vec<u8>) = ((0..90).collect(), (30..200).rev().collect());
        let whole = [first.as_slice(), &second].concat();
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        for frames in [[zstd(&first), zstd(&second)], [gzip(&first), gzip(&second)]] {
            let boundary = frames[0].len();
            let file = frames.concat();
            assert_eq!(read(&file).unwrap(), whole);
            // A file that is cut within its magic bytes is taken for text, which is no JSON.
            for end in 4..file.len() {
                let outcome = read(&file[..end]);
                if end == boundary {
                    assert_eq!(outcome.unwrap(), first, "nothing tells that there was more");
                } else {
                    assert!(outcome.is_err(), "cut at {end} of {}", file.len());
                }
            }
        }
    }

    #[test]
    fn what_other_packers_made_is_refused_with_what_unpacks_it() {
        for (bytes, way) in
            [(&b"\xfd7zXZ\0rest"[..], "xz -dc"), (b"BZh91AY", "bzip2 -dc"), (b"PK\x03\x04..", "unzip -p")]
        {
            assert!(read(bytes).unwrap_err().to_string().contains(way));
        }
    }
}
