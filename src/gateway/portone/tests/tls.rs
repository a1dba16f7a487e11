//! Servers with the wrong certificate: they hear neither the secret nor the request.

use super::{PAYMENT_ID, SECRET, attempt, client, settings};
use crate::gateway::Answer;
use crate::gateway::portone::http::builder;
use crate::gateway::portone::resolver::Reach;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Somebody who signs certificates.
fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "a test's authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `host`, as `change` makes it; signed by `signer`, or by itself.
fn certificate(host: &str, signer: Option<&Authority>, change: fn(&mut CertificateParams)) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    change(&mut params);
    let signed = match signer {
        Some(signer) => params.signed_by(&key, signer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ServerConfig::builder().with_no_client_auth().with_single_cert(vec![signed.der().clone()], key).unwrap()
}

/// A server with this certificate. What it hears of HTTP comes out of the receiver, one text for each connection.
fn serve(config: ServerConfig) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (told, heard) = channel(16);
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut bytes = [0; 4096];
            // A handshake that fails is an error here.
            let read = stream.read(&mut bytes).unwrap_or(0);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            if told.blocking_send(String::from_utf8_lossy(&bytes[..read]).into_owned()).is_err() {
                return;
            }
        }
    });
    (base, heard)
}

/// A charge by the client's own settings, with one more authority that it trusts.
async fn charge(base: &str, trusted: &Authority) -> Result<reqwest::StatusCode, reqwest::Error> {
    let trusted = reqwest::Certificate::from_der(trusted.der()).unwrap();
    let client =
        builder(&settings(base.to_owned()), Reach::Loopback).unwrap().tls_certs_only([trusted]).build().unwrap();
    let url = format!("{base}/payments/{PAYMENT_ID}/billing-key");
    client.post(url).body("billing-key-canary").send().await.map(|response| response.status())
}

#[tokio::test]
async fn a_server_with_the_wrong_certificate_hears_nothing() {
    super::super::install_tls();
    let ours = authority();
    let (base, mut heard) = serve(certificate("localhost", Some(&ours), |_| {}));
    assert_eq!(charge(&base, &ours).await.unwrap(), 404);
    assert!(heard.recv().await.unwrap().contains(SECRET), "the right one hears all");

    let theirs = authority();
    let expired: fn(&mut CertificateParams) = |params| params.not_after = date_time_ymd(2021, 1, 1);
    let not_yet: fn(&mut CertificateParams) = |params| params.not_before = date_time_ymd(2999, 1, 1);
    let wrong = [
        ("expired", certificate("localhost", Some(&ours), expired)),
        ("not valid yet", certificate("localhost", Some(&ours), not_yet)),
        ("of another host", certificate("api.portone.example", Some(&ours), |_| {})),
        ("of itself", certificate("localhost", None, |_| {})),
        ("of an unknown authority", certificate("localhost", Some(&theirs), |_| {})),
    ];
    for (what, config) in wrong {
        let (base, mut heard) = serve(config);
        let refusal = charge(&base, &ours).await.unwrap_err();
        assert!(refusal.is_connect(), "{what}: {refusal:?}");
        assert_eq!(heard.recv().await.unwrap(), "", "{what}");
    }
}

#[tokio::test]
async fn nothing_was_sent_to_a_server_that_nobody_vouches_for() {
    super::super::install_tls();
    let (base, mut heard) = serve(certificate("localhost", None, |_| {}));
    let gateway = client(base);
    let answer = gateway.send(&attempt(&gateway, "billing-key-canary", 1)).await;
    assert!(matches!(&answer, Answer::NotSent { why } if !why.contains(SECRET)), "{answer:?}");
    assert_eq!(heard.recv().await.unwrap(), "");
}
