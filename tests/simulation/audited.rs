//! The auditor audited: books that were tampered with, one promise at a time, do not pass. No engine and no world.

use super::auditor::{Auditor, Violation};
use super::facts::{Charge, Decline, Facts, Payer, Payment, Renewal, Subscription, Told, Truth, Unplaced};
use super::time::{DAY, HOUR};

const AMOUNT: i64 = 9_900;
/// When the first period of each subscription ended: midnight in Seoul.
const FIRST_END: i64 = 20_000 * DAY + 15 * HOUR;
const NOW: i64 = FIRST_END + 20 * DAY;

/// All that an auditor looks at.
struct Books {
    facts: Facts,
    truth: Truth,
    auditor: Auditor,
}

impl Books {
    /// One subscription that paid, another one whose only renewal was declined and given up.
    fn honest() -> Self {
        let end = FIRST_END + 30 * DAY;
        let facts = Facts {
            renewals: vec![renewal("paid", "paid"), Renewal { decline_count: 1, ..renewal("broke", "failed") }],
            subscriptions: vec![subscription("paid", end), subscription("broke", FIRST_END)],
            payments: vec![payment("paid")],
            unplaced: Vec::new(),
            declines: vec![told("broke", "attempt")],
        };
        let declines = vec![Decline { purpose: Some(("broke".to_owned(), FIRST_END)) }];
        let truth = Truth { charges: vec![charge("paid")], declines, ..Truth::default() };
        let auditor = Auditor {
            first_ends: ["paid", "broke"].map(|id| (id.to_owned(), FIRST_END)).into(),
            prices: [AMOUNT].into(),
            refunds: true,
            exact: true,
            ..Auditor::default()
        };
        Self { facts, truth, auditor }
    }

    fn paid(&mut self) -> &mut Renewal {
        &mut self.facts.renewals[0]
    }

    fn broke(&mut self) -> &mut Renewal {
        &mut self.facts.renewals[1]
    }

    fn look(&mut self) -> Vec<Violation> {
        self.auditor.look(&self.facts, &self.truth, NOW, None)
    }

    fn look_at_the_end(&mut self) -> Vec<Violation> {
        self.auditor.look_at_the_end(&self.facts, &self.truth, NOW)
    }
}

fn renewal(subscription: &str, state: &str) -> Renewal {
    Renewal {
        id: format!("renewal-{subscription}"),
        subscription_id: subscription.to_owned(),
        period_start: FIRST_END,
        period_end: Some(FIRST_END + 30 * DAY),
        amount: Some(AMOUNT),
        state: state.to_owned(),
        payment_id: format!("payment-{subscription}"),
        attempt_count: 1,
        decline_count: 0,
        next_attempt_at: None,
        accepted_by_hand: false,
    }
}

fn subscription(id: &str, current_period_end: i64) -> Subscription {
    Subscription { id: id.to_owned(), current_period_end, cancel_at_period_end: false, status: "active".to_owned() }
}

fn payment(subscription: &str) -> Payment {
    Payment { payment_id: format!("payment-{subscription}"), amount: Some(AMOUNT), verified: true }
}

fn charge(subscription: &str) -> Charge {
    Charge {
        payment_id: format!("payment-{subscription}"),
        amount: AMOUNT,
        at: FIRST_END,
        purpose: Some((subscription.to_owned(), FIRST_END)),
        payer: Payer::Customer(subscription.to_owned()),
    }
}

fn told(subscription: &str, attempt: &str) -> Told {
    Told {
        renewal_id: format!("renewal-{subscription}"),
        attempt_id: attempt.to_owned(),
        at: FIRST_END + HOUR,
        pg_code: Some("51".to_owned()),
    }
}

type Tampering = fn(&mut Books);

/// What is wrong at any moment.
const SEEN_AT_ONCE: [(&str, &str, Tampering); 25] = [
    ("at most once", "the same payment id took money twice", |books| books.truth.charges.push(charge("paid"))),
    ("at most once", "two payment ids did for one period", |books| {
        books.truth.charges.push(Charge { payment_id: "another".to_owned(), ..charge("paid") });
    }),
    ("no phantom", "paid, and the ledger is empty", |books| books.truth.charges.clear()),
    ("no phantom", "paid, and no payment is recorded", |books| books.facts.payments.clear()),
    ("no phantom", "paid by a payment that nobody verified", |books| books.facts.payments[0].verified = false),
    ("no phantom", "paid by a charge of another sum", |books| books.truth.charges[0].amount = 1),
    ("no phantom", "paid by a charge for another period", |books| {
        books.truth.charges[0].purpose = Some(("paid".to_owned(), FIRST_END + DAY));
    }),
    ("no phantom", "paid by a stranger", |books| {
        books.truth.charges[0] = Charge { purpose: None, payer: Payer::Stranger, ..charge("paid") };
    }),
    ("conservation", "a payment that nobody made", |books| books.facts.payments.push(payment("made-up"))),
    ("conservation", "a payment of another sum", |books| books.facts.payments[0].amount = Some(AMOUNT - 1)),
    ("conservation", "a payment that counts twice", |books| books.facts.payments.push(payment("paid"))),
    ("right money", "a price that was never asked", |books| books.broke().amount = Some(AMOUNT + 1)),
    ("right money", "another sum than was planned", |books| {
        books.truth.charges.push(Charge { amount: AMOUNT + 1, ..charge("broke") });
    }),
    ("right money", "somebody else's card", |books| {
        books.truth.charges[0].payer = Payer::Customer("broke".to_owned());
    }),
    ("right money", "a charge for nobody knows what", |books| books.truth.charges[0].purpose = None),
    ("nothing early", "a charge two days before the period", |books| {
        books.truth.charges[0].at = FIRST_END - DAY - 1;
    }),
    ("nothing lost", "a subscription that is gone", |books| drop(books.facts.subscriptions.pop())),
    ("access follows money", "a period that nobody paid for", |books| {
        books.facts.subscriptions[1].current_period_end += 30 * DAY;
    }),
    ("access follows money", "a period longer than what was paid for", |books| {
        books.facts.subscriptions[0].current_period_end += DAY;
    }),
    ("access follows money", "a payment that bought nothing", |books| {
        books.facts.subscriptions[0].current_period_end = FIRST_END;
    }),
    ("no invented decline", "a decline too many is counted", |books| books.broke().decline_count = 2),
    ("no invented decline", "a decline too many is told", |books| {
        books.facts.declines.push(told("broke", "another attempt"));
    }),
    ("no invented decline", "a key is said to be gone, and is not", |books| {
        books.facts.declines.push(Told { pg_code: None, ..told("paid", "attempt of the other") });
    }),
    ("one notice", "one decline is told twice", |books| books.facts.declines.push(told("broke", "attempt"))),
    ("no false notice", "a decline is told after the money was taken", |books| {
        books.truth.charges.push(charge("broke"));
    }),
];

/// What is wrong once all had its time.
const SEEN_AT_THE_END: [(&str, &str, Tampering); 12] = [
    ("everything recorded", "a charge that is not among the payments", |books| {
        books.truth.charges.push(charge("broke"));
        books.broke().state = "review".to_owned();
    }),
    ("everything recorded", "a charge whose renewal says that nobody paid", |books| {
        books.truth.charges.push(charge("broke"));
        books.facts.payments.push(payment("broke"));
    }),
    ("conservation", "a recorded payment of another sum", |books| {
        books.facts.payments[0] = Payment { amount: Some(1), verified: false, ..payment("paid") };
    }),
    ("conservation", "what was given back still buys a period", |books| {
        books.truth.given_back.push(("payment-paid".to_owned(), AMOUNT));
    }),
    ("conservation", "more was given back than was taken", |books| {
        books.paid().state = "refunded".to_owned();
        books.truth.given_back = vec![("payment-paid".to_owned(), AMOUNT), ("payment-paid".to_owned(), 1)];
    }),
    ("nothing after a cancellation", "money that was taken after it stays with us", |books| {
        let facts = books.facts.clone();
        books.auditor.canceled("paid", &facts, FIRST_END - 1);
    }),
    ("nothing stuck", "charging for ever", |books| books.broke().state = "charging".to_owned()),
    ("nothing stuck", "unknown for ever", |books| books.broke().state = "unknown".to_owned()),
    ("nothing stuck", "due, and nobody tried", |books| {
        books.broke().state = "due".to_owned();
        books.broke().next_attempt_at = Some(NOW - 3 * DAY);
    }),
    ("nothing stuck", "due, with no time for the next try", |books| books.broke().state = "due".to_owned()),
    ("nothing lost", "a period that nobody renews", |books| {
        books.facts.renewals.pop();
        books.facts.declines.clear();
        books.auditor.ends.insert("broke".to_owned(), (FIRST_END, FIRST_END - 30 * DAY));
    }),
    ("nothing lost", "the period after the one that was paid", |books| {
        books.facts.renewals[0].period_end = Some(FIRST_END + DAY);
        books.facts.subscriptions[0].current_period_end = FIRST_END + DAY;
        books.auditor.ends.insert("paid".to_owned(), (FIRST_END + DAY, FIRST_END));
    }),
];

fn assert_seen(tampered: &str, promise: &str, found: &[Violation]) {
    assert!(found.iter().any(|violation| violation.promise == promise), "{tampered}: not told, only {found:#?}");
}

#[test]
fn honest_books_pass() {
    assert_eq!(Books::honest().look(), []);
    assert_eq!(Books::honest().look_at_the_end(), []);
}

#[test]
fn what_is_wrong_is_told_at_once() {
    for (promise, tampered, tamper) in SEEN_AT_ONCE {
        let mut books = Books::honest();
        tamper(&mut books);
        assert_seen(tampered, promise, &books.look());
    }
}

#[test]
fn what_stays_wrong_is_told_at_the_end() {
    for (promise, tampered, tamper) in SEEN_AT_THE_END {
        let mut books = Books::honest();
        tamper(&mut books);
        assert_seen(tampered, promise, &books.look_at_the_end());
    }
}

/// Paid late, cancelled, and over before the next period was planned: the end is all that becomes of it.
#[test]
fn a_period_after_the_cancelled_end_needs_nobody_to_renew_it() {
    let ended = |canceled: bool, status: &str| {
        let mut books = Books::honest();
        let broke = books.facts.subscriptions.iter_mut().find(|row| row.id == "broke").unwrap();
        (broke.cancel_at_period_end, broke.status) = (canceled, status.to_owned());
        books.facts.renewals.pop();
        books.facts.declines.clear();
        books.auditor.ends.insert("broke".to_owned(), (FIRST_END, FIRST_END - 30 * DAY));
        books
    };
    let mut lawful = ended(true, "downgraded");
    assert_eq!(lawful.look_at_the_end(), []);
    lawful.facts.subscriptions.iter_mut().for_each(|row| row.cancel_at_period_end = false);
    assert_eq!(lawful.look_at_the_end(), [], "a change of mind after the end begins a new subscription");
    for (canceled, status) in [(true, "active"), (false, "downgraded")] {
        assert_seen(status, "nothing lost", &ended(canceled, status).look_at_the_end());
    }
}

#[test]
fn an_attempt_after_a_cancellation_is_told_and_one_before_it_is_not() {
    let mut books = Books::honest();
    let facts = books.facts.clone();
    books.auditor.canceled("broke", &facts, NOW);
    assert_eq!(books.look(), []);
    books.broke().attempt_count += 1;
    assert_seen("one more attempt", "nothing after a cancellation", &books.look());
    books.auditor.changed_their_mind("broke");
    assert_eq!(books.look(), []);

    let next = Renewal { id: "next".to_owned(), period_start: FIRST_END + DAY, ..renewal("broke", "due") };
    books.facts.renewals = vec![renewal("paid", "paid"), next];
    books.facts.declines.clear();
    books.auditor.canceled("broke", &facts, NOW);
    assert_seen("a renewal of its own", "nothing after a cancellation", &books.look());
}

/// Only who completed their runs can be held to have planned; and what was taken on purpose is no violation.
#[test]
fn what_may_be_is_not_told() {
    let allowed: [(&str, Tampering); 6] = [
        ("money for a cancelled period that somebody accepted", |books| {
            let facts = books.facts.clone();
            books.auditor.canceled("paid", &facts, FIRST_END - 1);
            books.paid().accepted_by_hand = true;
        }),
        ("a stranger's payment that was recorded, and bought nothing", |books| {
            let squat = Charge { amount: 1, purpose: None, payer: Payer::Stranger, ..charge("broke") };
            books.truth.charges.push(squat);
            books.facts.payments.push(Payment { amount: Some(1), verified: false, ..payment("broke") });
            books.broke().state = "review".to_owned();
        }),
        ("a key that is really gone", |books| {
            books.truth.refused_keys.push(Decline { purpose: Some(("broke".to_owned(), FIRST_END)) });
            books.facts.declines.push(Told { pg_code: None, ..told("broke", "another attempt") });
            books.broke().decline_count = 2;
        }),
        ("money that was given back", |books| {
            let facts = books.facts.clone();
            books.auditor.canceled("paid", &facts, FIRST_END - 1);
            books.truth.given_back.push(("payment-paid".to_owned(), AMOUNT));
            books.paid().state = "refunded".to_owned();
            books.facts.subscriptions[0].current_period_end = FIRST_END;
        }),
        ("money under an id that was given up", |books| books.paid().payment_id = "the next one".to_owned()),
        ("a charge that is not recorded yet", |books| {
            books.truth.charges.push(Charge { at: FIRST_END + 2 * HOUR, ..charge("broke") });
        }),
    ];
    for (what, tamper) in allowed {
        let mut books = Books::honest();
        tamper(&mut books);
        assert_eq!(books.look(), [], "{what}");
    }
}

#[test]
fn money_that_waits_behind_a_review_must_be_kept_and_shown() {
    let tamper = |period_start, state: &str, unplaced: &[Unplaced]| {
        let mut books = Books::honest();
        let next = FIRST_END + 30 * DAY;
        let purpose = Some(("broke".to_owned(), next));
        books.truth.charges.push(Charge { payment_id: "next".to_owned(), at: next, purpose, ..charge("broke") });
        books.facts.renewals[1] = Renewal { period_start, decline_count: 1, ..renewal("broke", state) };
        books.facts.unplaced = unplaced.to_vec();
        let found = books.look_at_the_end();
        found.into_iter().any(|violation| violation.promise == "everything recorded")
    };
    let seen = |amount| [Unplaced { payment_id: "next".to_owned(), amount: Some(amount) }];
    assert!(!tamper(FIRST_END, "review", &seen(AMOUNT)), "a person places it with the period before it");
    assert!(tamper(FIRST_END, "failed", &seen(AMOUNT)), "nothing is before a person");
    assert!(tamper(FIRST_END + 60 * DAY, "review", &seen(AMOUNT)), "a later period holds up nothing");
    assert!(tamper(FIRST_END, "review", &seen(1)), "another sum was kept");
    assert!(tamper(FIRST_END, "review", &[]), "nobody was told");
}

/// An auditor that asked the engine would repeat its errors.
#[test]
fn the_auditor_knows_nothing_of_the_engine() {
    for text in [include_str!("auditor.rs"), include_str!("facts.rs")] {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert_eq!(
            code.filter(|line| line.contains("renewd") || line.contains("crate::")).collect::<Vec<_>>(),
            [""; 0]
        );
    }
}
