//! Spans, as a collector receives them from the real program, and what the program does without a good one.

use super::{NOW, Stage};

/// One subscriber, and this address of a collector.
fn stage(collector: &str) -> Stage {
    let mut stage = Stage::with(&[("1", "billing-key-canary")]);
    stage.place.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    stage
}

/// One binary is built with spans and one without; who set a collector for the wrong one is told, and is charged for all
/// the same.
#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_spans_says_so_and_goes_on() {
    let said = stage("http://127.0.0.1:9").place.at(NOW, &["run"]).ok();
    assert!(said.err.contains("log.otlp_endpoint") && said.err.contains("cargo build --features otlp"), "{}", said.err);
}

/// The variable is the platform's, and may be meant for programs that speak another protocol.
#[test]
fn an_address_that_cannot_be_used_is_told_without_its_password_and_costs_no_renewal() {
    for address in ["collector:4317", "http://u:hunter2@collector:4318", "https://collector/?key=hunter2"] {
        let stage = stage(address);
        let said = stage.place.at(NOW, &["run"]).ok();
        assert!(said.err.contains("no spans are sent: expected a"), "{}", said.err);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
        assert_eq!(stage.simulator.charged().len(), 1);
        let shown = stage.place.at(NOW, &["doctor"]);
        assert!(!shown.out.contains("hunter2") && !shown.err.contains("hunter2"), "{shown:#?}");
    }
}

#[cfg(feature = "otlp")]
mod sent {
    use super::super::lines;
    use super::*;
    use crate::http::served::{On, Stage as Served};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    /// What `src/telemetry/otlp.rs` promises.
    const FLUSHED_WITHIN: Duration = Duration::from_secs(2);

    /// Takes spans on a loopback port, until it is dropped.
    struct Collector {
        address: SocketAddr,
        heard: Arc<Mutex<Vec<u8>>>,
        over: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    }

    impl Collector {
        fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (heard, over) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<AtomicBool>::default());
            let (into, until) = (Arc::clone(&heard), Arc::clone(&over));
            let thread = std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if until.load(Ordering::SeqCst) {
                        return;
                    }
                    let request = take(stream);
                    into.lock().unwrap().extend(request);
                }
            });
            Self { address, heard, over, thread: Some(thread) }
        }

        fn url(&self) -> String {
            format!("http://{}", self.address)
        }

        /// Whether these bytes arrived. Texts and ids are in protobuf as they are.
        fn heard(&self, bytes: &[u8]) -> bool {
            self.heard.lock().unwrap().windows(bytes.len()).any(|window| window == bytes)
        }
    }

    impl Drop for Collector {
        fn drop(&mut self) {
            self.over.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }

    /// The first line and the body of one request, which is answered.
    fn take(stream: TcpStream) -> Vec<u8> {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some((_, value)) = line.to_lowercase().split_once("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        reader.into_inner().write_all(answer).unwrap();
        [first.into_bytes(), body].concat()
    }

    #[test]
    fn a_run_and_its_steps_reach_the_collector_under_the_logs_ids() {
        let collector = Collector::start();
        let stage = stage(&collector.url());
        stage.run(&[]);
        let ids = stage.place.texts(
            "SELECT (SELECT id FROM runs) UNION ALL SELECT id FROM renewals UNION ALL SELECT payment_id FROM renewals",
        );
        for id in &ids {
            assert!(collector.heard(id.as_bytes()), "{id}: {:?}", ids);
        }
        for word in ["POST /v1/traces ", "run.id", "attempt.id", "sub_1", "renewd"] {
            assert!(collector.heard(word.as_bytes()), "{word}");
        }
        for name in ["run", "claim", "attempt", "charge", "look_up", "settle"] {
            // A span's name, field 5: the tag, the length, the text.
            let field = [&[0x2a, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
            assert!(collector.heard(&field), "{name}");
        }
        for secret in ["canary", "simulator-secret"] {
            assert!(!collector.heard(secret.as_bytes()), "{secret}");
        }
    }

    #[test]
    fn what_a_request_causes_is_in_its_trace() {
        const TRACE: [u8; 16] = *b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c";
        const PARENT: [u8; 8] = *b"\xb7\xad\x6b\x71\x69\x20\x33\x31";
        let collector = Collector::start();
        let mut stage = Served::on(On::Sqlite, &[]);
        stage.place.import(&lines(&[("1", "billing-key-1")]));
        stage.place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
        stage.without_runs_of_its_own();
        let token = stage.token("haneul", "operator");
        let served = stage.serve().up();
        let start = served.request(reqwest::Method::POST, "/api/v1/runs").bearer_auth(token).body("{}");
        let start = start.header("content-type", "application/json").header("idempotency-key", "once");
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let answer = served.send(start.header("traceparent", header));
        assert!(answer.status.is_success(), "{}", answer.text);
        super::super::running::wait_until("the run's end", || served.said().contains("renewal.paid"));
        served.stop();
        assert!(collector.heard(&TRACE) && collector.heard(&PARENT));
    }

    /// The system takes the connection, and nobody ever answers.
    #[test]
    fn a_collector_that_hangs_delays_the_end_by_its_bound_and_no_more() {
        let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stage = stage(&format!("http://{}", hanging.local_addr().unwrap()));
        let timed = |stage: &Stage, clock: &str| {
            let started = Instant::now();
            stage.place.at(clock, &["run"]).ok();
            started.elapsed()
        };
        let hung = timed(&stage, NOW);
        assert!(hung >= FLUSHED_WITHIN, "it was not asked: {hung:?}");
        // An exporter's own time-out is 10 s, and a batch is tried more than once.
        assert!(hung < FLUSHED_WITHIN + Duration::from_secs(8), "{hung:?}");
        assert_eq!(stage.place.count("renewals WHERE state = 'paid'"), 1);
    }

    #[test]
    fn a_collector_that_is_away_is_told_once_and_costs_nothing() {
        let said = stage("http://127.0.0.1:9").place.at(NOW, &["run"]).ok();
        assert_eq!(said.err.matches("takes no spans").count(), 1, "{}", said.err);
    }
}
