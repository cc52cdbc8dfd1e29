//! The AWS SDK for Rust, release 0.56, with its default chain and the cache that a client has.

use aws_credential_types::cache::{CredentialsCache, ProvideCachedCredentials};
use std::error::Error;
use std::time::{Duration, Instant};

fn quoted(text: &str) -> String {
    let clean = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", clean.replace(|c: char| c < ' ', " "))
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text += &format!("; {one}");
        cause = one.source();
    }
    text
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let config = aws_config::load_from_env().await;
    let cache = CredentialsCache::lazy().create_cache(config.credentials_provider().expect("a chain").clone());
    for i in 0..arguments[0] {
        if i > 0 {
            tokio::time::sleep(Duration::from_millis(arguments[1])).await;
        }
        let start = Instant::now();
        let mut line = format!("{{\"version\": {}", quoted(VERSION));
        match cache.provide_cached_credentials().await {
            Err(error) => line += &format!(", \"err\": {}", quoted(&with_causes(&error))),
            Ok(found) => {
                line += &format!(", \"ak\": {}, \"sk\": {}", quoted(found.access_key_id()), quoted(found.secret_access_key()));
                line += &format!(", \"st\": {}", quoted(found.session_token().unwrap_or_default()));
                if let Some(end) = found.expiry() {
                    let end = aws_smithy_types::DateTime::from(end).fmt(aws_smithy_types::date_time::Format::DateTime).expect("a time");
                    line += &format!(", \"exp\": {}", quoted(&end));
                }
            }
        }
        println!("{line}, \"ms\": {}}}", start.elapsed().as_millis());
    }
}

/// Of aws-config; Cargo.toml names the same.
const VERSION: &str = env!("AWS_CONFIG_VERSION");
