//! Stores by URL: the contract over HTTP, and what is told when a server refuses or cannot be reached.

use std::time::Duration;

use kapok_blobstore::{BlobId, BlobKind, CacheSettings, Error, ErrorKind, Store, StoreOptions, StoreSettings};
use kapok_testing::{BadLink, BucketServer, Harm, HttpRequest};

/// Returns options for a bucket of a server on this host.
fn options(server: &BucketServer) -> StoreOptions {
    Store::options()
        .writable()
        .cache(CacheSettings::off())
        .option("aws_endpoint", server.url())
        .option("allow_http", "true")
        .option("aws_access_key_id", "id-of-a-key")
        .option("aws_secret_access_key", "pa55word")
}

async fn open_s3(name: &str) -> (Store, BucketServer) {
    let server = BucketServer::start("films").unwrap();
    let store = options(&server).open(&format!("s3://films/some/{name}")).await.unwrap();
    (store, server)
}

async fn open_gs(name: &str) -> (Store, BucketServer) {
    let server = BucketServer::start("films").unwrap();
    let options = Store::options().writable().option("google_base_url", server.url()).option("allow_http", "true");
    let store = options
        .option("google_bearer_token", "pa55word")
        .cache(CacheSettings::off())
        .open(&format!("gs://films/{name}"))
        .await
        .unwrap();
    (store, server)
}

mod s3 {
    kapok_testing::conformance!(super::open_s3);
}
mod gs {
    kapok_testing::conformance!(super::open_gs);
}

/// Opens a store at a server that answers each request so.
async fn refused(status: u16, code: &'static str) -> Error {
    let server = BucketServer::start("films").unwrap();
    let body = format!("<Error><Code>{code}</Code><Message>told by the server</Message></Error>");
    server.set_answer(Some(Box::new(move |_: &HttpRequest| Some((status, body.clone())))));
    let settings = StoreSettings::default().with_timeout(Duration::from_secs(2));
    options(&server).settings(settings).open("s3://films/a").await.unwrap_err()
}

#[tokio::test]
async fn each_refusal_of_a_server_has_a_text_and_a_kind_of_its_own() {
    let cases = [
        (404, "NoSuchBucket", ErrorKind::NotFound, "bucket not found"),
        (403, "InvalidAccessKeyId", ErrorKind::Denied, "credentials were not accepted"),
        (403, "SignatureDoesNotMatch", ErrorKind::Denied, "credentials were not accepted"),
        (400, "ExpiredToken", ErrorKind::Denied, "reason=\"they have expired\""),
        (403, "AccessDenied", ErrorKind::Denied, "missing_right=\"to read (s3:GetObject"),
        (400, "AuthorizationHeaderMalformed", ErrorKind::Invalid, "bucket is in another region"),
        (503, "SlowDown", ErrorKind::Unavailable, "store failed"),
        (500, "InternalError", ErrorKind::Unavailable, "store failed"),
    ];
    for (status, code, kind, text) in cases {
        let error = refused(status, code).await;
        let told = error.to_string();
        assert_eq!(error.kind(), kind, "{told}");
        assert!(told.contains(text), "{told}");
        assert!(told.contains(&format!("the server answered {status} {code}: told by the server")), "{told}");
    }
}

#[tokio::test]
async fn what_stands_between_a_reader_and_the_store_is_not_taken_for_a_damaged_store() {
    let (store, server) = open_s3("portal").await;
    let id = BlobId::of(b"rows");
    store.blobs().put(BlobKind::Segment, id, "rows".into()).await.unwrap();
    let host = tempfile::tempdir().unwrap();
    let settings = StoreSettings::default().with_timeout(Duration::from_secs(2));
    let page = || Some((200, "<!DOCTYPE html><html><title>Sign in</title></html>".repeat(3)));
    for cache in [CacheSettings::off(), CacheSettings::in_folder(host.path())] {
        let open = || options(&server).cache(cache.clone()).settings(settings.clone()).open("s3://films/some/portal");
        server.set_answer(None);
        let store = open().await.unwrap();
        server.set_answer(Some(Box::new(move |_: &HttpRequest| page())));
        let told = [open().await.unwrap_err(), store.blobs().get(BlobKind::Segment, id, 4).await.unwrap_err()];
        for error in told {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            let text = error.to_string();
            assert!(text.contains("a web page came") && text.contains("check the network"), "{text}");
        }
    }
    for (status, cause) in [(407, "407"), (502, "502"), (504, "504"), (511, "511")] {
        server.set_answer(Some(Box::new(move |_: &HttpRequest| Some((status, String::new())))));
        let error = options(&server).settings(settings.clone()).open("s3://films/some/portal").await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("store cannot be reached") && text.contains(cause), "{text}");
    }
    // Of a bucket in another region, without a place to go to.
    server.set_answer(Some(Box::new(|_: &HttpRequest| Some((301, String::new())))));
    let error = options(&server).settings(settings.clone()).open("s3://films/some/portal").await.unwrap_err();
    assert!(error.to_string().contains("set AWS_REGION"), "{error}");
}

#[tokio::test]
async fn a_refusal_without_a_body_says_what_it_may_be() {
    let (store, server) = open_s3("head").await;
    server.set_answer(Some(Box::new(|_: &HttpRequest| Some((400, String::new())))));
    let error = store.blobs().size(BlobKind::Segment, BlobId::of(b"rows")).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Denied, "{text}");
    assert!(text.contains("may have expired, or the bucket is in another region"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_by_its_cause() {
    let server = BucketServer::start("films").unwrap();
    let options = options(&server);
    server.stop();
    // The port is free when the listener has woken up and ended.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let settings = StoreSettings::default().with_timeout(Duration::from_secs(2));
    let error = options.settings(settings).open("s3://films/a").await.unwrap_err();
    let told = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{told}");
    assert!(told.starts_with("store cannot be reached: ") && told.contains("Connection refused"), "{told}");
}

#[tokio::test]
async fn an_empty_bucket_is_no_store() {
    let server = BucketServer::start("films").unwrap();
    let reading = Store::options().option("aws_endpoint", server.url()).option("allow_http", "true");
    let reading = reading.cache(CacheSettings::off());
    let error = reading.option("aws_skip_signature", "true").open("s3://films/a").await.unwrap_err();
    assert!(matches!(error, Error::NotAStore { .. }), "{error}");
}

#[tokio::test]
async fn options_that_are_unknown_or_secret_are_refused_in_a_url() {
    let cases = [
        ("s3://films/a?regoin=x", "option regoin is not known"),
        ("s3://films/a?aws_secret_access_key=pa55word", "option aws_secret_access_key is a secret"),
        ("s3://films/a?token=pa55word", "option token is a secret"),
        ("s3://films/a?proxy_url=http://me:pa55word@proxy", "option proxy_url is a secret"),
        ("az://films/a?account_name=x&sas_token=pa55word", "option sas_token is a secret"),
        ("gs://films/a?service_account_key=pa55word", "option service_account_key is a secret"),
        ("https://me:pa55word@host/films", "a URL is printed"),
        ("https://host/films?sig=pa55word", "option sig is not known"),
        ("s3://films/a?endpoint=http://host", "set AWS_ALLOW_HTTP"),
    ];
    for (url, text) in cases {
        let error = Store::open(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(!format!("{error} {error:?}").contains("pa55word"), "{error:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let error = Store::options().writable().option("region", "x").open(folder.path().to_str().unwrap()).await;
    assert!(error.unwrap_err().to_string().contains("reached through a network"));
}

#[tokio::test]
async fn no_secret_is_printed() {
    let server = BucketServer::start("films").unwrap();
    let options = options(&server).header("authorization", "pa55word-too");
    assert!(!format!("{options:?}").contains("pa55word"), "{options:?}");
    let store = options.open("s3://films/a?region=us-east-1").await.unwrap();
    let printed = format!("{store:?} {:?} {:?} {}", store.blobs(), store.manifests(), store.url());
    assert!(!printed.contains("pa55word"), "{printed}");
    assert_eq!(store.url(), "s3://films/a");
}

#[tokio::test]
async fn what_is_written_by_s3_is_read_by_http_and_not_written() {
    let (store, server) = open_s3("http").await;
    let id = BlobId::of(b"rows");
    store.blobs().put(BlobKind::Segment, id, "rows".into()).await.unwrap();
    let url = format!("{}/films/some/http", server.url());
    let reader = Store::options().cache(CacheSettings::off()).header("x-who", "me").open(&url).await.unwrap();
    assert_eq!(reader.blobs().get(BlobKind::Segment, id, 4).await.unwrap(), "rows");
    assert_eq!(reader.announcements().latest(None).await.unwrap(), None);
    let error = reader.blobs().put(BlobKind::Segment, BlobId::of(b"more"), "more".into()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("read only"), "{error}");
    let error = reader.files().list().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("needs a listing"), "{error}");
    assert!(!error.to_string().contains("and try again"), "{error}");
    let other = format!("{}/films/other", server.url());
    let other = Store::options().cache(CacheSettings::off()).open(&other).await.unwrap_err();
    assert!(matches!(other, Error::NotAStore { .. }), "{other}");
}

#[tokio::test]
async fn a_server_that_overwrites_what_is_there_is_refused() {
    let server = BucketServer::start("films").unwrap();
    server.set_answer(Some(Box::new(|request: &HttpRequest| {
        // As if the condition were not known to it.
        let is_create = request.header("if-none-match").is_some();
        is_create.then(|| (200, String::new()))
    })));
    let error = options(&server).open("s3://films/a").await.unwrap_err();
    assert!(matches!(error, Error::NoConditionalWrites { .. } | Error::Backend { .. }), "{error}");
}

#[tokio::test]
async fn a_transient_refusal_is_tried_again() {
    let server = BucketServer::start("films").unwrap();
    let store = options(&server).open("s3://films/a").await.unwrap();
    let count = std::sync::atomic::AtomicUsize::new(0);
    server.set_answer(Some(Box::new(move |_: &HttpRequest| {
        let is_refused = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2);
        is_refused.then(|| (503, "<Error><Code>SlowDown</Code></Error>".to_owned()))
    })));
    let id = BlobId::of(b"rows");
    store.blobs().put(BlobKind::Segment, id, "rows".into()).await.unwrap();
    assert_eq!(store.blobs().get(BlobKind::Segment, id, 4).await.unwrap(), "rows");
}

/// Answers as S3 does to an upload whose bytes are not those of its checksum.
fn refuse_other_bytes(request: &HttpRequest) -> Option<(u16, String)> {
    use base64::Engine;
    if request.method != "PUT" {
        return None;
    }
    let told = request.header("x-amz-checksum-crc64nvme").expect("a checksum");
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &request.body);
    let is_right = base64::engine::general_purpose::STANDARD.encode(crc.to_be_bytes()) == told;
    (!is_right).then(|| (400, "<Error><Code>BadDigest</Code><Message>other bytes</Message></Error>".to_owned()))
}

#[tokio::test]
async fn uploads_that_were_damaged_on_the_way_are_refused_by_their_checksum() {
    let server = BucketServer::start("films").unwrap();
    server.set_answer(Some(Box::new(refuse_other_bytes)));
    let link = BadLink::before(server.address()).unwrap();
    let options = options(&server).option("aws_endpoint", link.url()).option("aws_checksum_algorithm", "crc64nvme");
    let store = options.open("s3://films/a").await.unwrap();
    // In one piece, and in parts.
    for len in [5_usize << 20, 40 << 20] {
        let bytes = bytes::Bytes::from(vec![3; len]);
        let id = BlobId::of(&bytes);
        link.set(Harm::CorruptUploadAfter(4 << 20));
        let error = store.blobs().put(BlobKind::Segment, id, bytes.clone()).await.unwrap_err();
        assert!(error.to_string().contains("BadDigest"), "{error}");
        assert_eq!(store.blobs().size(BlobKind::Segment, id).await.unwrap(), None, "{len}");
        link.set(Harm::None);
        store.blobs().put(BlobKind::Segment, id, bytes).await.unwrap();
        assert_eq!(store.blobs().size(BlobKind::Segment, id).await.unwrap(), Some(len as u64));
    }
}
