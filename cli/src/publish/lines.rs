//! Reads one stream of lines by several threads, with the same result whichever is faster.
//!
//! ```text
//!                      ┌─▶ worker: parse ─┐
//! reader: chunks of ───┼─▶ worker: parse ─┼──▶ in order (Lines::in_order), or each to its own writer (Lines::spread)
//! whole lines          └─▶ worker: parse ─┘
//! ```
//!
//! Chunks are handed out in order, and a worker finishes the chunk that it began. So when a line fails, every line
//! before it has been parsed, and the failure of the lowest line is reported.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kapok_core::Fault;
use kapok_ingest::Value;
use memchr::{memchr, memchr_iter};

use super::foreign;
use super::input::{Digest, Input};
use crate::failure::{Failure, Parts, Result};

/// Bytes of a chunk, up to the end of its last line.
const CHUNK_BYTES: u64 = 1 << 18;
/// Bytes that a chunk has room for beyond that, for the rest of its last line.
const LINE_BYTES: u64 = 1 << 12;
/// The longest line: beyond the longest text that a record can hold.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Whole lines, with the number of the first.
pub struct Chunk {
    first_line: u64,
    text: Vec<u8>,
    /// Where the text goes when the lines are done.
    spares: Spares,
}

/// Buffers of chunks that are done, for those to come: the kernel hands out, and clears, no new pages for each.
#[derive(Clone, Default)]
struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

impl Drop for Chunk {
    fn drop(&mut self) {
        // A line that was far longer than others keeps no memory.
        if self.text.capacity() as u64 <= 2 * CHUNK_BYTES {
            lock(&self.spares.0).push(std::mem::take(&mut self.text));
        }
    }
}

/// A line that is not blank.
#[derive(Clone, Copy)]
pub struct Line<'c> {
    /// Counted from 1.
    pub number: u64,
    pub bytes: &'c [u8],
    /// The bytes as text, if all of the chunk is UTF-8.
    pub text: Option<&'c str>,
}

/// The lines of an input, to be parsed by several threads.
pub struct Lines<'i> {
    pub input: &'i Input,
    pub threads: usize,
    /// Name of the work in a progress bar.
    pub what: &'static str,
}

impl Lines<'_> {
    /// Calls a function with each record in the order of the lines.
    pub fn in_order(&self, mut each: impl FnMut(u64, &Value) -> Result<()>) -> Result<()> {
        let parse = |(): &mut (), chunk: Chunk| self.parse_up_to_failure(&chunk, |_| false);
        self.chunks_in_order(
            || (),
            parse,
            |records| {
                for record in records {
                    let (line, value) = record?;
                    each(line, &value)?;
                }
                Ok(())
            },
        )
    }

    /// Has chunks parsed by several threads, each by its own parser, and calls a function with what came of each, in
    /// the order of the lines.
    pub fn chunks_in_order<P, T: Send>(
        &self,
        parser: impl Fn() -> P + Sync,
        parse: impl Fn(&mut P, Chunk) -> T + Sync,
        mut each: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let (chunks, bar) = self.chunks(None)?;
        let (work, working) = sync_channel::<(Chunk, SyncSender<Result<T>>)>(self.threads);
        let (promise, promised) = sync_channel::<Receiver<Result<T>>>(2 * self.threads);
        let working = Mutex::new(working);
        let result = std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    let mut parser = parser();
                    while let Some((chunk, reply)) = take(&working) {
                        // The receiver is gone once a line has failed.
                        _ = reply.send(Ok(parse(&mut parser, chunk)));
                    }
                });
            }
            scope.spawn(move || {
                for chunk in chunks {
                    let (reply, parsed) = sync_channel(1);
                    let sent = match chunk {
                        Ok(chunk) => promise.send(parsed).is_ok() && work.send((chunk, reply)).is_ok(),
                        Err(failure) => reply.send(Err(failure)).is_ok() && promise.send(parsed).is_ok(),
                    };
                    if !sent {
                        return;
                    }
                }
            });
            for parsed in promised {
                if let Ok(parsed) = parsed.recv() {
                    each(parsed?)?;
                }
            }
            Ok(())
        });
        bar.finish_and_clear();
        result
    }

    /// Calls a function with the text of each record, and with the calling thread's own writer. The digest is that of
    /// the input when all of it was read.
    pub fn spread<W>(
        &self,
        digest: &Digest,
        writer: impl Fn() -> Result<W> + Sync,
        each: impl Fn(&mut W, Line<'_>) -> Result<()> + Sync,
    ) -> Result<()> {
        let (chunks, bar) = self.chunks(Some(digest))?;
        let (work, working) = sync_channel::<Chunk>(self.threads);
        let lowest = LowestFailure::default();
        std::thread::scope(|scope| {
            // Shared by the workers alone, so that the reader ends when they end.
            let working = Arc::new(Mutex::new(working));
            for _ in 0..self.threads {
                let working = Arc::clone(&working);
                let (writer, each, lowest) = (&writer, &each, &lowest);
                scope.spawn(move || {
                    let mut writer = match writer() {
                        Ok(writer) => writer,
                        Err(failure) => return lowest.note(0, failure),
                    };
                    while !lowest.is_some()
                        && let Some(chunk) = take(&working)
                    {
                        for line in chunk.lines() {
                            if let Err(failure) = each(&mut writer, line) {
                                lowest.note(line.number, failure);
                                break;
                            }
                        }
                    }
                });
            }
            drop(working);
            let lowest = &lowest;
            scope.spawn(move || {
                for chunk in chunks {
                    match chunk.map(|chunk| work.send(chunk)) {
                        Ok(Ok(())) => {}
                        // No worker is left.
                        Ok(Err(_)) => return,
                        // A failure to read comes after those of all lines that were read.
                        Err(failure) => lowest.note(u64::MAX, failure),
                    }
                }
            });
        });
        bar.finish_and_clear();
        lowest.into_result()
    }

    /// Returns the number of the last line that is not blank, 0 for none.
    pub fn last(&self) -> Result<u64> {
        let (chunks, bar) = self.chunks(None)?;
        let mut last = 0;
        for chunk in chunks {
            last = chunk?.lines().last().map_or(last, |line| line.number);
        }
        bar.finish_and_clear();
        Ok(last)
    }

    /// Returns the first lines of the input, of about so many bytes; `None` if it cannot be read.
    pub fn first(&self, bytes: u64) -> Option<Chunk> {
        let (chunks, bar) = self.chunks(None).ok()?;
        bar.finish_and_clear();
        Chunks { bytes, ..chunks }.next()?.ok()
    }

    /// Parses the records of a chunk, up to a line that fails, but for those that are known.
    pub fn parse_up_to_failure(&self, chunk: &Chunk, mut is_known: impl FnMut(Line<'_>) -> bool) -> Vec<ParsedLine> {
        let mut out = Vec::new();
        for line in chunk.lines().filter(|line| !is_known(*line)) {
            let parsed = Value::from_json(line.bytes).map(|value| (line.number, value));
            let failed = parsed.is_err();
            out.push(parsed.map_err(|error| unparsed(self.input.name(), line.number, line.bytes, &error)));
            if failed {
                break;
            }
        }
        out
    }

    fn chunks(&self, digest: Option<&Digest>) -> Result<(Chunks, indicatif::ProgressBar)> {
        let name = self.input.name().to_owned();
        match self.input.read(self.what, digest) {
            Ok((reader, bar)) => {
                let (next_line, is_over, bytes, spares) = (1, false, CHUNK_BYTES, Spares::default());
                Ok((Chunks { reader, name, next_line, is_over, bytes, spares }, bar))
            }
            Err(error) => Err(Failure::input(format!("{name}: cannot be read: {error}"))),
        }
    }
}

/// A record and its line.
pub type ParsedLine = Result<(u64, Value)>;

/// Makes the failure of a line out of an error about its text, or its record.
pub fn of_text(name: &str, line: Line<'_>, error: &kapok_core::Error) -> Failure {
    match error.fault() {
        Fault::Json { .. } | Fault::JsonInteger { .. } => unparsed(name, line.number, line.bytes, error),
        _ => at(name, line.number, error),
    }
}

fn unparsed(name: &str, line: u64, text: &[u8], error: &kapok_core::Error) -> Failure {
    if let Err(invalid) = std::str::from_utf8(text) {
        let column = invalid.valid_up_to() + 1;
        let parts = Parts { line: Some(line), column: Some(column as u64), ..Parts::default() };
        return Failure::input(format!("{name}: line {line}: not UTF-8 at column {column}")).with_parts(parts);
    }
    // The text is one line, so serde's own line number is left out.
    let detail = match error.fault() {
        Fault::Json { column, problem, .. } => format!("{problem} at column {column}"),
        Fault::JsonInteger { column, literal, .. } => format!(
            "integer beyond 64 bits at column {column}: {literal}; write it as text, or with a fraction if it may be \
             rounded"
        ),
        _ => error.to_string(),
    };
    let advice = foreign::advice(text, line == 1).map_or_else(String::new, |advice| format!("; {advice}"));
    let message = format!("{name}: line {line}: not a JSON object: {detail}{advice}");
    Failure::input(message).with_parts(Parts { line: Some(line), ..error.fault().into() })
}

/// Makes the error of a line's record.
pub fn at(name: &str, line: u64, error: &kapok_core::Error) -> Failure {
    let text = match error.fault() {
        Fault::Inference { field, detail, .. } => format!("{field}: {detail}"),
        _ => error.to_string(),
    };
    Failure::input(format!("{name}: line {line}: {text}"))
        .with_parts(Parts { line: Some(line), ..error.fault().into() })
}

impl Chunk {
    /// Iterates over the lines that are not blank.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let text = std::str::from_utf8(&self.text).ok();
        let mut start = Some(0);
        let lines = std::iter::from_fn(move || {
            let from = start?;
            let end = memchr(b'\n', &self.text[from..]).map(|len| from + len);
            start = end.map(|end| end + 1);
            Some(from..end.unwrap_or(self.text.len()))
        });
        (self.first_line..).zip(lines).filter_map(move |(number, at)| {
            let bytes = &self.text[at.clone()];
            let is_blank = bytes.iter().all(u8::is_ascii_whitespace);
            (!is_blank).then(|| Line { number, bytes, text: text.and_then(|text| text.get(at)) })
        })
    }
}

/// Cuts a stream into chunks.
struct Chunks {
    reader: Box<dyn BufRead + Send>,
    name: String,
    next_line: u64,
    is_over: bool,
    /// Bytes of a chunk, up to the end of its last line.
    bytes: u64,
    spares: Spares,
}

impl Chunks {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let room = usize::try_from(self.bytes + LINE_BYTES).unwrap_or(0);
        let mut text = lock(&self.spares.0).pop().unwrap_or_default();
        text.clear();
        text.reserve(room);
        self.reader.by_ref().take(self.bytes).read_to_end(&mut text)?;
        if !text.is_empty() && !text.ends_with(b"\n") {
            self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
            if text.len() as u64 >= LINE_BYTES_MAX {
                return Err(io::Error::other(format!("a line of more than {} bytes", LINE_BYTES_MAX - CHUNK_BYTES)));
            }
        }
        Ok(text)
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        if self.is_over {
            return None;
        }
        let first_line = self.next_line;
        match self.read() {
            Ok(text) if text.is_empty() => None,
            Ok(mut text) => {
                self.next_line += memchr_iter(b'\n', &text).count() as u64;
                if first_line == 1 && text.starts_with("\u{feff}".as_bytes()) {
                    // The mark that some editors put before UTF-8 is no part of the first record.
                    text[..3].fill(b' ');
                }
                Some(Ok(Chunk { first_line, text, spares: self.spares.clone() }))
            }
            Err(error) => {
                self.is_over = true;
                Some(Err(Failure::input(format!("{}: line {first_line} or later: cannot be read: {error}", self.name))))
            }
        }
    }
}

/// The failure of the lowest line that failed so far.
#[derive(Default)]
struct LowestFailure {
    is_some: AtomicBool,
    failure: Mutex<Option<(u64, Failure)>>,
}

impl LowestFailure {
    fn note(&self, line: u64, failure: Failure) {
        let mut lowest = lock(&self.failure);
        if lowest.as_ref().is_none_or(|(known, _)| line < *known) {
            *lowest = Some((line, failure));
        }
        self.is_some.store(true, Ordering::Release);
    }

    fn is_some(&self) -> bool {
        self.is_some.load(Ordering::Acquire)
    }

    fn into_result(self) -> Result<()> {
        let failure = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), |(_, failure)| Err(failure))
    }
}

fn take<T>(from: &Mutex<Receiver<T>>) -> Option<T> {
    lock(from).recv().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
