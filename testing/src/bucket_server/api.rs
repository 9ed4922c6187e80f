//! What the requests mean: the XML interface of S3, which Google Cloud Storage has too.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use kapok_blobstore::clock;

use super::http::{HttpReply, HttpRequest};
use super::{State, locked};

/// Names of one page of a listing.
const PAGE_NAMES: usize = 100;

/// What is stored under a name.
pub(super) struct Object {
    bytes: Vec<u8>,
    /// Differs from write to write.
    tag: String,
    modified: SystemTime,
}

impl Object {
    fn new(bytes: Vec<u8>, number: usize) -> Self {
        Self { bytes, tag: format!("\"{number:032x}\""), modified: clock::now() }
    }

    fn modified(&self, format: &str) -> String {
        DateTime::<Utc>::from(self.modified).format(format).to_string()
    }
}

fn failed(status: u16, code: &str, message: &str) -> HttpReply {
    let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    HttpReply::new(status).with_body(body.into_bytes())
}

impl State {
    /// Answers a request.
    pub(super) fn reply(&self, request: &HttpRequest) -> HttpReply {
        let (bucket, key) = request.path.trim_start_matches('/').split_once('/').unwrap_or((&request.path[1..], ""));
        if !locked(&self.buckets).contains(bucket) {
            return failed(404, "NoSuchBucket", "The specified bucket does not exist");
        }
        let upload = request.parameter("uploadId");
        match (request.method.as_str(), upload) {
            ("GET", _) if key.is_empty() => self.list(request),
            ("GET" | "HEAD", _) => self.get(request, key),
            ("PUT", Some(upload)) => self.put_part(request, &upload),
            ("PUT", None) => self.put(request, key),
            ("POST", Some(upload)) => self.complete(key, &upload),
            ("POST", None) if request.parameter("uploads").is_some() => self.begin(key),
            ("POST", None) => self.delete_many(&String::from_utf8_lossy(&request.body)),
            ("DELETE", Some(upload)) => {
                locked(&self.uploads).remove(&upload);
                HttpReply::new(204)
            }
            ("DELETE", None) => {
                locked(&self.objects).remove(key);
                HttpReply::new(204)
            }
            _ => failed(400, "BadRequest", "not known to this server"),
        }
    }

    fn get(&self, request: &HttpRequest, key: &str) -> HttpReply {
        let objects = locked(&self.objects);
        let Some(object) = objects.get(key) else {
            return failed(404, "NoSuchKey", "The specified key does not exist.");
        };
        let size = object.bytes.len();
        let reply = |status, range: std::ops::Range<usize>| {
            HttpReply::new(status)
                .with("etag", object.tag.clone())
                .with("last-modified", object.modified("%a, %d %b %Y %H:%M:%S GMT"))
                .with_body(object.bytes[range].to_vec())
        };
        let Some(range) = request.header("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return reply(200, 0..size);
        };
        let (start, end) = range.split_once('-').unwrap_or((range, ""));
        let start: usize = start.parse().unwrap_or(0);
        let end = end.parse().map_or(size, |last: usize| size.min(last + 1));
        if start >= size {
            return failed(416, "InvalidRange", "The requested range is not satisfiable");
        }
        reply(206, start..end).with("content-range", format!("bytes {start}-{}/{size}", end - 1))
    }

    fn put(&self, request: &HttpRequest, key: &str) -> HttpReply {
        let creates =
            request.header("if-none-match") == Some("*") || request.header("x-goog-if-generation-match") == Some("0");
        let mut objects = locked(&self.objects);
        if creates && objects.contains_key(key) {
            return failed(412, "PreconditionFailed", "At least one of the preconditions did not hold");
        }
        let object = Object::new(request.body.clone(), self.next_number());
        let reply = HttpReply::new(200).with("etag", object.tag.clone()).with("x-goog-generation", "1");
        objects.insert(key.to_owned(), object);
        reply
    }

    fn next_number(&self) -> usize {
        locked(&self.seen).len() + 1
    }

    fn begin(&self, key: &str) -> HttpReply {
        let mut uploads = locked(&self.uploads);
        let upload = format!("upload-{}-{}", self.next_number(), uploads.len());
        uploads.insert(upload.clone(), std::collections::BTreeMap::new());
        let body = format!(
            "<InitiateMultipartUploadResult><Key>{key}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        );
        HttpReply::new(200).with_body(body.into_bytes())
    }

    fn put_part(&self, request: &HttpRequest, upload: &str) -> HttpReply {
        let number = request.parameter("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
        match locked(&self.uploads).get_mut(upload) {
            Some(parts) => {
                parts.insert(number, request.body.clone());
                HttpReply::new(200).with("etag", format!("\"part-{number}\""))
            }
            None => failed(404, "NoSuchUpload", "The specified upload does not exist"),
        }
    }

    fn complete(&self, key: &str, upload: &str) -> HttpReply {
        let Some(parts) = locked(&self.uploads).remove(upload) else {
            return failed(404, "NoSuchUpload", "The specified upload does not exist");
        };
        let bytes: Vec<u8> = parts.into_values().flatten().collect();
        let object = Object::new(bytes, self.next_number());
        let body =
            format!("<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>", object.tag);
        locked(&self.objects).insert(key.to_owned(), object);
        HttpReply::new(200).with("x-goog-generation", "1").with_body(body.into_bytes())
    }

    fn delete_many(&self, body: &str) -> HttpReply {
        let keys = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        let deleted = keys.map(|key| {
            locked(&self.objects).remove(key);
            format!("<Deleted><Key>{key}</Key></Deleted>")
        });
        let deleted: Vec<String> = deleted.collect();
        let deleted = deleted.concat();
        HttpReply::new(200).with_body(format!("<DeleteResult>{deleted}</DeleteResult>").into_bytes())
    }

    fn list(&self, request: &HttpRequest) -> HttpReply {
        let prefix = request.parameter("prefix").unwrap_or_default();
        let after = request.parameter("continuation-token").unwrap_or_default();
        let objects = locked(&self.objects);
        let mut found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let page: Vec<_> = found.by_ref().take(PAGE_NAMES).collect();
        let last = page.last().map_or("", |(key, _)| key.as_str());
        let entries = page.iter().map(|(key, object)| {
            let (modified, tag, size) = (object.modified("%Y-%m-%dT%H:%M:%S.000Z"), &object.tag, object.bytes.len());
            format!(
                "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
            )
        });
        let contents = entries.collect::<Vec<_>>().concat();
        let is_truncated = found.next().is_some();
        let token =
            if is_truncated { format!("<NextContinuationToken>{last}</NextContinuationToken>") } else { String::new() };
        let body =
            format!("<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{token}{contents}</ListBucketResult>");
        HttpReply::new(200).with_body(body.into_bytes())
    }
}
