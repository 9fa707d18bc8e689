//! `rediss://`, against a server whose certificate the test makes with OpenSSL's command.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use pingtalk_contract::redis_server::Server;
use pingtalk_redis_connection::{Config, Redis, Unreachable, try_connect};

/// Makes a key and a certificate for `localhost` that vouches for itself.
fn certify(folder: &Path, name: &str) -> (String, String) {
    let file = |end| folder.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
    let (key, certificate) = (file("key"), file("pem"));
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(status.success());
    (key, certificate)
}

#[tokio::test]
async fn a_server_with_a_certificate_of_ones_own_is_trusted_only_if_told() {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = certify(folder.path(), "ours");
    let (_, other) = certify(folder.path(), "other");
    let arguments = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
    let server = Server::start_tls(&[&arguments[..], &["--tls-auth-clients", "no"]].concat());
    let url = format!("rediss://localhost:{}", server.port());

    let ours = Config::new(&url).unwrap().trusting(&fs::read(&certificate).unwrap()).unwrap();
    let pong: String = Redis::new(ours).query(&redis::cmd("PING")).await.unwrap();
    assert_eq!(pong, "PONG");

    let others = Config::new(&url).unwrap().trusting(&fs::read(&other).unwrap()).unwrap();
    for distrusting in [Config::new(&url).unwrap(), others] {
        let refused = try_connect(&distrusting).await.err().expect("it is not trusted");
        assert!(matches!(&refused, Unreachable::Network(_)), "{refused}");
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
}
