//! Tells the cause of a backend's error in one line: what the server said, or what kept the request from it.

use std::error::Error as StdError;

/// No message of a server is told at greater length.
const MESSAGE_CHARS_MAX: usize = 300;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status of the reply.
    pub(crate) status: u16,
    /// The cloud's own code, such as `NoSuchBucket`; empty if there is none.
    pub(crate) code: String,
    message: String,
}

impl Answer {
    /// Returns the answer that an error tells of, if it is one of a server.
    ///
    /// `object_store` hides the types of its client, but not their text.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let text = error.to_string();
        let (_, rest) = text.split_once("status code: ")?;
        let status = rest.get(..3)?.parse().ok()?;
        let (line, body) = rest.split_once(": ").unwrap_or((rest, ""));
        let element = |name| between(body, &format!("<{name}>"), &format!("</{name}>"));
        let code = element("Code").or_else(|| between(body, "\"code\": \"", "\"")).unwrap_or_default();
        let message = element("Message").or_else(|| between(body, "\"message\": \"", "\"")).unwrap_or_default();
        let reason = line.get(3..).unwrap_or_default().trim();
        let message = if message.is_empty() { reason.to_owned() } else { message };
        Some(Self { status, code, message: one_line(&message) })
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code.as_str() {
            "" => write!(f, "the server answered {} {}", self.status, self.message),
            code => write!(f, "the server answered {} {code}: {}", self.status, self.message),
        }
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0.to_owned())
}

/// Returns the cause of an error: the server's answer, or the text of the error and of what lies deepest below it.
pub(crate) fn cause(error: &(dyn StdError + 'static)) -> String {
    if let Some(answer) = Answer::of(error) {
        return answer.to_string();
    }
    let text = error.to_string();
    // What a client has tried and how long stands before.
    let text = one_line(text.rfind(" - HTTP error: ").map_or(text.as_str(), |at| &text[at + 3..]));
    let deepest = one_line(&deepest(error).to_string());
    if text.contains(&deepest) { text } else { format!("{text}: {deepest}") }
}

/// Returns what lies below all else.
fn deepest<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    let mut deepest = error;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    deepest
}

fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn what_a_server_answered_is_told_by_its_code_and_message() {
        let body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Not\n yours</Message></Error>";
        let text = format!(
            "Error performing GET http://h/b/dataset in 2ms - Server returned non-2xx status code: 403 Forbidden: {body}"
        );
        assert_eq!(cause(&error(&text)), "the server answered 403 AccessDenied: Not yours");
        let bare = "Server returned non-2xx status code: 503 Service Unavailable: ";
        assert_eq!(cause(&error(bare)), "the server answered 503 Service Unavailable");
    }

    #[test]
    fn what_kept_a_request_from_the_server_is_told() {
        let io = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "Connection refused (os error 111)");
        let error = object_store::Error::NotSupported { source: Box::new(io) };
        assert!(cause(&error).ends_with("Connection refused (os error 111)"), "{}", cause(&error));
    }
}
