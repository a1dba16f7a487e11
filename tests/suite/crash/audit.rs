//! The judge. It knows the gateway's ledger file and the database, and nothing of renewd: it names none of its modules.

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A cancellation as its own transaction saw it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Canceled {
    pub subscription_id: String,
    /// The attempts that there were while it held the subscription's lock: there may never be another one.
    pub attempts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Anything may be under way.
    AnyTime,
    /// Nothing is under way, and nothing is due any more.
    AtTheEnd,
}

pub struct Auditor {
    pub database_url: String,
    pub ledger: PathBuf,
}

/// One line of the ledger.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
struct Line {
    kind: String,
    payment_id: String,
    amount: Option<i64>,
    subscription: Option<String>,
    billing_key: Option<String>,
}

impl Auditor {
    /// All that is wrong, in words.
    pub async fn wrong(&self, canceled: &[Canceled], moment: Moment) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.database_url).await.expect("a server that is up");
        let before = lines(&self.ledger);
        run(&mut connection, TABLES).await;
        run(&mut connection, "BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        // The first statement of the transaction: from here on it sees one state of the database.
        fill(&mut connection, CHARGES_BEFORE, &of_kind(&before, "charge")).await;
        let after = lines(&self.ledger);
        fill(&mut connection, CHARGES_AFTER, &of_kind(&after, "charge")).await;
        fill(&mut connection, DECLINES, &of_kind(&after, "declined")).await;
        fill(&mut connection, CANCELED, &canceled).await;
        let mut wrong = ask(&mut connection, include_str!("audit.sql")).await;
        if moment == Moment::AtTheEnd {
            wrong.extend(ask(&mut connection, include_str!("audit_end.sql")).await);
        }
        connection.close().await.expect("a clean goodbye");
        wrong
    }
}

impl Auditor {
    /// What the ledger and the tables say of the payments that are named there: a round does not happen twice.
    pub async fn traces(&self, wrong: &[String]) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.database_url).await.expect("a server that is up");
        let text = std::fs::read_to_string(&self.ledger).expect("the gateway's ledger");
        let named = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let words = wrong.iter().flat_map(|line| line.split_whitespace()).map(named);
        let ids: BTreeSet<String> = words.filter(|word| word.starts_with("rn") && word.len() > 20).collect();
        let mut traces = Vec::new();
        for id in ids {
            traces.extend(text.lines().filter(|line| line.contains(&id)).map(|line| format!("ledger: {line}")));
            let rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(include_str!("traces.sql"))).bind(&id);
            traces.extend(rows.fetch_all(&mut connection).await.expect("its rows"));
        }
        traces
    }
}

const TABLES: &str = "
    CREATE TEMP TABLE ledger_before (payment_id text, subscription text, amount bigint, may_turn_up_late boolean);
    CREATE TEMP TABLE ledger_after (LIKE ledger_before);
    CREATE TEMP TABLE declines (payment_id text);
    CREATE TEMP TABLE canceled (subscription_id text, attempts uuid[]);";

const CHARGES_BEFORE: &str = "INSERT INTO ledger_before
    SELECT payment_id, subscription, amount, billing_key LIKE '%-late'
    FROM json_to_recordset($1::json) AS c (payment_id text, subscription text, amount bigint, billing_key text)";

const CHARGES_AFTER: &str = "INSERT INTO ledger_after
    SELECT payment_id, subscription, amount, billing_key LIKE '%-late'
    FROM json_to_recordset($1::json) AS c (payment_id text, subscription text, amount bigint, billing_key text)";

const DECLINES: &str = "INSERT INTO declines
    SELECT payment_id FROM json_to_recordset($1::json) AS d (payment_id text)";

const CANCELED: &str = "INSERT INTO canceled
    SELECT subscription_id, ARRAY(SELECT json_array_elements_text(attempts)::uuid)
    FROM json_to_recordset($1::json) AS c (subscription_id text, attempts json)";

fn of_kind(lines: &[Line], kind: &str) -> Vec<Line> {
    lines.iter().filter(|line| line.kind == kind).cloned().collect()
}

/// Whole lines only: the gateway may be writing the next one.
fn lines(ledger: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(ledger).expect("the gateway's ledger");
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect("a line of the ledger")).collect()
}

async fn run(connection: &mut PgConnection, statements: &'static str) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.expect("the auditor's own tables");
}

async fn fill(connection: &mut PgConnection, statement: &'static str, rows: &impl serde::Serialize) {
    let rows = serde_json::to_string(rows).expect("plain rows");
    sqlx::query(statement).bind(rows).execute(connection).await.expect("the auditor's own rows");
}

async fn ask(connection: &mut PgConnection, statement: &'static str) -> Vec<String> {
    sqlx::query_scalar(statement).fetch_all(connection).await.expect("an audit")
}
