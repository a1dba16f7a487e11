//! Reports, as the engine makes them.

use super::super::plan::Plan;
use super::shapes;
use crate::domain::brakes::{Override, Tripped};
use crate::domain::outlook::Outlook;
use crate::engine::by_hand::{Refunded, Resolved, Retried};
use crate::engine::control::Turned;
use crate::engine::coverage::{CaughtUp, Coverage};
use crate::engine::preview::{Group, PlanLine};
use crate::engine::report::RunReport;
use crate::engine::status::Status;
use crate::engine::unresolved::Unresolved;

shapes! {
    Status = "Status", "How it stands.", "
        paused text? Who paused charging, since when, and why.
        backlog Backlog
        open Unresolved
        coverage Coverage
        runs [Run] The latest.
        needs_a_look [Renewal] What a person must look at, the oldest first.
        by_hand [Action] What people did last.
    ";
    Unresolved = "Unresolved", "Charges that were sent, or may have been, and have no outcome.", "
        left_unknown int
        oldest_unknown time?
        oldest_unknown_secs int?
        oldest_unknown_id uuid?
        next_look_up_at time?
        left_unsettled int
        oldest_unsettled time?
        oldest_unsettled_secs int?
        oldest_unsettled_id uuid?
        take_over_at time?
    ";
    Coverage = "Coverage", "Which business dates had a run.", "
        first_covered date?
        missed dates Without a run that did all its work: the next run catches them up.
        days [CoverageDay]
    ";
    CaughtUp = "CaughtUp", "A business date that was missed, and that a later run took up.", "
        business_date date
        planned int
        lapsed int
    ";
    Tripped = "Brake", "A brake that holds charging, and why.", "
        brake text charges, sum, growth, declines or comparison.
        channel text? The channel that it holds; null where it holds all charging.
        why text
    ";
    Override = "Override", "A person's word that a run may go on without some brakes.", "
        brakes texts
        by text
        reason text
    ";
    Outlook = "Outlook", "What is next for a subscription.", "
        will_be_charged flag Nothing but time and a run is between it and a charge.
        at time? Not before then.
        why texts What it waits for, or why it ends here.
    ";
    PlanLine = "PlanLine", "One subscription of a plan.", "
        subscription_id text
        plan_id text
        action text charge, wait or skip.
        reason text
        channel text?
        amount int? In minor units.
        currency text?
        period_start time
        period_end time?
        next_attempt_at time?
        renewal_id uuid? Its renewal, where an earlier run planned it.
    ";
    Group = "PlanSum", "Subscriptions that have the same plan, channel, reason and currency.", "
        plan_id text
        channel text?
        reason text
        renewals int
        currency text
        minor int In minor units.
    ";
    Plan = "Plan", "What a run would do, in sums, with its first subscriptions.", "
        renewals [PlanLine]
        renewals_in_all int
        business_date date
        at time The moment that is looked at: now, or when a later date may start to charge.
        paused text? Who has paused charging, and why.
        charges [PlanSum] What would be charged.
        waiting [PlanSum] What would be charged later.
        skipped [PlanSum] What would not be charged.
        over_limit int
        brakes [Brake] What would hold all charging.
        missed dates Business dates without a run that this one would take up.
    ";
    RunReport = "RunReport", "The figures of one run. Counts are of renewals; sums are in minor units, by currency.", "
        run_id uuid
        trigger text
        business_date date
        zone text
        status text
        planned int
        due int
        paid int
        declined int
        failed int
        canceled int
        lapsed int
        unknown int
        review int
        no_billing_key int
        amounts sums
        refunded int
        refunded_amounts sums
        taken_over int
        past_due int
        downgraded int
        declined_by_reason sums
        declined_amounts sums
        retries sums Planned attempts after this run's declines, by date and time in the zone.
        stopped_channels words Channels that stopped, and why.
        held_channels words? Those of them that only a person mends; null for a run over some subscriptions only, and for one that ended before it came to charge.
        left_due int
        compared flag
        brakes [Brake]
        let_go Override?
        caught_up [CaughtUp]
        paused flag
        problem text? Why the run could not do all its work.
        told_by text?
        left_unknown int
        oldest_unknown time?
        oldest_unknown_secs int?
        oldest_unknown_id uuid?
        next_look_up_at time?
        left_unsettled int
        oldest_unsettled time?
        oldest_unsettled_secs int?
        oldest_unsettled_id uuid?
        take_over_at time?
        started_at time
        finished_at time
    ";
    Retried = "Retried", "What a retry came to.", "
        renewal Renewal
        attempts [Attempt] What was tried because of it.
        run RunReport
    ";
    Resolved = "Resolved", "What an answer to a review came to.", "
        renewal Renewal
        shown pairs What the gateway showed for each payment id.
        retried Retried? Where the answer was to charge again.
    ";
    Refunded = "Refunded", "What a refund came to.", "
        refund RefundState
        renewal Renewal
    ";
    Turned = "Switch", "What turning the kill switch came to.", "
        paused flag
        by text
        reason text?
        said text What that means, in a sentence.
    ";
}
