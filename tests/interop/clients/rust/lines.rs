//! The lines of JSON that both clients print, one for each question to the SDK.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant, SystemTime};

/// What a client found, of which some may be missing.
#[derive(Default)]
pub struct Found {
    pub key: String,
    pub secret: Option<String>,
    pub token: String,
    pub end: Option<SystemTime>,
}

/// As many lines as the first argument says, with as many milliseconds between them as the second. `date` writes a moment as the SDK does.
pub async fn print<Asked: Future<Output = Result<Found, String>>>(ask: impl Fn() -> Asked, date: impl Fn(SystemTime) -> String) {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    for i in 0..arguments[0] {
        if i > 0 {
            tokio::time::sleep(Duration::from_millis(arguments[1])).await;
        }
        let start = Instant::now();
        let mut line = format!("{{\"version\": {}", quoted(VERSION));
        match ask().await {
            Err(error) => line += &format!(", \"err\": {}", quoted(&error)),
            Ok(found) => {
                line += &format!(", \"ak\": {}, \"st\": {}", quoted(&found.key), quoted(&found.token));
                if let Some(secret) = found.secret {
                    line += &format!(", \"sk\": {}", quoted(&secret));
                }
                if let Some(end) = found.end {
                    line += &format!(", \"exp\": {}", quoted(&date(end)));
                }
            }
        }
        println!("{line}, \"ms\": {}}}", start.elapsed().as_millis());
    }
}

/// An error with all that caused it.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text += &format!("; {one}");
        cause = one.source();
    }
    text
}

fn quoted(text: &str) -> String {
    let clean = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", clean.replace(|c: char| c < ' ', " "))
}

/// Of aws-config; Cargo.toml names the same.
const VERSION: &str = env!("AWS_CONFIG_VERSION");
