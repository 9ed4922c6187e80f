//! The contract of a store against servers that others wrote: moto for S3, azurite for Azure. `.ci/clouds` starts them.
#![expect(clippy::unwrap_used, reason = "tests")]

use kapok_blobstore::{CacheSettings, Store, fresh_token};

/// Returns a prefix that no test had before, also not that of an earlier run against the same server.
fn prefix(name: &str) -> String {
    format!("{name}-{:032x}", u128::from_le_bytes(fresh_token()))
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: .ci/clouds starts the servers"))
}

async fn open_s3(name: &str) -> Store {
    let options = Store::options()
        .writable()
        .cache(CacheSettings::off())
        .option("endpoint", server("KAPOK_TEST_S3"))
        .option("allow_http", "true");
    let options = options.option("aws_access_key_id", "test").option("aws_secret_access_key", "test");
    options.open(&format!("s3://films/{}", prefix(name))).await.unwrap()
}

async fn open_azure(name: &str) -> Store {
    // Its account and key are published, and object_store knows them.
    let options = Store::options()
        .writable()
        .cache(CacheSettings::off())
        .option("azure_storage_use_emulator", "true")
        .option("allow_http", "true");
    let url = server("KAPOK_TEST_AZURE");
    assert_eq!(url, "http://127.0.0.1:10000", "where object_store looks for the emulator");
    options.open(&format!("az://films/{}", prefix(name))).await.unwrap()
}

mod s3 {
    kapok_testing::conformance!(super::open_s3, ignore = "needs moto: .ci/clouds");
}
mod azure {
    kapok_testing::conformance!(super::open_azure, ignore = "needs azurite: .ci/clouds");
}
