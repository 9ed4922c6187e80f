//! Opens the backend behind a URL: `s3://`, `az://`, `gs://`, or `http(s)://`, which is read only.
//!
//! What a backend is told comes from three places: settings of the program, the query of the URL, and the environment under
//! `object_store`'s names, in this order. Secrets never stand in a URL, since a URL is printed.

use std::sync::Arc;

use object_store::path::Path as Prefix;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

use crate::error::{Error, Result};
use crate::remote_options::RemoteOptions;
use crate::settings::StoreSettings;

mod client;
mod cloud;
#[cfg(feature = "http")]
mod read_only;

/// A location of a remote store, understood but not yet asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    scheme: ObjectStoreScheme,
    /// Without its query.
    url: Url,
    prefix: Prefix,
    query: Vec<(String, String)>,
}

impl Remote {
    /// Understands a URL, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a name or a password, and a URL is printed: give credentials by the environment".into());
        }
        if url.fragment().is_some() {
            return Err("it has a fragment, which names no part of a store".into());
        }
        let query = url.query_pairs().map(|(name, value)| (name.to_lowercase(), value.into_owned())).collect();
        url.set_query(None);
        let (scheme, prefix) =
            ObjectStoreScheme::parse(&url).map_err(|_| format!("scheme {} is not supported", url.scheme()))?;
        Ok(Self { scheme, url, prefix, query })
    }

    /// Returns the backend and the prefix of the store in it.
    pub(crate) fn backend(
        &self,
        location: &str,
        options: &RemoteOptions,
        settings: &StoreSettings,
    ) -> Result<(Arc<dyn ObjectStore>, Prefix)> {
        let backend = match &self.scheme {
            #[cfg(feature = "aws")]
            ObjectStoreScheme::AmazonS3 => {
                cloud::open(object_store::aws::AmazonS3Builder::from_env(), self, options, settings)
            }
            #[cfg(feature = "azure")]
            ObjectStoreScheme::MicrosoftAzure => {
                cloud::open(object_store::azure::MicrosoftAzureBuilder::from_env(), self, options, settings)
            }
            #[cfg(feature = "gcp")]
            ObjectStoreScheme::GoogleCloudStorage => {
                cloud::open(object_store::gcp::GoogleCloudStorageBuilder::from_env(), self, options, settings)
            }
            #[cfg(feature = "http")]
            ObjectStoreScheme::Http => {
                let opened = cloud::open(object_store::http::HttpBuilder::new(), self, options, settings);
                opened.map(|backend| Arc::new(read_only::ReadOnly::over(backend)) as _)
            }
            other => Err(format!("this program was built without the feature {}", feature(other))),
        };
        match backend {
            Ok(backend) => Ok((backend, self.prefix.clone())),
            Err(reason) => Err(Error::Location { location: location.to_owned(), reason }),
        }
    }
}

fn feature(scheme: &ObjectStoreScheme) -> &'static str {
    match scheme {
        ObjectStoreScheme::AmazonS3 => "aws",
        ObjectStoreScheme::MicrosoftAzure => "azure",
        ObjectStoreScheme::GoogleCloudStorage => "gcp",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_bucket_prefix_and_options() {
        let remote = Remote::parse("s3://films/a/deep%20one?Region=eu-west-1&endpoint=http://h:1").expect("a URL");
        assert_eq!((remote.scheme, remote.prefix.as_ref()), (ObjectStoreScheme::AmazonS3, "a/deep one"));
        assert_eq!(remote.url.as_str(), "s3://films/a/deep%20one");
        let query = [("region", "eu-west-1"), ("endpoint", "http://h:1")];
        assert_eq!(remote.query, query.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn hosts_of_clouds_are_their_clouds_and_others_are_http() {
        let scheme = |text| Remote::parse(text).expect(text).scheme;
        assert_eq!(scheme("https://films.s3.eu-west-1.amazonaws.com/a"), ObjectStoreScheme::AmazonS3);
        assert_eq!(scheme("az://container/a"), ObjectStoreScheme::MicrosoftAzure);
        assert_eq!(scheme("gs://bucket"), ObjectStoreScheme::GoogleCloudStorage);
        assert_eq!(scheme("https://cdn.example.com/films"), ObjectStoreScheme::Http);
    }

    #[test]
    fn what_would_be_printed_holds_no_secret() {
        for text in ["https://me:pa55@host/films", "s3://me@bucket/films", "s3://bucket/films#x"] {
            let reason = Remote::parse(text).expect_err(text);
            assert!(!reason.contains("pa55"), "{reason}");
        }
        assert!(Remote::parse("ftp://host/films").expect_err("ftp").contains("scheme ftp"));
    }
}
