//! A backend that misbehaves on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use kapok_testing::{Intercept, Operation, Request, Verdict, async_trait};
use object_store::{Error, Extensions, GetResult, GetResultPayload, Result};

/// How the chosen request misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request fails and does nothing.
    Refused,
    /// The request is done, and its reply is lost.
    ReplyLost,
    /// A create is done, its reply is lost, and the backend's own second try finds the name taken.
    TakenByItself,
    /// The request is never answered.
    Silent,
}

/// What is wrong with the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The request of this number misbehaves, from 1; only writes count.
    Write(usize, Fault),
    /// Creates overwrite.
    NoConditions,
    /// There are no listings.
    NoListing,
    /// The first file that is asked for is not there yet.
    LateRead,
    /// What is read lies at an odd address.
    OddAddress,
}

#[derive(Debug)]
pub struct Flaky {
    manner: Manner,
    writes: AtomicUsize,
    reads: AtomicUsize,
}

impl Flaky {
    pub fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, writes: AtomicUsize::new(0), reads: AtomicUsize::new(0) })
    }

    /// Whether the misbehaviour has come up.
    pub fn struck(&self) -> bool {
        match self.manner {
            Manner::Write(number, _) => self.writes.load(Ordering::SeqCst) >= number,
            _ => true,
        }
    }

    fn write(&self, request: &Request<'_>) -> Verdict {
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = match self.manner {
            Manner::NoConditions => return Verdict::Overwrite,
            Manner::Write(at, fault) if at == number => fault,
            _ => return Verdict::Proceed,
        };
        match fault {
            Fault::Refused => Verdict::Fail(lost("refused")),
            Fault::Silent => Verdict::NeverAnswer,
            Fault::TakenByItself if request.operation == Operation::Create => {
                Verdict::LoseReply(Error::AlreadyExists { path: request.path.to_string(), source: "taken".into() })
            }
            Fault::ReplyLost | Fault::TakenByItself => Verdict::LoseReply(lost("connection reset")),
        }
    }
}

fn lost(text: &str) -> Error {
    Error::Generic { store: "Flaky", source: text.to_owned().into() }
}

#[async_trait]
impl Intercept for Flaky {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        match request.operation {
            Operation::Create | Operation::Put => self.write(request),
            Operation::Get | Operation::Head => {
                let number = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
                if self.manner == Manner::LateRead && number == 1 {
                    return Verdict::Fail(Error::NotFound { path: request.path.to_string(), source: "not yet".into() });
                }
                Verdict::Proceed
            }
            Operation::List if self.manner == Manner::NoListing => {
                Verdict::Fail(Error::NotImplemented { operation: "list".to_owned(), implementer: "Flaky".to_owned() })
            }
            _ => Verdict::Proceed,
        }
    }

    async fn found(&self, _: &Request<'_>, found: Result<GetResult>) -> Result<GetResult> {
        let found = found?;
        if self.manner != Manner::OddAddress {
            return Ok(found);
        }
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let bytes = found.bytes().await?;
        let mut buffer = vec![0; bytes.len() + 16];
        let start = buffer.as_ptr().align_offset(8) + 1;
        buffer[start..start + bytes.len()].copy_from_slice(&bytes);
        let odd = Bytes::from(buffer).slice(start..start + bytes.len());
        let payload = GetResultPayload::Stream(async { Ok(odd) }.into_stream().boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions: Extensions::default() })
    }
}
