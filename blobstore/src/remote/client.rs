//! The HTTP client of a remote store: how long it waits for a reply to begin, and whom it trusts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::failure::METADATA_HOSTS;
use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// How long a host may take that tells programs who they are. Elsewhere nobody answers there, so no long wait is due.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes clients that wait so long for a reply to begin.
#[derive(Debug)]
pub(super) struct Connector {
    patience: Duration,
}

impl Connector {
    pub(super) fn waiting(patience: Duration) -> Self {
        Self { patience }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Client {
            options: options.clone(),
            patience: self.patience,
            plain: OnceLock::new(),
            secure: OnceLock::new(),
        }))
    }
}

/// A client for http and one for https, each made when it is first needed: only the second reads the host's certificates.
struct Client {
    options: ClientOptions,
    patience: Duration,
    plain: OnceLock<Made>,
    secure: OnceLock<Made>,
}

type Made = Result<HttpClient, Arc<object_store::Error>>;

impl std::fmt::Debug for Client {
    /// Its options may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// No connection by TLS can be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "{cause}; install the host's root certificates (Debian: ca-certificates), or name a file of them in SSL_CERT_FILE"
)]
struct NoTls {
    cause: String,
}

/// A reply did not begin in time.
#[derive(Debug, thiserror::Error)]
#[error("no reply began within {} ms", waited.as_millis())]
struct Silent {
    waited: Duration,
}

impl Client {
    fn for_request(&self, request: &HttpRequest) -> Result<&HttpClient, HttpError> {
        let is_plain = request.uri().scheme_str() == Some("http");
        let made = if is_plain {
            self.plain.get_or_init(|| made(&self.options.clone().with_no_system_certificates(true)))
        } else {
            self.secure.get_or_init(|| made(&self.options))
        };
        made.as_ref()
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, NoTls { cause: crate::cause::cause(error) }))
    }
}

fn made(options: &ClientOptions) -> Made {
    // Another one of the process stays.
    _ = rustls::crypto::ring::default_provider().install_default();
    ReqwestConnector::default().connect(options).map_err(Arc::new)
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let client = self.for_request(&request)?;
        let is_metadata = request.uri().host().is_some_and(|host| METADATA_HOSTS.contains(&host) || host == "metadata");
        if is_metadata {
            let answer = waited_for(client.execute(request), METADATA_TIMEOUT).await;
            // Not to be tried again: where there is such a host, it is near.
            return answer.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error));
        }
        if !request.body().is_empty() {
            // Its bytes may need long: the store waits for them as its settings say.
            return client.execute(request).await;
        }
        waited_for(client.execute(request), self.patience).await
    }
}

async fn waited_for(
    reply: impl Future<Output = Result<HttpResponse, HttpError>>,
    patience: Duration,
) -> Result<HttpResponse, HttpError> {
    match tokio::time::timeout(patience, reply).await {
        Ok(reply) => reply,
        Err(_) => Err(HttpError::new(HttpErrorKind::Timeout, Silent { waited: patience })),
    }
}
