//! Rows, as they are read.

use super::shapes;
use crate::engine::explain::Shown;
use crate::store::read::{
    AccessRow, ActionRow, AttemptRow, Backlog, CoverageDay, EventRow, KeyRow, PaymentRow, RefundRow, RenewalRow, RunRow,
};

shapes! {
    RunRow = "Run", "One execution of the worker.", "
        id uuid
        trigger text Who asked: schedule, cli, api, retry, …
        business_date date
        zone text The business zone.
        status text running, completed, failed or interrupted.
        actor text Who started it.
        figures map What it did; {} while it runs. As `renewd run --output json` prints it.
        error text? Why it failed.
        started_at time
        finished_at time?
    ";
    RenewalRow = "Renewal", "One move of one subscription to its next period.", "
        id uuid
        subscription_id text
        plan_id text
        business_date date The date of the run that planned it.
        period_start time
        period_end time?
        amount int? The price, in minor units.
        currency text? ISO 4217.
        state text due, charging, unknown, paid, failed, canceled, lapsed, review or refunded.
        payment_id text The payment id at PortOne.
        attempt_count int
        decline_count int
        next_attempt_at time?
        next_look_up_at time? When the gateway is asked again about it.
        waits_for_key flag It waits for a new billing key.
        access_until time
        review_reason text? Why a person must look.
        canceled_during_charge flag
        created_at time
        updated_at time
    ";
    AttemptRow = "Attempt", "One try at charging a renewal.", "
        id uuid
        renewal_id uuid
        run_id uuid
        number int Counts from 1 within the renewal.
        payment_id text
        billing_key_id text The row of the billing key; never the key.
        channel_key text?
        pg_provider text?
        state text
        started_at time
        settled_at time?
        transaction_id text?
        pg_code text?
        pg_message text?
        decline_class text?
        decline_reason text?
        note text?
    ";
    PaymentRow = "Payment", "What a look-up showed.", "
        payment_id text
        renewal_id uuid?
        status text
        amount int? In minor units.
        currency text?
        cancelled_amount int In minor units.
        pg_provider text?
        pg_tx_id text?
        paid_at time?
        verified flag It is as ordered.
        recorded_at time
    ";
    RefundRow = "RefundState", "Money that is given back.", "
        payment_id text
        renewal_id uuid
        amount int In minor units.
        currency text
        reason text late, canceled_during_charge or by_hand.
        state text wanted, requested, done or failed.
        tries int
        next_try_at time?
        note text? What the gateway said last.
        wanted_at time
        updated_at time
        number int Counts from 1 within the payment.
        reference text Tells a person's refunds of one payment apart.
        left_after int What of the payment stays after it, in minor units.
    ";
    EventRow = "Event", "What was told.", "
        id uuid
        kind text
        renewal_id uuid?
        payload map
        created_at time
    ";
    ActionRow = "Action", "What somebody did by hand.", "
        id uuid
        kind text
        actor text
        reason text?
        evidence text?
        subscription_id text?
        renewal_id uuid?
        payment_id text?
        run_id uuid?
        details map
        created_at time
    ";
    KeyRow = "BillingKey", "A billing key's row, without the key.", "
        id text
        channel_key text?
        pg_provider text?
        state text usable or unusable.
        unusable_reason text?
        created_at time
        updated_at time
    ";
    AccessRow = "Subscription", "A subscription, as its product sees it.", "
        subscription_id text
        customer_id text
        plan_id text
        tier text
        status text
        current_period_end time
        access_until time
        cancel_at_period_end flag
        billing_key_state text usable, unusable or missing.
    ";
    CoverageDay = "CoverageDay", "One business date, over all its runs.", "
        business_date date
        covered flag A run did all its work for it.
        covered_by uuid?
        runs int
        planned int
        paid int
        declined int
        failed int
        canceled int
        lapsed int
        no_billing_key int
        unknown int
        review int
    ";
    Backlog = "Backlog", "How many renewals stand where.", "
        by_state sums Renewals by state, without the paid.
        due_now int
        waits_for_key int
        next_attempt_at time?
        oldest_unknown time?
        oldest_unknown_id uuid?
        unknown_look_up_at time?
        unsettled int
        oldest_unsettled time?
        oldest_unsettled_id uuid?
        next_look_up_at time?
        refunds_open int
    ";
    Shown = "Timeline", "One subscription with all that happened to it, oldest first; and what is next, and why.", "
        next Outlook
        subscription Subscription
        renewals [Renewal]
        attempts [Attempt]
        payments [Payment]
        refunds [RefundState]
        events [Event]
        actions [Action]
        keys [BillingKey]
    ";
}
