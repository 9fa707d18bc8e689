//! Applications and components in an OCI registry.
//!
//! An application is an artifact of type [`APPLICATION`]: a layer with the manifest, and one layer
//! of type `application/wasm` a component, titled `NAME.wasm`. What other tools push as a single
//! component (one `application/wasm` layer) can be deployed too.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol, Config, ImageLayer},
    manifest::{OciDescriptor, OciImageManifest},
    secrets::RegistryAuth,
};

use super::package::Package;
use crate::{config, progress::Steps};

/// The artifact's type.
const APPLICATION: &str = "application/vnd.pingtalk.application.v1";
/// The layer with the manifest.
const MANIFEST: &str = "application/vnd.pingtalk.manifest.v1+toml";
/// A component (<https://www.iana.org/assignments/media-types/application/wasm>).
const WASM: &str = "application/wasm";
/// An artifact without a configuration (OCI image specification 1.1, "Guidance for an empty
/// descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A layer's file name (OCI image specification, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";
/// What a component may weigh, as the admin API has it.
const MAX_BYTES: u64 = pingtalk_admin::MAX_BODY_BYTES;
/// Layers of an artifact: more is no application of ours.
const MAX_LAYERS: usize = 100;

/// Whether this names something in a registry: its first part is a host name.
pub(super) fn is_reference(text: &str) -> bool {
    let text = text.strip_prefix("oci://").unwrap_or(text);
    let Some((registry, name)) = text.split_once('/') else { return false };
    let is_host = registry.contains('.') || registry.contains(':') || registry == "localhost";
    is_host && !registry.starts_with('.') && !name.is_empty() && text.parse::<Reference>().is_ok()
}

fn reference(text: &str) -> Result<Reference> {
    ensure!(
        is_reference(text),
        "`{text}` names nothing in a registry: write it as in registry.example.org/team/chat:1.2"
    );
    text.strip_prefix("oci://").unwrap_or(text).parse().with_context(|| text.to_owned())
}

/// Speaks TLS, but for registries on this machine.
fn client(reference: &Reference) -> Client {
    crate::crypto::choose();
    let registry = reference.resolve_registry();
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let is_local = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let protocol = match is_local {
        true => ClientProtocol::HttpsExcept(vec![registry.to_owned()]),
        false => ClientProtocol::Https,
    };
    Client::new(ClientConfig { protocol, ..ClientConfig::default() })
}

/// `PINGTALK_REGISTRY_USER` and `PINGTALK_REGISTRY_PASSWORD`, or nobody.
fn auth() -> RegistryAuth {
    match config::registry_environment() {
        Some((user, password)) => RegistryAuth::Basic(user, password.expose().to_owned()),
        None => RegistryAuth::Anonymous,
    }
}

/// Reads an artifact. Every layer is held against its digest.
pub(super) async fn pull(text: &str) -> Result<Package> {
    let reference = reference(text)?;
    let client = client(&reference);
    let (manifest, _) = client
        .pull_image_manifest(&reference, &auth())
        .await
        .with_context(|| format!("{reference} can't be read"))?;
    let layers: Vec<&OciDescriptor> = manifest
        .layers
        .iter()
        .filter(|layer| [MANIFEST, WASM].contains(&layer.media_type.as_str()))
        .collect();
    ensure!(!layers.is_empty(), "{reference} holds no WebAssembly component");
    ensure!(layers.len() <= MAX_LAYERS, "{reference} has over {MAX_LAYERS} layers");
    let steps = Steps::new("Pulling", layers.len());
    let mut package = Package::default();
    for layer in layers {
        let size = u64::try_from(layer.size).unwrap_or(u64::MAX);
        ensure!(size <= MAX_BYTES, "a layer of {reference} has {size} bytes, over {MAX_BYTES}");
        let title = title(layer);
        steps.at(&title);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        client
            .pull_blob(&reference, layer, Bounded { bytes: &mut bytes, left: size })
            .await
            .with_context(|| format!("{title} of {reference} can't be read"))?;
        steps.done(&format!("{title}  {} KiB", bytes.len() / 1024));
        if layer.media_type == MANIFEST {
            package.manifest = Some(String::from_utf8(bytes).context("the manifest is no text")?);
        } else {
            let name = title.strip_suffix(".wasm").unwrap_or(&title).to_owned();
            if package.components.insert(name, bytes.into()).is_some() {
                bail!("{reference} has two components named {title}");
            }
        }
    }
    Ok(package)
}

fn title(layer: &OciDescriptor) -> String {
    let titles = layer.annotations.as_ref();
    let title = titles.and_then(|annotations| annotations.get(TITLE));
    title.cloned().unwrap_or_else(|| "component.wasm".to_owned())
}

/// Writes a package as an artifact. Returns what names it for ever: the reference by digest.
pub(super) async fn push(text: &str, package: Package) -> Result<String> {
    let reference = reference(text)?;
    let client = client(&reference);
    let titled = |title: String| Some(BTreeMap::from([(TITLE.to_owned(), title)]));
    let mut layers = Vec::new();
    if let Some(manifest) = package.manifest {
        let title = titled("spin.toml".to_owned());
        layers.push(ImageLayer::new(Bytes::from(manifest), MANIFEST.to_owned(), title));
    }
    for (name, bytes) in package.components {
        layers.push(ImageLayer::new(bytes, WASM.to_owned(), titled(format!("{name}.wasm"))));
    }
    let config = Config::new(&b"{}"[..], EMPTY.to_owned(), None);
    let mut manifest = OciImageManifest::build(&layers, &config, None);
    manifest.artifact_type = Some(APPLICATION.to_owned());
    let steps = Steps::new("Pushing", 1);
    steps.at(&reference.to_string());
    let pushed = client
        .push(&reference, &layers, config, &auth(), Some(manifest))
        .await
        .with_context(|| format!("{reference} can't be written"))?;
    let digest = pushed.manifest_url.rsplit('/').next().unwrap_or_default().to_owned();
    steps.done(&format!("{} layers", layers.len()));
    let (registry, repository) = (reference.registry(), reference.repository());
    Ok(match digest.starts_with("sha256:") {
        true => format!("{registry}/{repository}@{digest}"),
        // The registry names it by its tag.
        false => reference.to_string(),
    })
}

/// Takes no more bytes than the manifest promised.
struct Bounded<'a> {
    bytes: &'a mut Vec<u8>,
    left: u64,
}

impl tokio::io::AsyncWrite for Bounded<'_> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        chunk: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(size) else {
            let problem = "the registry sends more than the manifest says";
            return std::task::Poll::Ready(Err(std::io::Error::other(problem)));
        };
        self.left = left;
        self.bytes.extend_from_slice(chunk);
        std::task::Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::is_reference;

    #[test]
    fn a_reference_starts_with_a_host_name() {
        for text in [
            "registry.example.org/team/chat:1.2",
            "localhost/chat",
            "127.0.0.1:5000/chat",
            "oci://ghcr.io/team/chat@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(is_reference(text), "{text}");
        }
        for text in
            ["chat.wasm", "./chat.wasm", "target/chat.wasm", "../a/b", "team/chat", "/a/b.c"]
        {
            assert!(!is_reference(text), "{text}");
        }
    }
}
