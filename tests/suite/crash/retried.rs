//! Writers that met: a step that the database broke off is done again as a whole, and nothing is charged for it.

use super::audit::Moment;
use super::ground::{Ground, template};
use crate::support::postgres::PrivateServer;
use renewd::gateway::simulator::Route;
use std::time::Duration;

/// Breaks off the first two tries of every writing step, once by a deadlock and once by a serialization failure. A
/// sequence is not rolled back, so it counts what the database forgot.
const BREAKS_OFF: &str = "
    CREATE SEQUENCE claims_broken_off;
    CREATE SEQUENCE settles_broken_off;
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        CASE nextval(TG_ARGV[0])
            WHEN 1 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01';
            WHEN 2 THEN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
            ELSE RETURN NULL;
        END CASE;
    END
    $$;
    CREATE TRIGGER breaks_claims AFTER INSERT ON attempts
        FOR EACH STATEMENT EXECUTE FUNCTION break_off('claims_broken_off');
    CREATE TRIGGER breaks_settles AFTER INSERT ON payments
        FOR EACH STATEMENT EXECUTE FUNCTION break_off('settles_broken_off');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_and_a_serialization_failure_cost_a_try_and_no_charge() {
    let server = PrivateServer::start().await;
    let template = template(&server).await;
    let mut ground = Ground::open(&server, &template, Duration::ZERO).await;
    ground.subscribe(&[""]).await;
    ground.execute(BREAKS_OFF.to_owned()).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    for counted in ["SELECT last_value FROM claims_broken_off", "SELECT last_value FROM settles_broken_off"] {
        assert!(ground.count(counted).await > 2, "{counted}: nothing was broken off");
    }
    assert_eq!(ground.simulator.model().ledger().requests(Route::Charge), 1);
    ground.audit(Moment::AtTheEnd).await;
}
