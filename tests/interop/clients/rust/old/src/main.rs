//! The AWS SDK for Rust, release 0.56, with its default chain and the cache that a client has.

#[path = "../../lines.rs"]
mod lines;

use aws_credential_types::cache::{CredentialsCache, ProvideCachedCredentials};
use aws_smithy_types::{date_time::Format, DateTime};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = aws_config::load_from_env().await;
    let cache = CredentialsCache::lazy().create_cache(config.credentials_provider().expect("a chain").clone());
    let ask = || async {
        let found = cache.provide_cached_credentials().await.map_err(|error| lines::with_causes(&error))?;
        Ok(lines::Found {
            key: found.access_key_id().to_string(),
            secret: Some(found.secret_access_key().to_string()),
            token: found.session_token().unwrap_or_default().to_string(),
            end: found.expiry(),
        })
    };
    lines::print(ask, |end| DateTime::from(end).fmt(Format::DateTime).expect("a time")).await;
}
