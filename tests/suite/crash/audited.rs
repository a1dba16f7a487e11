//! The judge judged: a database and a ledger that were tampered with do not pass.

use super::audit::{Canceled, Moment};
use super::ground::{Ground, template};
use crate::support::postgres::PrivateServer;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

/// What somebody did to the books, and what the auditor has to say about it.
const TAMPERED: [(&str, &str); 11] = [
    ("UPDATE subscriptions SET current_period_end = current_period_end + interval '1 day'", "the period of s1 ends"),
    ("UPDATE renewals SET period_not_moved = true", "the period of s1 ends"),
    ("UPDATE renewals SET amount = 54000", "is paid with 54000 by our books, and with 55000 by the ledger"),
    ("ALTER TABLE renewals DISABLE TRIGGER ALL; UPDATE renewals SET state = 'failed'", "its renewal of s1 is failed"),
    ("ALTER TABLE renewals DISABLE TRIGGER ALL; UPDATE renewals SET state = 'due'", "s1 is still due"),
    ("UPDATE renewals SET payment_id = 'another'", "took money, and no renewal knows it"),
    ("UPDATE renewals SET decline_count = 1", "s1 counts 1 declines"),
    ("UPDATE events SET kind = 'renewal.review'", "s1 is paid, and a person was called to look at it"),
    ("DELETE FROM events", "s1 is paid, and that was told 0 times"),
    ("ALTER TABLE payments DISABLE TRIGGER ALL; DELETE FROM payments", "it is not among the payments"),
    (
        "INSERT INTO payments SELECT 'made up', id, 'PAID', 1, 0, 'KRW', NULL, NULL, NULL, NULL, NULL, true, now() FROM renewals",
        "payment made up is in our books, and not in the ledger",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_auditor_sees_what_was_tampered_with() {
    let server = PrivateServer::start().await;
    let template = template(&server).await;
    let mut ground = Ground::open(&server, &template, Duration::ZERO).await;
    ground.subscribe(&[""]).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    ground.audit(Moment::AtTheEnd).await;

    let honest = ground.auditor.database_url.clone();
    let name = honest.split('?').next().and_then(|address| address.rsplit('/').next()).expect("a database's name");
    for (tampering, said) in TAMPERED {
        ground.auditor.database_url = server.database("tampered", name).await;
        ground.execute(tampering.to_owned()).await;
        sees(&ground, &[], said).await;
    }
    ground.auditor.database_url = honest;

    let canceled = Canceled { subscription_id: "s1".to_owned(), attempts: Vec::new() };
    sees(&ground, std::slice::from_ref(&canceled), "attempt 1 of s1 was claimed after its cancellation").await;
    sees(&ground, &[canceled], "s1 was charged after its cancellation").await;

    let ledger = std::fs::read_to_string(&ground.auditor.ledger).expect("the ledger");
    let mut file = OpenOptions::new().append(true).open(&ground.auditor.ledger).expect("the ledger");
    file.write_all(ledger.as_bytes()).expect("a second charge");
    sees(&ground, &[], "took money 2 times").await;
    sees(&ground, &[], "was charged 2 times").await;
}

async fn sees(ground: &Ground, canceled: &[Canceled], expected: &str) {
    let wrong = ground.auditor.wrong(canceled, Moment::AtTheEnd).await;
    assert!(wrong.iter().any(|line| line.contains(expected)), "{expected}: not seen, only {wrong:?}");
}
