//! Places in a bucket of a server that others wrote: `.ci/clouds` starts it, and gives the credentials by the environment.

use kapok_blobstore::fresh_token;

/// The bucket.
pub const BUCKET: &str = "films";

/// The server's URL.
///
/// # Panics
/// Where `KAPOK_TEST_S3` does not say it.
pub fn server() -> String {
    std::env::var("KAPOK_TEST_S3").expect("KAPOK_TEST_S3: .ci/clouds starts the server")
}

/// Returns a prefix that no test had before, also not that of an earlier run against the same server.
pub fn prefix(name: &str) -> String {
    format!("{name}-{:032x}", u128::from_le_bytes(fresh_token()))
}

/// Returns the URL of a prefix.
pub fn url(prefix: &str) -> String {
    format!("s3://{BUCKET}/{prefix}?endpoint={}&allow_http=true", server())
}
