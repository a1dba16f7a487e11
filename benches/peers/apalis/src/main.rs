//! The work of renewd as jobs of apalis-postgres: one job a renewal. `prepare` enqueues all that is due; `work` works
//! them off, and ends with the last one.

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, Data, ParallelizeExt, TaskSink, WorkerBuilder, WorkerContext};
use apalis_postgres::{Config, PgPool, PostgresStorage};
use reqwest::{Client, RequestBuilder};
use sqlx::postgres::PgPoolOptions;
use std::env::var;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

type Jobs = PostgresStorage<i64>;

#[tokio::main]
async fn main() -> Result<(), BoxDynError> {
    let pool =
        PgPoolOptions::new().max_connections(setting("APALIS_CONNECTIONS", 32)).connect(&var("DATABASE_URL")?).await?;
    let config = Config::default().queue("renewals").batch_size(setting("APALIS_BATCH", 500) as usize);
    let config = config.lock_tasks(setting("APALIS_LOCK", 0) == 1);
    let jobs = Jobs::new(&pool).with_config(config);
    match std::env::args().nth(1).as_deref() {
        Some("prepare") => enqueue(&pool, jobs).await,
        Some("work") => work(pool, jobs).await,
        _ => Err("prepare, or work?".into()),
    }
}

/// The environment may try other settings than these.
fn setting(name: &str, default: u32) -> u32 {
    var(name).map_or(default, |text| text.parse().expect(name))
}

async fn enqueue(pool: &PgPool, mut jobs: Jobs) -> Result<(), BoxDynError> {
    PostgresStorage::<()>::setup(pool).await?;
    let due = sqlx::query_scalar("SELECT id FROM renewals WHERE state = 'due' ORDER BY id").fetch_all(pool).await?;
    jobs.push_bulk(due).await?;
    sqlx::query("ANALYZE").execute(pool).await?;
    Ok(())
}

async fn work(pool: PgPool, jobs: Jobs) -> Result<(), BoxDynError> {
    let due = sqlx::query_scalar("SELECT count(*) FROM renewals WHERE state = 'due'").fetch_one(&pool).await?;
    let renewing = Renewing {
        pool: pool.clone(),
        client: Client::new(),
        base: var("PORTONE_API_BASE")?,
        left: AtomicI64::new(due),
    };
    WorkerBuilder::new("renewals")
        .backend(jobs)
        .data(Arc::new(renewing))
        .concurrency(setting("CONCURRENCY", 64) as usize)
        .parallelize(tokio::spawn)
        .build(job)
        .run()
        .await?;
    let unfinished: i64 =
        sqlx::query_scalar("SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'").fetch_one(&pool).await?;
    if unfinished > 0 {
        return Err(format!("the queue does not know that {unfinished} jobs are done").into());
    }
    Ok(())
}

struct Renewing {
    pool: PgPool,
    client: Client,
    base: String,
    left: AtomicI64,
}

/// A job that fails ends the process: a measurement with a failure in it is none.
async fn job(renewal: i64, renewing: Data<Arc<Renewing>>, worker: WorkerContext) -> Result<(), BoxDynError> {
    if let Err(why) = renewing.renew(renewal).await {
        eprintln!("renewal {renewal}: {why}");
        std::process::exit(1);
    }
    if renewing.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        worker.stop()?;
    }
    Ok(())
}

impl Renewing {
    async fn renew(&self, renewal: i64) -> Result<(), BoxDynError> {
        let (payment_id, key, body): (String, String, String) =
            sqlx::query_as(include_str!("../../intend.sql")).bind(renewal).fetch_one(&self.pool).await?;
        let payment = format!("{}/payments/{payment_id}", self.base);
        let charge = self.client.post(format!("{payment}/billing-key")).header("idempotency-key", format!("\"{key}\""));
        answer(charge.header("content-type", "application/json").body(body)).await?;
        let looked_up = answer(self.client.get(format!("{payment}?storeId=store-simulator"))).await?;
        let transaction = match (looked_up["status"].as_str(), looked_up["transactionId"].as_str()) {
            (Some("PAID"), Some(transaction)) => transaction,
            _ => return Err(format!("not paid: {looked_up}").into()),
        };
        let settle = sqlx::query(include_str!("../../../bare/settle_postgres.sql"));
        settle.bind([renewal]).bind([transaction]).execute(&self.pool).await?;
        Ok(())
    }
}

async fn answer(request: RequestBuilder) -> Result<serde_json::Value, BoxDynError> {
    let response = request.header("authorization", "PortOne simulator-secret").send().await?;
    Ok(response.error_for_status()?.json().await?)
}
