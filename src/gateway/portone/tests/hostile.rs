//! Servers that mean harm: each case is a raw TCP server, so that it can break every rule of HTTP.

use super::{PAYMENT_ID, SECRET, attempt, client, settings};
use crate::clock::SettableClock;
use crate::domain::ids::PaymentId;
use crate::domain::payment::LookUp;
use crate::gateway::portone::PortOne;
use crate::gateway::{Answer, Gateway};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

/// A server that reads a request's head, does `then` with the connection, and closes it. What it read comes out of
/// the receiver, one text for each connection.
fn serve(then: impl Fn(&mut TcpStream) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (told, heard) = channel(16);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let text = read_request(&mut stream);
            if told.blocking_send(text).is_err() {
                return;
            }
            then(&mut stream);
        }
    });
    (base, heard)
}

/// Head and body, as far as they come.
fn read_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 4096];
    while let Ok(read) = stream.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { if read == 0 { break } else { continue } };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if read == 0 || body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn answer_of(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[expect(clippy::disallowed_methods, reason = "a server's own thread, not the runtime's")]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

async fn charge(gateway: &PortOne) -> Answer {
    gateway.send(&attempt(gateway, "billing-key-canary", 1)).await
}

fn hasty(base: String) -> PortOne {
    let mut settings = settings(base);
    settings.connect_timeout = Duration::from_millis(200);
    settings.first_byte_timeout = Duration::from_millis(300);
    settings.call_timeout = Duration::from_millis(900);
    PortOne::new(settings, Arc::new(SettableClock::at(super::noon()))).unwrap()
}

fn assert_unclear(answer: &Answer) {
    let Answer::Unclear { why } = answer else { panic!("{answer:?}") };
    for canary in [SECRET, "billing-key-canary", "storeId", "127.0.0.1"] {
        assert!(!why.contains(canary), "{why}");
    }
}

#[tokio::test]
async fn a_connection_that_was_never_made_sent_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = charge(&client(format!("http://{free}"))).await;
    assert!(matches!(&refused, Answer::NotSent { why } if !why.contains(SECRET)), "{refused:?}");
    // A name that does not exist, and a server that does not speak TLS.
    let nowhere = charge(&client("https://portone.invalid".to_owned())).await;
    assert!(matches!(nowhere, Answer::NotSent { .. }), "{nowhere:?}");
    let (base, mut heard) = serve(|stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")));
    let plain = charge(&client(base.replace("http:", "https:"))).await;
    assert!(matches!(plain, Answer::NotSent { .. }), "{plain:?}");
    assert!(!heard.recv().await.unwrap().contains(SECRET));
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_unclear_and_not_repeated() {
    let breaks: [fn(&mut TcpStream); 5] = [
        |_| {},
        |stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")),
        |stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"payment\":{}")),
        |stream| drop(stream.write_all(b"not HTTP at all\r\n\r\n")),
        |stream| drop(stream.shutdown(Shutdown::Read)),
    ];
    for (number, then) in breaks.into_iter().enumerate() {
        let (base, mut heard) = serve(then);
        assert_unclear(&charge(&client(base)).await);
        assert!(heard.recv().await.unwrap().contains("billing-key-canary"));
        assert!(tokio::time::timeout(Duration::from_millis(200), heard.recv()).await.is_err(), "sent twice: {number}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_is_not_repeated_either() {
    let (base, mut heard) = serve(|stream| {
        let answer = answer_of("{\"type\":\"x\"}");
        drop(stream.write_all(answer.as_bytes()));
        // The second request on this connection is read, and never answered.
        let _ = read_request(stream);
    });
    let gateway = client(base);
    assert_unclear(&charge(&gateway).await);
    assert_unclear(&charge(&gateway).await);
    assert!(heard.try_recv().is_ok());
    assert!(heard.try_recv().is_err(), "a connection of its own would be a repeat");
}

#[tokio::test]
async fn every_wait_has_an_end() {
    let slow: [fn(&mut TcpStream); 3] = [
        |_| pause(60_000),
        |stream| {
            for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat_n(&b'y', 1_200)) {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                pause(50);
            }
        },
        |stream| {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"));
            while stream.write_all(b" ").is_ok() {
                pause(50);
            }
        },
    ];
    for then in slow {
        let (base, _heard) = serve(then);
        let clock = crate::clock::SystemClock;
        let started = crate::clock::Clock::uptime(&clock);
        assert_unclear(&charge(&hasty(base)).await);
        let took = crate::clock::Clock::uptime(&clock).saturating_sub(started);
        assert!(took < Duration::from_secs(20), "each of these servers goes on for a minute: {took:?}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let (base, _heard) = serve(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"));
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let Answer::Unclear { why } = charge(&client(base)).await else { panic!("accepted") };
    assert_eq!(why, "an answer of more than 1048576 bytes");
}

#[tokio::test]
async fn compressed_bodies_are_not_unpacked() {
    let (base, mut heard) = serve(|stream| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00";
        drop(stream.write_all(head));
    });
    assert_unclear(&charge(&client(base)).await);
    assert!(!heard.recv().await.unwrap().to_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn a_redirect_carries_the_secret_nowhere() {
    let (elsewhere, mut thief) = serve(|_| {});
    for status in [301, 302, 307, 308] {
        let location = elsewhere.clone();
        let (base, _heard) = serve(move |stream| {
            let head = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}/x\r\ncontent-length: 0\r\n\r\n");
            drop(stream.write_all(head.as_bytes()));
        });
        let gateway = client(base);
        assert_unclear(&charge(&gateway).await);
        assert!(matches!(gateway.payment(&PaymentId::from(PAYMENT_ID)).await, LookUp::Failed(_)));
    }
    assert!(thief.try_recv().is_err(), "the redirect was followed");
}

#[tokio::test]
async fn another_payments_answer_is_not_believed() {
    let body = r#"{"id":"rnother","status":"PAID","amount":{"total":9900},"currency":"KRW"}"#;
    let (base, _heard) = serve(move |stream| drop(stream.write_all(answer_of(body).as_bytes())));
    assert!(matches!(client(base).payment(&PaymentId::from(PAYMENT_ID)).await, LookUp::Failed(_)));
}

/// The environment cannot be set in a test that shares its process: the test runs itself again, with a proxy set.
#[test]
fn proxies_of_the_environment_are_ignored() {
    const CHILD: &str = "gateway::portone::tests::hostile::child_of_proxies_of_the_environment";
    let (proxy, mut heard) = serve(|stream| drop(stream.write_all(answer_of("{\"payment\":{}}").as_bytes())));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, &proxy);
    }
    let output =
        child.env_remove("NO_PROXY").env_remove("no_proxy").args([CHILD, "--exact", "--ignored"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(heard.try_recv().is_err(), "the proxy was asked");
}

#[tokio::test]
#[ignore = "run by proxies_of_the_environment_are_ignored"]
async fn child_of_proxies_of_the_environment() {
    let (base, mut heard) = serve(|stream| drop(stream.write_all(answer_of("{}").as_bytes())));
    assert_unclear(&charge(&client(base)).await);
    assert!(heard.recv().await.unwrap().starts_with("POST /payments/"));
    let outside = charge(&client("https://portone.invalid".to_owned())).await;
    assert!(matches!(outside, Answer::NotSent { .. }), "{outside:?}");
}
