//! The gateway: whether it answers, takes our credentials, and has the same time. Everything asked is a look-up.

use super::ANSWER_WITHIN;
use super::check::{Check, NOTHING_CHARGED, advice};
use super::database;
use crate::app::App;
use crate::domain::ids::PaymentId;
use crate::domain::payment::{ChannelType, LookUp};
use crate::gateway::{Gateway, GatewayError, ListedBy, PaymentPage, PaymentRange};
use crate::store::Store;
use chrono::TimeDelta;
use std::sync::Arc;

const GATEWAY: &str = "gateway";
const CHANNELS: &str = "channels";
const CLOCKS: &str = "clocks";

/// The id of a payment that nobody makes: its look-up needs the right credentials, and finds nothing.
const NOBODYS_PAYMENT: &str = "renewddoctor";

/// Payments that are looked at for the type of their channels.
const RECENT: u32 = 50;
const RECENT_DAYS: i64 = 3;

/// The client, where it was answered.
pub(super) async fn look(app: &App, checks: &mut Vec<Check>) -> Option<Arc<dyn Gateway>> {
    // Missing credentials are told among the settings.
    let credentials = app.config.gateway.require().ok()?;
    let gateway = match app.gateway(&credentials) {
        Ok(gateway) => gateway,
        Err(error) => {
            let todo = "mend the setting that it names, or install the system's root certificates";
            checks.push(Check::wrong(GATEWAY, format!("{error:#}"), advice(NOTHING_CHARGED, todo)));
            return None;
        }
    };
    let nobodys = PaymentId::from(NOBODYS_PAYMENT);
    let found = tokio::time::timeout(ANSWER_WITHIN, gateway.payment(&nobodys)).await;
    let found = found.unwrap_or_else(|_| LookUp::Failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs())));
    let (base, store_id) = (app.config.gateway.base_url.as_str(), credentials.store_id);
    let is_answered = matches!(found, LookUp::Found(_) | LookUp::NotFound);
    checks.push(of_look_up(&found, base, store_id));
    if !is_answered {
        return None;
    }
    checks.push(channels(app, &*gateway).await);
    Some(gateway)
}

fn of_look_up(found: &LookUp, base: &str, store_id: &str) -> Check {
    match found {
        LookUp::Found(_) | LookUp::NotFound => {
            Check::ok(GATEWAY, format!("{base} takes our credentials for {store_id}"))
        }
        LookUp::Unauthorized(why) => {
            let money = "nothing is charged and nothing is looked up; what is due stays due";
            let todo = format!(
                "PORTONE_API_SECRET must be a V2 API secret that has not expired, of the merchant whose store is {store_id} (PORTONE_STORE_ID): see PortOne's console"
            );
            Check::wrong(GATEWAY, format!("{base} refuses our credentials for {store_id} ({why})"), advice(money, todo))
        }
        LookUp::Failed(why) => {
            let todo =
                "see that PORTONE_API_BASE is right, and that this machine may reach it: name server, firewall, TLS";
            let money = "nothing is charged; a charge that is under way is looked up when it answers again";
            Check::unreachable(GATEWAY, format!("{base} does not answer ({why})"), advice(money, todo))
        }
    }
}

/// What kind of channels payments went through lately, against the setting.
async fn channels(app: &App, gateway: &dyn Gateway) -> Check {
    let now = app.clock.now() + gateway.clock_skew().unwrap_or_default();
    let range = PaymentRange {
        by: ListedBy::Created,
        from: now - TimeDelta::days(RECENT_DAYS),
        until: now,
        page: 0,
        page_size: RECENT,
    };
    let asked = tokio::time::timeout(ANSWER_WITHIN, gateway.payments(&range)).await;
    let silent = |_| Err(GatewayError::NoAnswer(format!("no answer within {} s", ANSWER_WITHIN.as_secs())));
    of_listing(asked.unwrap_or_else(silent), app.channel_type())
}

fn of_listing(listed: Result<PaymentPage, GatewayError>, wanted: ChannelType) -> Check {
    let page = match listed {
        Ok(page) => page,
        Err(error) => {
            let todo = "see that the API secret may list payments";
            let money = "brake comparison holds charging: nobody can see whether the database forgot what was taken";
            return Check::warning(CHANNELS, format!("payments cannot be listed: {error}"), advice(money, todo));
        }
    };
    let others = page.items.iter().filter(|payment| payment.channel_type.is_some_and(|kind| kind != wanted)).count();
    if others == 0 {
        let found = format!("{} as set; {} payment(s) in the last {RECENT_DAYS} days", wanted.as_str(), page.total);
        return Check::ok(CHANNELS, found);
    }
    let found = format!(
        "set to {}, and {others} of the {} latest payments went through the other type",
        wanted.as_str(),
        page.items.len()
    );
    let todo = "see which channels the billing keys belong to; gateway.channel_type must be theirs";
    Check::warning(CHANNELS, found, advice("a payment through a channel of the other type goes to review", todo))
}

/// The three clocks: ours, the database's, the gateway's.
pub(super) async fn look_at_clocks(app: &App, (store, gateway): (&dyn Store, &dyn Gateway), checks: &mut Vec<Check>) {
    if app.clock.is_test() {
        checks.push(Check::ok(CLOCKS, "a test clock stands for all of them"));
        return;
    }
    let Some(skew) = gateway.clock_skew() else {
        let advice = advice("charging is held where they turn out to differ", "see what stands before the gateway");
        checks.push(Check::warning(CLOCKS, "the gateway does not tell its time", advice));
        return;
    };
    match database::read(CLOCKS, store.now()).await {
        Ok(database) => {
            let ahead = app.clock.now() + skew - database;
            let bound = TimeDelta::from_std(app.config.gateway.clock_skew_max).unwrap_or(TimeDelta::MAX);
            checks.push(of_clocks(ahead, bound));
        }
        Err(check) => checks.push(check),
    }
}

/// `ahead`: the gateway's clock minus the database's.
fn of_clocks(ahead: TimeDelta, bound: TimeDelta) -> Check {
    let found = format!("the gateway's clock is {} s ahead of the database's", ahead.num_seconds());
    if ahead.abs() > bound {
        let todo = "set the clocks of the database server and of this machine (NTP)";
        let money = "all charging is held: what is due today cannot be known";
        return Check::wrong(CLOCKS, found, advice(money, todo));
    }
    Check::ok(CLOCKS, found)
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn clocks_are_held_against_the_bound_both_ways() {
        let look = |seconds| of_clocks(TimeDelta::seconds(seconds), TimeDelta::minutes(5)).result;
        assert_eq!((look(0), look(300), look(-300)), (Verdict::Ok, Verdict::Ok, Verdict::Ok));
        assert_eq!((look(301), look(-301)), (Verdict::Wrong, Verdict::Wrong));
    }

    #[test]
    fn a_gateway_that_is_silent_may_answer_later_and_one_that_refuses_will_not() {
        let look = |found| of_look_up(&found, "https://x", "store-1").result;
        assert_eq!(look(LookUp::NotFound), Verdict::Ok);
        assert_eq!(look(LookUp::Failed("HTTP 502".to_owned())), Verdict::Unreachable);
        assert_eq!(look(LookUp::Unauthorized("FORBIDDEN".to_owned())), Verdict::Wrong);
    }

    #[test]
    fn a_listing_that_fails_stops_no_charge() {
        let refused = Err(GatewayError::Unauthorized("FORBIDDEN".to_owned()));
        assert_eq!(of_listing(refused, ChannelType::Live).result, Verdict::Warning);
        assert_eq!(of_listing(Ok(PaymentPage { items: Vec::new(), total: 0 }), ChannelType::Live).result, Verdict::Ok);
    }
}
