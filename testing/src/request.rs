//! What is asked of a backend.

use std::fmt;

use object_store::PutPayload;
use object_store::path::Path;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Puts an object unless there is one of its name.
    Create,
    /// Puts an object, over one of its name if there is one.
    Put,
    /// Begins an upload in parts.
    PutInParts,
    /// Puts one part of an upload.
    PutPart,
    /// Ends an upload in parts.
    Complete,
    /// Gives an upload in parts up.
    Abort,
    /// Asks for an object.
    Get,
    /// Asks whether there is an object, and for its length.
    Head,
    /// Asks for ranges of an object.
    GetRanges,
    /// Hands the body of an object over, behind a get. A local file is mapped instead and has no such request.
    Body,
    /// Lists objects.
    List,
    /// Deletes an object.
    Delete,
    /// Copies an object.
    Copy,
}

impl Operation {
    /// Whether the request leaves the backend as it is and names one object. A listing is no read in this sense.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::GetRanges | Self::Body)
    }

    /// The name in words, such as `put in parts`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Put => "put",
            Self::PutInParts => "put in parts",
            Self::PutPart => "put part",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Get => "get",
            Self::Head => "head",
            Self::GetRanges => "get ranges",
            Self::Body => "body",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One request, as an interceptor sees it. Prints as `get segments/…`.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// What is to be done.
    pub operation: Operation,
    /// The object, or the prefix of a listing; the target of a copy.
    pub path: &'a Path,
    /// What is put; `None` if nothing is.
    pub payload: Option<&'a PutPayload>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(operation: Operation, path: &'a Path) -> Self {
        Self { operation, path, payload: None }
    }

    pub(crate) fn with(mut self, payload: &'a PutPayload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Whether the path holds the text.
    pub fn names(&self, text: &str) -> bool {
        self.path.as_ref().contains(text)
    }

    /// Bytes that are put.
    pub fn bytes(&self) -> usize {
        self.payload.map_or(0, PutPayload::content_length)
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.path)
    }
}
