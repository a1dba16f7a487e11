//! A migrated store with a clock that the test sets, and the few rows that a check needs.

use super::condition;
use crate::support::postgres::Template;
use crate::support::sqlite::SqliteFile;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use renewd::chance::{Chance, Seeded};
use renewd::clock::{Clock, SettableClock};
use renewd::domain::charge::{Attempt, BillingKey, ClaimedRenewal, CustomData, FrozenRequest};
use renewd::domain::claim::{ClaimDecision, ClaimFacts, past_declines};
use renewd::domain::date::{TimeWindow, Zone};
use renewd::domain::decline::DeclineTables;
use renewd::domain::due::PlannedRenewal;
use renewd::domain::dunning::DunningPolicy;
use renewd::domain::event::{EventKind, NewEvent};
use renewd::domain::ids::{AttemptId, EventId, PaymentId, RenewalId, RunId, SubscriptionId};
use renewd::domain::money::{Currency, Money};
use renewd::domain::payment::{ChannelType, Failure, LookUp, Payment, PaymentStatus};
use renewd::domain::payment_id::PaymentIdKey;
use renewd::domain::policy::Policy;
use renewd::domain::renewal::State;
use renewd::domain::settle::{self, Learned, Settling};
use renewd::domain::settlement::Settlement;
use renewd::domain::verdict;
use renewd::store::memory::{Guard, MemoryStore};
use renewd::store::sql::{self, Database, SqlStore};
use renewd::store::{
    BillingKeyRow, ClaimDecider, ClaimRequest, Claimed, ClosedRun, CustomerRow, ImportBatch, NewRun, PlanRow, Store,
    SubscriptionRow, postgres, sqlite,
};
use secrecy::SecretString;
use sqlx::AssertSqlSafe;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub const LEASE: Duration = Duration::from_secs(600);
const POOL_MAX: u32 = 12;

/// Thousands of codes: read once.
static TABLES: LazyLock<Arc<DeclineTables>> = LazyLock::new(|| Arc::new(DeclineTables::built_in().unwrap()));

static MIGRATED: Template = Template::named("stores");

pub struct Ground {
    pub store: Arc<dyn Store>,
    pub tables: Tables,
    pub clock: SettableClock,
    pub chance: Seeded,
    _file: Option<SqliteFile>,
}

/// Where the rows are.
pub enum Tables {
    Sql { store: SqlStore, url: String },
    Memory(MemoryStore),
}

impl Deref for Ground {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

pub fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Ten in the morning of 30 January in Seoul.
pub fn now() -> DateTime<Utc> {
    utc("2026-01-30T01:00:00Z")
}

pub fn period_end() -> DateTime<Utc> {
    utc("2026-01-30T15:00:00Z")
}

pub fn next_period_end() -> DateTime<Utc> {
    utc("2026-02-27T15:00:00Z")
}

impl Ground {
    pub async fn postgres(name: &str) -> Self {
        let clock = SettableClock::at(now());
        let fill = async |url: String| {
            let store = open_postgres(&url, &SettableClock::at(now())).await;
            store.migrate(None).await.unwrap();
            close(&store).await;
        };
        let url = MIGRATED.database(name, fill).await;
        let store = open_postgres(&url, &clock).await;
        Self::on_sql(store, url, clock, None)
    }

    pub async fn sqlite() -> Self {
        let clock = SettableClock::at(now());
        let file = SqliteFile::new();
        let store = sqlite::connect(&file.url(), Arc::new(clock.clone())).await.unwrap();
        store.migrate(None).await.unwrap();
        Self::on_sql(store, file.url(), clock, Some(file))
    }

    fn on_sql(store: SqlStore, url: String, clock: SettableClock, _file: Option<SqliteFile>) -> Self {
        let tables = Tables::Sql { store: store.clone(), url };
        Self { store: Arc::new(store), tables, clock, chance: Seeded::new(1), _file }
    }

    pub async fn memory() -> Self {
        Self::memory_without([]).await
    }

    pub async fn memory_without(guards: impl IntoIterator<Item = Guard>) -> Self {
        let clock = SettableClock::at(now());
        let store = MemoryStore::new(Arc::new(clock.clone())).without(guards);
        store.migrate(None).await.unwrap();
        let tables = Tables::Memory(store.clone());
        Self { store: Arc::new(store), tables, clock, chance: Seeded::new(1), _file: None }
    }

    /// For checks of the store in memory itself.
    pub fn in_memory(&self) -> &MemoryStore {
        match &self.tables {
            Tables::Memory(store) => store,
            Tables::Sql { .. } => panic!("this is a database"),
        }
    }

    /// For checks of SQL itself.
    pub fn sql_store(&self) -> &SqlStore {
        match &self.tables {
            Tables::Sql { store, .. } => store,
            Tables::Memory(_) => panic!("there is no SQL in memory"),
        }
    }

    pub fn database(&self) -> &Database {
        self.sql_store().database()
    }

    pub fn is_on_postgres(&self) -> bool {
        matches!(&self.tables, Tables::Sql { store, .. } if matches!(store.database(), Database::Postgres(_)))
    }

    pub fn url(&self) -> &str {
        match &self.tables {
            Tables::Sql { url, .. } => url,
            Tables::Memory(_) => panic!("memory has no address"),
        }
    }

    /// Another process on the same tables.
    pub async fn neighbour(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        match &self.tables {
            Tables::Sql { url, .. } => {
                Arc::new(sql::connect(&SecretString::from(url.clone()), 8, clock).await.unwrap())
            }
            Tables::Memory(store) => Arc::new(store.neighbour(clock)),
        }
    }

    pub fn pass(&self, time: TimeDelta) {
        self.clock.set(self.clock.now() + time);
    }

    /// Runs SQL on a connection of its own kind.
    pub async fn sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self.database() {
            Database::Postgres(pools) => sql.execute(&pools.main).await.map(|_| ()),
            Database::Sqlite(pools) => sql.execute(&pools.writer).await.map(|_| ()),
        }
    }

    /// One value, as text.
    pub async fn text(&self, expression: &str) -> Option<String> {
        let sql = AssertSqlSafe(format!("SELECT CAST(({expression}) AS text)"));
        match self.database() {
            Database::Postgres(pools) => sqlx::query_scalar(sql).fetch_one(&pools.main).await.unwrap(),
            Database::Sqlite(pools) => sqlx::query_scalar(sql).fetch_one(&pools.writer).await.unwrap(),
        }
    }

    /// How many rows of `table` there are where `condition` holds.
    pub async fn count(&self, table: &str, condition: &str) -> i64 {
        match &self.tables {
            Tables::Sql { .. } => {
                self.text(&format!("SELECT count(*) FROM {table} WHERE {condition}")).await.unwrap().parse().unwrap()
            }
            Tables::Memory(store) => {
                let holds = |row: &serde_json::Value| condition::holds(condition, row);
                i64::try_from(store.rows(table).iter().filter(|row| holds(row)).count()).unwrap()
            }
        }
    }

    pub async fn state(&self, subscription: &str) -> String {
        self.timeline(subscription).await.unwrap().unwrap().renewals[0].state.clone()
    }

    /// Subscriptions of one customer each, that end tonight.
    pub async fn subscribe(&self, ids: &[&str]) {
        self.import(batch(ids)).await.unwrap();
    }

    /// Their renewals, due now.
    pub async fn plan(&self, ids: &[&str]) -> Vec<RenewalId> {
        let page: Vec<PlannedRenewal> = ids.iter().map(|id| self.planned(id)).collect();
        self.record_plan(self.run_id(), &page).await.unwrap()
    }

    pub async fn subscribed_and_planned(&self, ids: &[&str]) -> Vec<RenewalId> {
        self.subscribe(ids).await;
        self.plan(ids).await
    }

    pub fn planned(&self, id: &str) -> PlannedRenewal {
        PlannedRenewal {
            id: RenewalId(self.chance.id(now())),
            subscription_id: id.into(),
            customer_id: format!("user_{id}").as_str().into(),
            plan_id: "pro".into(),
            business_date: now().date_naive(),
            period_start: period_end(),
            period_end: Some(next_period_end()),
            amount: Some(55_000),
            currency: Some("KRW".to_owned()),
            order_name: "Pro".to_owned(),
            payment_id: payment_id(id),
            state: State::Due,
            next_attempt_at: Some(now()),
            waits_for_key: false,
            access_until: period_end() + TimeDelta::days(7),
            review_reason: None,
            events: Vec::new(),
        }
    }

    pub fn run_id(&self) -> RunId {
        RunId(self.chance.id(now()))
    }

    pub async fn opened_run(&self, business_date: NaiveDate) -> RunId {
        let run = NewRun {
            id: self.run_id(),
            trigger: "test".to_owned(),
            business_date,
            zone: "Asia/Seoul".to_owned(),
            actor: "test".to_owned(),
            started_at: now(),
        };
        self.open_run(&run).await.unwrap();
        run.id
    }

    pub fn request(&self, rows_max: u32) -> ClaimRequest {
        ClaimRequest { run_id: self.run_id(), rows_max, lease: LEASE, after: None, only: None }
    }

    pub async fn claim_all(&self) -> Claimed {
        self.claim(&self.request(100), charge_everything(self.run_id())).await.unwrap()
    }

    /// The only attempt of a claim.
    pub async fn claim_one(&self) -> Attempt {
        let claimed = self.claim_all().await;
        assert_eq!(claimed.attempts.len(), 1, "{claimed:?}");
        claimed.attempts[0].get().clone()
    }

    pub fn event(&self, kind: EventKind, subscription: &str, renewal: RenewalId) -> NewEvent {
        let subject: (&SubscriptionId, RenewalId, Option<AttemptId>) = (&subscription.into(), renewal, None);
        NewEvent::of_renewal(EventId(self.chance.id(now())), kind, subject, serde_json::json!({"n": 1}), now())
    }

    /// What the domain makes of a look-up, as the engine would settle it.
    pub fn learned(&self, attempt: &Attempt, found: &LookUp) -> Settlement {
        self.learned_by(&policy(), attempt, found)
    }

    fn learned_by(&self, policy: &Policy, attempt: &Attempt, found: &LookUp) -> Settlement {
        let verdict = verdict::judge(attempt, found, policy);
        let at = Settling { policy, now: self.clock.now(), new_id: &|| self.chance.id(now()), canceled: false };
        settle::settle(attempt, State::Charging, &Learned::Verdict(verdict), &at).unwrap()
    }

    pub fn paid(&self, attempt: &Attempt) -> Settlement {
        self.learned(attempt, &LookUp::Found(Box::new(payment(attempt, PaymentStatus::Paid))))
    }

    /// Paid, and given back if the customer cancelled meanwhile.
    pub fn paid_or_given_back(&self, attempt: &Attempt) -> Settlement {
        let policy = Policy { refund_late_cancel: true, ..policy() };
        self.learned_by(&policy, attempt, &LookUp::Found(Box::new(payment(attempt, PaymentStatus::Paid))))
    }

    pub fn declined(&self, attempt: &Attempt) -> Settlement {
        let failure = Failure { pg_code: Some("REJECT_CARD_PAYMENT".to_owned()), ..Failure::default() };
        let failed = Payment { failure, ..payment(attempt, PaymentStatus::Failed) };
        let settlement = self.learned(attempt, &LookUp::Found(Box::new(failed)));
        assert!(settlement.declined && settlement.state == State::Due, "{settlement:?}");
        settlement
    }

    pub fn unknown(&self, attempt: &Attempt) -> Settlement {
        self.learned(attempt, &LookUp::NotFound)
    }
}

async fn open_postgres(url: &str, clock: &SettableClock) -> SqlStore {
    postgres::connect(&SecretString::from(url.to_owned()), POOL_MAX, Arc::new(clock.clone())).await.unwrap()
}

pub async fn close(store: &SqlStore) {
    match store.database() {
        Database::Postgres(pools) => {
            pools.main.close().await;
            pools.settle.close().await;
        }
        Database::Sqlite(pools) => {
            pools.readers.close().await;
            pools.writer.close().await;
        }
    }
}

pub fn payment_id(subscription: &str) -> PaymentId {
    PaymentId(format!("rn-{subscription}"))
}

pub fn batch(ids: &[&str]) -> ImportBatch {
    ImportBatch {
        plans: vec![PlanRow {
            id: "pro".to_owned(),
            name: "Pro".to_owned(),
            amount: 55_000,
            currency: "KRW".to_owned(),
            interval: "P1M".to_owned(),
            tier: "pro".to_owned(),
            fallback_tier: "free".to_owned(),
            order_name: "Pro".to_owned(),
        }],
        customers: ids.iter().map(|id| customer(id)).collect(),
        billing_keys: ids.iter().map(|id| billing_key(id)).collect(),
        subscriptions: ids.iter().map(|id| subscription(id)).collect(),
    }
}

pub fn customer(id: &str) -> CustomerRow {
    CustomerRow { id: format!("user_{id}"), name: Some("김하늘".to_owned()), email: None, phone: None }
}

pub fn billing_key(id: &str) -> BillingKeyRow {
    BillingKeyRow {
        id: format!("bk_{id}"),
        customer_id: format!("user_{id}"),
        billing_key: BillingKey::new(format!("billing-key-{id}")),
        channel_key: Some("channel-1".to_owned()),
        pg_provider: Some("TOSSPAYMENTS".to_owned()),
    }
}

pub fn subscription(id: &str) -> SubscriptionRow {
    SubscriptionRow {
        id: id.to_owned(),
        customer_id: format!("user_{id}"),
        plan_id: "pro".to_owned(),
        next_plan_id: None,
        current_period_start: utc("2025-12-30T15:00:00Z"),
        current_period_end: period_end(),
        anchor_day: 31,
        cancel_at_period_end: false,
    }
}

/// A run that ended, and of which nothing else is to be said.
pub fn closed_run(id: RunId) -> ClosedRun {
    ClosedRun {
        id,
        status: "completed".to_owned(),
        figures: serde_json::json!({}),
        error: None,
        finished_at: now(),
        events: Vec::new(),
        coverage: Vec::new(),
    }
}

/// Charges whatever is claimed: the port's own refusals are what is tested.
pub fn charge_everything(run_id: RunId) -> ClaimDecider {
    let chance = Seeded::new(u64::from(run_id.0.as_fields().2) ^ run_id.0.as_u64_pair().1);
    Arc::new(move |facts| ClaimDecision::Charge(Box::new(attempt(facts, run_id, AttemptId(chance.id(facts.now))))))
}

pub fn attempt(facts: &ClaimFacts, run_id: RunId, id: AttemptId) -> Attempt {
    let number = facts.attempts.iter().map(|past| past.number).max().unwrap_or(0) + 1;
    let declines = past_declines(&facts.attempts);
    let key = facts.keys.iter().find(|key| key.usable).expect("a usable key");
    Attempt {
        id,
        run_id,
        renewal: ClaimedRenewal {
            id: facts.renewal_id,
            subscription_id: facts.subscription_id.clone(),
            customer_id: facts.customer_id.clone(),
            plan_id: facts.plan_id.clone(),
            payment_id: facts.payment_id.clone(),
            series: facts.series,
            amount: Money::new(facts.amount, Currency::parse(&facts.currency).unwrap()).unwrap(),
            period_start: facts.period_start,
            period_end: facts.period_end,
            access_until: facts.access_until,
            first_declined_at: declines.first().map(|decline| decline.at),
            declines,
            known_transactions: Vec::new(),
            customer_keys: facts.keys.iter().map(|key| key.key.clone()).collect(),
            look_ups: 0,
            unknown_since: None,
        },
        number,
        idempotency_key: format!("{}-{number}", facts.payment_id),
        request: FrozenRequest { body: "{\"frozen\":true}".to_owned(), hash: "00".to_owned() },
        billing_key_id: key.id.clone(),
        billing_key: Some(key.key.clone()),
        channel_key: key.channel_key.clone(),
        pg_provider: key.pg_provider.clone(),
        started_at: facts.now,
        maybe_sent: false,
        lease_epoch: facts.lease_epoch + 1,
        lease_until: facts.now + LEASE,
    }
}

/// A payment that matches its attempt in everything.
pub fn payment(attempt: &Attempt, status: PaymentStatus) -> Payment {
    let custom_data = CustomData {
        subscription: attempt.renewal.subscription_id.clone(),
        period_start: attempt.renewal.period_start,
        attempt: attempt.number,
    };
    Payment {
        id: attempt.renewal.payment_id.0.clone(),
        status,
        transaction_id: Some(format!("tx-{}", attempt.idempotency_key)),
        store_id: Some("store-1".to_owned()),
        total: Some(attempt.renewal.amount.minor()),
        cancelled: 0,
        currency: Some("KRW".to_owned()),
        billing_key: attempt.billing_key.clone(),
        custom_data: Some(custom_data.to_text()),
        channel_type: Some(ChannelType::Live),
        channel_key: attempt.channel_key.clone(),
        pg_provider: attempt.pg_provider.clone(),
        pg_tx_id: Some("pg-1".to_owned()),
        requested_at: Some(attempt.started_at),
        paid_at: Some(attempt.started_at),
        failed_at: Some(attempt.started_at),
        failure: Failure::default(),
    }
}

pub fn policy() -> Policy {
    Policy {
        zone: Zone::parse("Asia/Seoul").unwrap(),
        renew_before_days: 1,
        max_overdue: TimeDelta::days(3),
        grace: TimeDelta::days(7),
        downgrade_at_run: false,
        window: TimeWindow::parse("09:00-21:00").unwrap(),
        quiet: TimeWindow::parse("23:00-01:00").unwrap(),
        dunning: DunningPolicy::default(),
        declines: Arc::clone(&TABLES),
        payment_id_key: PaymentIdKey::new([3; 32]),
        store_id: "store-1".to_owned(),
        channel_type: ChannelType::Live,
        channel_key: None,
        product_type: None,
        locale: None,
        refund_late: false,
        refund_late_cancel: false,
        claims_unsettled_max: 3,
    }
}
