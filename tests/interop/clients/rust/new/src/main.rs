//! The AWS SDK for Rust, with its default chain and the identity cache that a client has.
//!
//! A client of STS signs requests that go nowhere: they are answered here. What was signed with is read from the request, the secret and
//! the expiration from what the chain handed to the cache.

#[path = "../../lines.rs"]
mod lines;

use aws_config::BehaviorVersion;
use aws_credential_types::provider::{self, future, ProvideCredentials, SharedCredentialsProvider};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::{date_time::Format, DateTime};
use std::sync::{Arc, Mutex};

const ANSWER: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:role/app</Arn>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

/// The key id and session token of the last request.
#[derive(Clone, Debug, Default)]
struct Signed(Arc<Mutex<Option<(String, String)>>>);

impl HttpConnector for Signed {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name| request.headers().get(name).unwrap_or_default().to_string();
        let authorization = header("authorization");
        let key = authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        *self.0.lock().unwrap() = key.map(|key| (key.to_string(), header("x-amz-security-token")));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(ANSWER))))
    }
}

impl HttpClient for Signed {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The default chain, and what it found last.
#[derive(Clone, Debug)]
struct Chain {
    inner: SharedCredentialsProvider,
    last: Arc<Mutex<Option<Credentials>>>,
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let found: provider::Result = self.inner.provide_credentials().await;
            *self.last.lock().unwrap() = found.as_ref().ok().cloned();
            found
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let chain = Chain { inner: config.credentials_provider().expect("a chain"), last: Default::default() };
    let signed = Signed::default();
    let client = aws_sdk_sts::Client::from_conf(
        aws_sdk_sts::config::Builder::from(&config).credentials_provider(chain.clone()).http_client(signed.clone()).build(),
    );
    let ask = || async {
        signed.0.lock().unwrap().take();
        client.get_caller_identity().send().await.map_err(|error| lines::with_causes(&error))?;
        let (key, token) = signed.0.lock().unwrap().clone().ok_or("the request was not signed")?;
        let last = chain.last.lock().unwrap().clone().filter(|last| last.access_key_id() == key);
        Ok(lines::Found {
            key,
            token,
            secret: last.as_ref().map(|last| last.secret_access_key().to_string()),
            end: last.and_then(|last| last.expiry()),
        })
    };
    lines::print(ask, |end| DateTime::from(end).fmt(Format::DateTime).expect("a time")).await;
}
