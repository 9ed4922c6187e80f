//! Says what the failure of a request means: a missing file, a missing right, something else in the place of a file.

use object_store::{Attribute, Attributes, Error as BackendError};

use crate::cause::{Answer, cause};
use crate::error::{Error, ErrorKind, Result};

/// Where clouds tell a program who it is. Elsewhere nobody answers there.
pub(crate) const METADATA_HOSTS: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

/// What stands in the place of a file and is none.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not a regular file but {found}")]
pub(crate) struct NotAFile {
    /// What it is.
    pub(crate) found: &'static str,
}

/// Returns the error of an operation that the backend failed.
pub(crate) fn failure(operation: &'static str, name: String, source: BackendError) -> Error {
    if let BackendError::Generic { source, .. } = &source
        && let Some(NotAFile { found }) = source.downcast_ref()
    {
        return Error::corrupt(&name, 0, "a regular file", *found);
    }
    if let Some(error) = of_a_server(operation, &name, &source) {
        return error;
    }
    match source {
        BackendError::NotFound { .. } => Error::NotFound { name },
        source if is_denial(&source) => {
            Error::Denied { operation, name, right: right(operation), source: Box::new(source) }
        }
        source => Error::Backend { operation, name, source },
    }
}

/// Returns the error of a server's answer, or of a server that cannot be asked, that says more than the backend's kind of error.
fn of_a_server(operation: &'static str, name: &str, source: &BackendError) -> Option<Error> {
    let (name, text) = (name.to_owned(), source.to_string());
    if METADATA_HOSTS.iter().any(|host| text.contains(host)) {
        let reason = "none are set, and this host has none from its cloud".to_owned();
        return Some(Error::Credentials { operation, name, reason, cause: cause(source) });
    }
    let Some(answer) = Answer::of(source) else {
        // A bucket's server that does not say where the bucket is: S3, of another region.
        if text.contains("redirect without LOCATION") {
            let cause = "the server redirects, and does not say where to".to_owned();
            return Some(Error::WrongRegion { operation, name, cause });
        }
        if text.contains("Content-Length Header missing") {
            let cause =
                "the reply has no Content-Length: the server, or a proxy before it, compresses or sends in chunks";
            return Some(Error::Unreachable { operation, name, cause: cause.to_owned() });
        }
        // Only the client of a network says so. Stores by http begin their errors alike.
        let told = text.strip_prefix("Generic HTTP error: ").unwrap_or(&text);
        let is_network = told.contains("HTTP error") || told.contains("error sending request");
        return is_network.then(|| Error::Unreachable { operation, name, cause: cause(source) });
    };
    let cause = answer.to_string();
    match answer.code.as_str() {
        // A bucket that is not there is also "not found", as a file of it would be.
        "NoSuchBucket" | "ContainerNotFound" => Some(Error::NoBucket { operation, name, cause }),
        "ExpiredToken" | "TokenRefreshRequired" => {
            Some(Error::Credentials { operation, name, reason: "they have expired".to_owned(), cause })
        }
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "InvalidSecurity"
        | "AuthenticationFailed"
        | "InvalidAuthenticationInfo"
        | "NoAuthenticationInformation"
        | "Unauthenticated" => Some(Error::Credentials { operation, name, reason: "they are wrong".to_owned(), cause }),
        "RequestTimeTooSkewed" => {
            Some(Error::Credentials { operation, name, reason: "the clock of this host is wrong".to_owned(), cause })
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IncorrectEndpoint" => {
            Some(Error::WrongRegion { operation, name, cause })
        }
        _ if answer.status == 401 => {
            Some(Error::Credentials { operation, name, reason: "they are wrong or missing".to_owned(), cause })
        }
        // A reply to HEAD has no body that could tell why.
        "" if answer.status == 400 && operation == "look up" && text.contains("S3") => {
            let reason = "S3 does not say: they may have expired, or the bucket is in another region".to_owned();
            Some(Error::Credentials { operation, name, reason, cause })
        }
        // A proxy or gateway says so, or a network that has to be signed into.
        _ if matches!(answer.status, 407 | 502 | 504 | 511) => Some(Error::Unreachable { operation, name, cause }),
        _ => None,
    }
}

/// Refuses what a server has sent, which is not the file. A web page comes from something on the way, such as a proxy, or a
/// network that has to be signed into: the store was not reached.
pub(crate) fn not_the_file(error: Error, name: &str, attributes: &Attributes) -> Error {
    let is_page = attributes.get(&Attribute::ContentType).is_some_and(|it| it.starts_with("text/html"));
    if !is_page || error.kind() != ErrorKind::Corrupt {
        return error;
    }
    let cause =
        "a web page came in place of the file, as from a proxy or a network that has to be signed into".to_owned();
    Error::Unreachable { operation: "read", name: name.to_owned(), cause }
}

/// Refuses a file of another length than it must have.
pub(crate) fn check_size(name: &str, expected: u64, found: u64) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::corrupt(name, expected.min(found), format!("{expected} bytes"), format!("{found} bytes")))
}

/// Returns whether a right is missing, as the backend or the system below it says.
fn is_denial(error: &BackendError) -> bool {
    if matches!(error, BackendError::PermissionDenied { .. } | BackendError::Unauthenticated { .. }) {
        return true;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Returns the right that an operation needs, as people grant it.
fn right(operation: &str) -> &'static str {
    match operation {
        "list" => "to list names (s3:ListBucket; r and x on the folder)",
        "write" | "create" => "to write (s3:PutObject; w and x on the folder)",
        "delete" => "to delete (s3:DeleteObject; w and x on the folder)",
        "abort" => "to abort uploads (s3:AbortMultipartUpload)",
        _ => "to read (s3:GetObject; r on the file), or, where the name is not there, to list names (s3:ListBucket)",
    }
}

/// Returns `None` for a file that is not there.
pub(crate) fn absent<T>(error: Error) -> Result<Option<T>> {
    match error {
        Error::NotFound { .. } => Ok(None),
        error => Err(error),
    }
}
