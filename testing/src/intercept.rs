//! Who decides what becomes of a request.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::{Error, GetResult, ObjectStore, Result};

use crate::backend::Intercepted;
use crate::request::Request;

/// What becomes of a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes on to the backend.
    Proceed,
    /// It fails and does nothing.
    Fail(Error),
    /// It is done, and its reply is lost: the caller gets the error. A body or a listing ends half way.
    LoseReply(Error),
    /// It does nothing and is never answered.
    NeverAnswer,
    /// It is done and never answered.
    DoAndNeverAnswer,
    /// A create overwrites what is there, as a backend without conditional puts does; other requests go on.
    Overwrite,
}

/// Sees each request to a backend, and decides what becomes of it.
///
/// All methods have a default that changes nothing. A request waits for them: one that sleeps in [`before`](Self::before)
/// makes the backend slow.
#[async_trait]
pub trait Intercept: fmt::Debug + Send + Sync + 'static {
    /// Decides on a request that is on its way to the backend.
    async fn before(&self, request: &Request<'_>) -> Verdict {
        let _ = request;
        Verdict::Proceed
    }

    /// Is told of a request that is done, whether it succeeded or not, before its reply goes back.
    ///
    /// Not called if the request was spoilt.
    async fn after(&self, request: &Request<'_>) {
        let _ = request;
    }

    /// May change what a get or a head found, or that it found nothing.
    ///
    /// # Errors
    /// The one that the caller is to get.
    async fn found(&self, request: &Request<'_>, found: Result<GetResult>) -> Result<GetResult> {
        let _ = request;
        found
    }

    /// Puts this interceptor in front of a backend. One interceptor may stand in front of several, and several may stand in
    /// front of one, each before the next.
    fn over(self: &Arc<Self>, backend: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>
    where
        Self: Sized,
    {
        Arc::new(Intercepted::new(backend, Arc::clone(self) as Arc<dyn Intercept>))
    }
}
