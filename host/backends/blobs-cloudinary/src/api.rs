//! The upload API: storing and removing an asset, and asking whether it is there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use pingtalk_capabilities::blobs::BlobError;
use reqwest::{Body, Client, RequestBuilder, StatusCode, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;

use crate::{
    config::{Config, ConfigError},
    error::{Failure, refusal, unavailable, unreachable},
    form::Form,
    place::Asset,
    signature::{Parameters, sign},
};

const CONNECT_TIME_OUT: Duration = Duration::from_secs(3);
/// Answers are short; anything longer is none of theirs.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// An account's API.
pub(crate) struct Api {
    pub(crate) config: Config,
    pub(crate) client: Client,
}

/// An answer to an upload, as far as it is checked.
#[derive(Deserialize)]
struct Uploaded {
    public_id: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct Destroyed {
    result: String,
}

#[derive(Deserialize)]
struct Pinged {
    status: String,
}

impl Api {
    /// A client for an account. No connection is made yet.
    pub(crate) fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        // The TLS client asks the process for its cryptography; whoever sets it first decides, and
        // all of ours set ring.
        drop(ring::default_provider().install_default());
        let mut client = Client::builder()
            .connect_timeout(CONNECT_TIME_OUT)
            // An API key goes where the settings say and nowhere else.
            .redirect(Policy::none())
            // Sizes are those of the bytes as stored.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate();
        if [&config.api_url, &config.delivery_url].iter().all(|url| url.starts_with("http:")) {
            // Without TLS no roots are needed, so a bare container image without any will do.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|_| ConfigError::Client)?;
        Ok(Self { config, client })
    }

    /// Stores an asset, in place of what was there.
    pub(crate) async fn upload(&self, asset: &Asset, content: Bytes) -> Result<(), Failure> {
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let parameters = self.signed(asset, &[("invalidate", "true"), ("overwrite", "true")])?;
        let fields = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let form = Form::new(fields, content);
        let rate = f64::from(self.config.least_upload_rate.max(1));
        let seconds = f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / rate;
        let limit = self.config.call_time_out + Duration::from_secs_f64(seconds);
        let request = self
            .client
            .post(self.url(&format!("{}/upload", asset.kind.as_str())))
            .header("content-type", form.content_type())
            .body(Body::wrap(form));
        let uploaded: Uploaded = self.answer(request, limit).await?;
        if uploaded.public_id != asset.public_id {
            return Err(Failure::Blob(BlobError::Invalid(
                "Cloudinary does not keep the blob under this name".to_owned(),
            )));
        }
        if uploaded.bytes != size {
            return Err(Failure::Blob(unavailable(
                "the Cloudinary account changes what is uploaded: it has an incoming transformation",
            )));
        }
        Ok(())
    }

    /// Removes an asset. True when there was one.
    pub(crate) async fn destroy(&self, asset: &Asset) -> Result<bool, BlobError> {
        let parameters = self.signed(asset, &[("invalidate", "true")])?;
        // A form of text only, which may as well be multipart. No value needs escaping here: public
        // IDs are letters, digits and `-_./`.
        let body: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self
            .client
            .post(self.url(&format!("{}/destroy", asset.kind.as_str())))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        let destroyed: Destroyed =
            self.answer(request, self.config.call_time_out).await.map_err(settled)?;
        match destroyed.result.as_str() {
            "ok" => Ok(true),
            "not found" => Ok(false),
            _ => Err(unavailable("Cloudinary gave an answer that is not documented")),
        }
    }

    /// Asks for nothing, with the key: Admin API, which authenticates by the key itself.
    pub(crate) async fn ping(&self) -> Result<(), BlobError> {
        let Config { api_key, api_secret, .. } = &self.config;
        let request = self.client.get(self.url("ping")).basic_auth(api_key, Some(api_secret));
        let pinged: Pinged =
            self.answer(request, self.config.call_time_out).await.map_err(settled)?;
        if pinged.status == "ok" { Ok(()) } else { Err(unavailable("Cloudinary is not well")) }
    }

    fn url(&self, action: &str) -> String {
        let start = self.config.api_url.trim_end_matches('/');
        format!("{start}/v1_1/{}/{action}", self.config.cloud_name)
    }

    /// The parameters of a call about an asset, signed as of now.
    fn signed(
        &self,
        asset: &Asset,
        more: &[(&'static str, &str)],
    ) -> Result<Parameters, BlobError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| unavailable("this machine's clock stands before 1970"))?;
        let mut parameters: Parameters =
            more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        parameters.insert("public_id", asset.public_id.clone());
        parameters.insert("timestamp", now.as_secs().to_string());
        let Config { api_key, api_secret, signature_algorithm, .. } = &self.config;
        let signature = sign(&parameters, api_secret, *signature_algorithm);
        parameters.insert("signature", signature);
        parameters.insert("api_key", api_key.clone());
        Ok(parameters)
    }

    /// Sends a request and reads its answer.
    async fn answer<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        limit: Duration,
    ) -> Result<T, Failure> {
        let (status, body) = timeout(limit, exchange(request))
            .await
            .map_err(|_| unavailable("Cloudinary does not answer in time"))??;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|_| unavailable("Cloudinary gave an answer that is not documented").into())
    }
}

/// Of a call that uploads nothing.
fn settled(failure: Failure) -> BlobError {
    match failure {
        Failure::Blob(error) => error,
        Failure::NotAPicture => unavailable("Cloudinary gave an answer that is not documented"),
    }
}

async fn exchange(request: RequestBuilder) -> Result<(StatusCode, Bytes), BlobError> {
    let mut response = request.send().await.map_err(|error| unreachable(&error))?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(unavailable("Cloudinary gave an answer that is not documented"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), body.freeze()))
}
