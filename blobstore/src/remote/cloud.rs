//! Tells a backend what it is to do, by one way for all clouds.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::{BackoffConfig, Certificate, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::Remote;
use super::client::Connector;
use crate::remote_options::RemoteOptions;
use crate::settings::StoreSettings;

/// The most time that the making of a connection may take.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// Longer than any transfer: the store's own timeout is what counts.
const NO_TIMEOUT: Duration = Duration::from_hours(24);

/// Parts of the names of options whose values nobody else may see.
const SECRETS: [&str; 9] =
    ["secret", "token", "access_key", "sas", "account_key", "master_key", "password", "bearer", "key_base64"];

/// A builder of a backend, and what it can be told.
pub(super) trait Builder: Sized {
    /// The names of its options.
    type Key: FromStr<Err = object_store::Error> + AsRef<str>;
    /// How its variables of the environment begin; none for no such variables.
    const ENVIRONMENT: Option<&'static str>;

    /// Returns the option of the HTTP client, if it is one.
    fn client_key(key: &Self::Key) -> Option<ClientConfigKey>;
    /// Sets an option that is not the HTTP client's.
    fn with(self, key: Self::Key, value: &str) -> Self;
    /// Returns the endpoint that was set, if any.
    fn endpoint(&self) -> Option<String>;
    /// Has each upload carry a checksum that the cloud's own servers refuse damaged bytes by, unless one was chosen.
    fn with_checksum(self) -> Self {
        self
    }
    /// Makes the backend of the bucket or host that a URL names.
    fn finish(
        self,
        remote: &Remote,
        client: ClientOptions,
        retry: RetryConfig,
        connector: Connector,
    ) -> object_store::Result<Arc<dyn ObjectStore>>;
}

/// Opens a backend. The error says what is wrong, without a secret.
pub(super) fn open<B: Builder>(
    builder: B,
    remote: &Remote,
    options: &RemoteOptions,
    settings: &StoreSettings,
) -> Result<Arc<dyn ObjectStore>, String> {
    let (builder, client) = configured(builder, remote, options)?;
    let (client, retry, connector) = budget(client, settings.timeout);
    builder.finish(remote, client, retry, connector).map_err(|error| crate::cause::cause(&error))
}

/// Tells a builder all that it is to know.
fn configured<B: Builder>(
    mut builder: B,
    remote: &Remote,
    options: &RemoteOptions,
) -> Result<(B, ClientOptions), String> {
    let mut client = ClientOptions::new();
    // The builder has taken its other variables already.
    for (name, value) in B::ENVIRONMENT.into_iter().flat_map(variables) {
        if let Some(key) = name.parse().ok().as_ref().and_then(B::client_key) {
            client = client.with_config(key, value);
        }
    }
    let asked = remote.query.iter().map(|option| (option, true));
    for ((name, value), is_query) in asked.chain(options.options.iter().map(|option| (option, false))) {
        let Ok(key) = name.to_lowercase().parse::<B::Key>() else { return Err(format!("option {name} is not known")) };
        if is_query && is_secret(key.as_ref(), value) {
            return Err(format!("option {name} is a secret, and a URL is printed: give it by the environment"));
        }
        match B::client_key(&key) {
            Some(key) => client = client.with_config(key, value),
            None => builder = builder.with(key, value),
        }
    }
    let named = builder.endpoint();
    if named.is_none() {
        // Of servers that only speak the cloud's language it is not known which checksums they understand.
        builder = builder.with_checksum();
    }
    let endpoint = named.unwrap_or_else(|| remote.url.to_string());
    if remote.url.scheme() == "http" {
        client = client.with_allow_http(true);
    } else if endpoint.starts_with("http://") && !allows_http(&client) {
        return Err(
            "its endpoint is http, not https: set AWS_ALLOW_HTTP, AZURE_ALLOW_HTTP or GOOGLE_ALLOW_HTTP to true, or \
                    the option allow_http, if what travels may be read on the way"
                .to_owned(),
        );
    }
    client = client.with_default_headers(options.header_map()?);
    let roots = Certificate::from_pem_bundle(&options.root_certificates);
    for root in roots.map_err(|error| format!("the root certificates are no PEM: {error}"))? {
        client = client.with_root_certificate(root);
    }
    Ok((builder, client))
}

/// Sets how long a request may take and how often it is tried, so that it ends before the store gives up on it.
///
/// One try waits a quarter of the timeout for a reply to begin; after half of the timeout no other is begun.
fn budget(client: ClientOptions, timeout: Duration) -> (ClientOptions, RetryConfig, Connector) {
    let client = client.with_timeout(NO_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT_MAX.min(timeout / 8));
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: timeout / 12, base: 2.0 };
    let retry = RetryConfig { backoff, max_retries: 10, retry_timeout: timeout / 2 };
    (client, retry, Connector::waiting(timeout / 4))
}

/// Returns the variables of the environment that begin like this, in lower case.
fn variables(beginning: &'static str) -> impl Iterator<Item = (String, String)> {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(move |(name, _)| name.starts_with(beginning)).map(|(name, value)| (name.to_ascii_lowercase(), value))
}

fn allows_http(client: &ClientOptions) -> bool {
    client.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true")
}

fn is_secret(key: &str, value: &str) -> bool {
    let is_file = key.ends_with("_file");
    let has_password = key.starts_with("proxy") && value.contains('@');
    !is_file && SECRETS.iter().any(|part| key.contains(part)) || has_password || key.contains("encryption_key")
}

/// Implements [`Builder`] for a cloud's builder.
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
macro_rules! cloud {
    ($builder:ty, $key:ident in $module:ident, $environment:literal, $($endpoint:ident)|+ $(, $checksum:expr)?) => {
        impl Builder for $builder {
            type Key = object_store::$module::$key;
            const ENVIRONMENT: Option<&'static str> = Some($environment);

            fn client_key(key: &Self::Key) -> Option<ClientConfigKey> {
                match key {
                    object_store::$module::$key::Client(key) => Some(*key),
                    _ => None,
                }
            }

            fn with(self, key: Self::Key, value: &str) -> Self {
                self.with_config(key, value)
            }

            fn endpoint(&self) -> Option<String> {
                None$(.or_else(|| self.get_config_value(&object_store::$module::$key::$endpoint)))+
            }
$(
            fn with_checksum(self) -> Self {
                match self.get_config_value(&object_store::$module::$key::Checksum) {
                    Some(_) => self,
                    None => self.with_checksum_algorithm($checksum),
                }
            }
)?

            fn finish(
                self,
                remote: &Remote,
                client: ClientOptions,
                retry: RetryConfig,
                connector: Connector,
            ) -> object_store::Result<Arc<dyn ObjectStore>> {
                let builder = self.with_url(remote.url.as_str()).with_client_options(client).with_retry(retry);
                Ok(Arc::new(builder.with_http_connector(connector).build()?))
            }
        }
    };
}

#[cfg(feature = "aws")]
cloud!(
    object_store::aws::AmazonS3Builder, AmazonS3ConfigKey in aws, "AWS_", S3Endpoint | Endpoint,
    object_store::aws::Checksum::CRC64NVME
);
#[cfg(feature = "azure")]
cloud!(object_store::azure::MicrosoftAzureBuilder, AzureConfigKey in azure, "AZURE_", Endpoint);
#[cfg(feature = "gcp")]
cloud!(object_store::gcp::GoogleCloudStorageBuilder, GoogleConfigKey in gcp, "GOOGLE_", BaseUrl);

#[cfg(feature = "http")]
impl Builder for object_store::http::HttpBuilder {
    type Key = ClientConfigKey;
    const ENVIRONMENT: Option<&'static str> = None;

    fn client_key(key: &ClientConfigKey) -> Option<ClientConfigKey> {
        Some(*key)
    }

    fn with(self, key: ClientConfigKey, value: &str) -> Self {
        self.with_config(key, value)
    }

    fn endpoint(&self) -> Option<String> {
        None
    }

    fn finish(
        self,
        remote: &Remote,
        client: ClientOptions,
        retry: RetryConfig,
        connector: Connector,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        let mut host = remote.url.clone();
        host.set_path("");
        let builder = self.with_url(host.as_str()).with_client_options(client).with_retry(retry);
        Ok(Arc::new(builder.with_http_connector(connector).build()?))
    }
}

#[cfg(all(test, feature = "aws"))]
mod tests {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

    use super::*;

    #[test]
    fn uploads_to_amazon_carry_a_checksum_and_those_to_others_one_that_is_asked_for() {
        let checksum = |query: &str| {
            let remote = Remote::parse(&format!("s3://films/a{query}")).expect("a URL");
            let (builder, _) = configured(AmazonS3Builder::new(), &remote, &RemoteOptions::default()).expect("options");
            builder.get_config_value(&AmazonS3ConfigKey::Checksum)
        };
        assert_eq!(checksum("?region=eu-west-1").as_deref(), Some("crc64nvme"));
        assert_eq!(checksum("?checksum_algorithm=sha256").as_deref(), Some("sha256"));
        assert_eq!(checksum("?endpoint=https://h"), None);
        assert_eq!(checksum("?endpoint=https://h&checksum_algorithm=crc64nvme").as_deref(), Some("crc64nvme"));
    }
}
