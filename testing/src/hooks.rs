//! Lets something happen right before a request.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{Error, Result};

use crate::intercept::{Intercept, Verdict};
use crate::request::{Operation, Request};

/// What happens before a request. An error is the request's answer.
pub type Event = BoxFuture<'static, Result<()>>;
type Hook = Box<dyn FnMut(&Request<'_>) -> Option<Event> + Send>;

/// Lets something happen before requests of your choice: another writer at work, a collection of garbage, a failure.
pub struct Hooks {
    hook: Mutex<Hook>,
}

impl Hooks {
    /// A hook that sees each request, and may say what is to happen before it.
    pub fn new(hook: impl FnMut(&Request<'_>) -> Option<Event> + Send + 'static) -> Self {
        Self { hook: Mutex::new(Box::new(hook)) }
    }

    /// Lets it happen once, before the first such request whose path holds the text.
    pub fn once(operation: Operation, text: &str, event: impl Future<Output = ()> + Send + 'static) -> Self {
        let hooks = Self::default();
        hooks.set_once(operation, text, event);
        hooks
    }

    /// Takes the place of what was to happen: as [`once`](Self::once).
    pub fn set_once(&self, operation: Operation, text: &str, event: impl Future<Output = ()> + Send + 'static) {
        let (text, mut event) = (text.to_owned(), Some(event.map(Ok).boxed()));
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) =
            Box::new(
                move |request| {
                    if request.operation == operation && request.names(&text) { event.take() } else { None }
                },
            );
    }
}

impl Default for Hooks {
    /// Nothing happens.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

/// The event that makes a request fail and do nothing.
pub fn refused() -> Event {
    async { Err(Error::Generic { store: "Hooks", source: "refused on purpose".into() }) }.boxed()
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

#[async_trait]
impl Intercept for Hooks {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        let event = (self.hook.lock().unwrap_or_else(PoisonError::into_inner))(request);
        match event {
            None => Verdict::Proceed,
            Some(event) => event.await.map_or_else(Verdict::Fail, |()| Verdict::Proceed),
        }
    }
}
