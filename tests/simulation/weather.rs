//! What goes wrong at the gateway itself: rules of the product's own simulator, as likely as the seed says.

use super::office::Office;
use renewd::gateway::simulator::{Route, Rule, Trouble, When};

/// Longer than the longest approval that the protocol counts on: a day after the attempt.
const LATE_APPROVAL_MAX: i64 = 20 * 3600;

pub fn begin(office: &Office) {
    let swarm = &office.swarm;
    let short = |most: i64| u32::try_from(office.between(1, most)).unwrap();
    let decline = |name: &str| Trouble::Decline { name: name.to_owned() };
    let other_amount = Trouble::OtherAmount { total: 1_000 };
    let millis = u64::try_from(office.between(1, swarm.slow_max / 1_000)).unwrap();
    let troubles = [
        (swarm.limited, Trouble::RateLimited { retry_after: Some("7".to_owned()) }, Route::Charge),
        (swarm.credentials, Trouble::Unauthorized, Route::Charge),
        (swarm.credentials, Trouble::Forbidden, Route::LookUp),
        (swarm.nonsense / 3.0, Trouble::ErrorBefore { status: 503 }, Route::Charge),
        (swarm.nonsense / 3.0, Trouble::HtmlBefore { status: 502 }, Route::Charge),
        (swarm.nonsense / 3.0, Trouble::Outstanding, Route::Charge),
        (swarm.slow, Trouble::SlowApproval { millis }, Route::Charge),
        (swarm.squatted, Trouble::Squatted, Route::Charge),
        (swarm.other_amount, other_amount, Route::Charge),
        (swarm.late_approval, Trouble::LateApproval { secs: short(LATE_APPROVAL_MAX) }, Route::Charge),
        (swarm.pending / 2.0, Trouble::Pending { secs: short(7_200), then_paid: true }, Route::Charge),
        (swarm.pending / 2.0, Trouble::Ready { secs: short(7_200), then_paid: false }, Route::Charge),
        (swarm.key_gone, Trouble::BillingKeyDeleted, Route::Charge),
        (swarm.hard, decline("lost"), Route::Charge),
        (swarm.declines / 3.0, decline("insufficient"), Route::Charge),
        (swarm.declines / 3.0, decline("issuer-down"), Route::Charge),
        (swarm.declines / 3.0, decline("declined"), Route::Charge),
        (swarm.nonsense / 2.0, Trouble::Garbage, Route::Charge),
        (swarm.nonsense / 2.0, Trouble::Error { status: 500 }, Route::Charge),
        (swarm.nonsense / 2.0, Trouble::Html { status: 504 }, Route::LookUp),
        (swarm.hidden, Trouble::Hidden, Route::LookUp),
        (swarm.stale, Trouble::Stale, Route::LookUp),
    ];
    for (chance, trouble, route) in troubles.into_iter().filter(|(chance, ..)| *chance > 0.0) {
        office.model().add_rule(Rule::new(When::Always, trouble).on(route).chance(chance));
    }
}

/// The gateway is down for everybody, or back.
pub fn away(office: &Office, away: bool) {
    if office.is_calm() {
        return;
    }
    office.note("gateway away", 0, || away.to_string());
    office.model().clear_rules();
    if away {
        for route in [Route::Charge, Route::LookUp, Route::List, Route::Cancel, Route::BillingKey] {
            office.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).on(route));
        }
    } else {
        begin(office);
    }
}
