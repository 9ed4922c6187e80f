//! Spoils one request to a store: it fails, is never answered, or is done and its reply is lost.
//!
//! A test runs the same work for k = 1, 2, 3 … until nothing is left to be spoilt.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{Error, PutPayload};

use crate::intercept::{Intercept, Verdict};
use crate::request::{Operation, Request};

/// How a request is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails and does nothing.
    Refused,
    /// It does nothing and is never answered.
    Silent,
    /// It is done, and its reply is lost: a body or a listing ends half way.
    ReplyLost,
    /// It is done, and never answered.
    DoneSilent,
    /// It and all that come after it fail.
    CutOff,
    /// It is done, its reply is lost, and all that come after it fail.
    DoneCutOff,
    /// A write to a folder ends half way, beside its place; other requests are refused.
    Torn,
}

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// On its way to the store.
    Before,
    /// On its way back: it is done.
    After,
}

/// Spoils the k-th request. Harmless until it is [armed](Self::arm).
#[derive(Debug, Default)]
pub struct Faults {
    folder: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: usize,
    armed: Option<(usize, Fault)>,
    struck: Option<String>,
    bodies: Vec<String>,
    interlude: Option<Interlude>,
    /// What is to be done behind a request that is under way.
    held: Option<(Operation, String, BoxedAct)>,
}

/// What somebody else does while a request is held.
struct Interlude {
    number: usize,
    when: Held,
    act: BoxedAct,
}

struct BoxedAct(BoxFuture<'static, ()>);

impl fmt::Debug for BoxedAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("act")
    }
}

impl fmt::Debug for Interlude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interlude({:?} {})", self.when, self.number)
    }
}

impl Faults {
    /// Faults for a backend that has its files in this folder, where [`Fault::Torn`] leaves half a file.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// The `number`-th request from now on, counted from 1, is spoilt.
    pub fn arm(&self, number: usize, fault: Fault) {
        *self.state() = State { armed: Some((number, fault)), ..State::default() };
    }

    /// The `number`-th request from now on, counted from 1, is held until somebody else has acted; none is spoilt.
    pub fn hold(&self, number: usize, when: Held, act: impl Future<Output = ()> + Send + 'static) {
        let interlude = Interlude { number, when, act: BoxedAct(act.boxed()) };
        *self.state() = State { interlude: Some(interlude), ..State::default() };
    }

    /// How many requests there were since this was last armed or told to hold one. A body counts, too.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// No request is spoilt from now on. Returns the one that was spoilt or held first, in words, if there was one.
    pub fn disarm(&self) -> Option<String> {
        let mut state = self.state();
        state.armed = None;
        state.interlude = None;
        state.held = None;
        state.struck.take()
    }

    /// The objects whose bodies were handed over since this was last asked or armed, in order.
    pub fn bodies(&self) -> Vec<String> {
        std::mem::take(&mut self.state().bodies)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request; says how it is spoilt, and what is to be done before it.
    fn next(&self, request: &Request<'_>) -> (Option<Fault>, Option<BoxFuture<'static, ()>>) {
        let mut state = self.state();
        state.requests += 1;
        let count = state.requests;
        if let Some(Interlude { when, act, .. }) = state.interlude.take_if(|interlude| interlude.number == count) {
            state.struck = Some(format!("{request} ({when:?})"));
            if when == Held::Before {
                return (None, Some(act.0));
            }
            state.held = Some((request.operation, request.path.to_string(), act));
        }
        let Some((number, fault)) = state.armed else { return (None, None) };
        let goes_on = matches!(fault, Fault::CutOff | Fault::DoneCutOff);
        if count != number && !(goes_on && count > number) {
            return (None, None);
        }
        if state.struck.is_none() {
            state.struck = Some(request.to_string());
        }
        (Some(if count > number { Fault::CutOff } else { fault }), None)
    }

    /// Leaves what a writer leaves that dies while it writes to a folder.
    fn tear(&self, path: &Path, payload: &PutPayload) -> std::io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let place = folder.join(format!("{path}#1"));
        let half: Vec<u8> = payload.iter().flatten().copied().take(payload.content_length() / 2).collect();
        std::fs::create_dir_all(place.parent().unwrap_or(folder))?;
        std::fs::write(&place, half)
    }
}

fn refused() -> Error {
    Error::Generic { store: "Faults", source: "refused on purpose".into() }
}

fn lost() -> Error {
    Error::Generic { store: "Faults", source: "reply lost on purpose".into() }
}

#[async_trait]
impl Intercept for Faults {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        let (fault, act) = self.next(request);
        if let Some(act) = act {
            act.await;
        }
        let Some(fault) = fault else { return Verdict::Proceed };
        if request.operation == Operation::Body {
            // A body is spoilt half way, however it is.
            return match fault {
                Fault::Silent | Fault::DoneSilent => Verdict::DoAndNeverAnswer,
                _ => Verdict::LoseReply(lost()),
            };
        }
        match fault {
            Fault::Refused | Fault::CutOff => Verdict::Fail(refused()),
            Fault::Silent => Verdict::NeverAnswer,
            Fault::ReplyLost | Fault::DoneCutOff => Verdict::LoseReply(lost()),
            Fault::DoneSilent if request.operation == Operation::List => Verdict::NeverAnswer,
            Fault::DoneSilent => Verdict::DoAndNeverAnswer,
            Fault::Torn => {
                let whole = matches!(request.operation, Operation::Create | Operation::Put);
                let torn = request.payload.filter(|_| whole).map_or(Ok(()), |payload| self.tear(request.path, payload));
                Verdict::Fail(match torn {
                    Ok(()) => refused(),
                    Err(error) => Error::Generic { store: "Faults", source: error.into() },
                })
            }
        }
    }

    async fn after(&self, request: &Request<'_>) {
        let act = {
            let mut state = self.state();
            if request.operation == Operation::Body {
                state.bodies.push(request.path.to_string());
            }
            state.held.take_if(|(operation, path, _)| *operation == request.operation && path == request.path.as_ref())
        };
        if let Some((.., act)) = act {
            act.0.await;
        }
    }
}
