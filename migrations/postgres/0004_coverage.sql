-- The coverage ledger: which business dates had a run that did all its work, and what became of them.

CREATE TABLE coverage_runs (
    business_date date NOT NULL,
    run_id uuid NOT NULL,
    covers boolean NOT NULL,
    planned bigint NOT NULL CHECK (planned >= 0),
    paid bigint NOT NULL CHECK (paid >= 0),
    declined bigint NOT NULL CHECK (declined >= 0),
    failed bigint NOT NULL CHECK (failed >= 0),
    canceled bigint NOT NULL CHECK (canceled >= 0),
    lapsed bigint NOT NULL CHECK (lapsed >= 0),
    no_billing_key bigint NOT NULL CHECK (no_billing_key >= 0),
    unknown bigint NOT NULL CHECK (unknown >= 0),
    review bigint NOT NULL CHECK (review >= 0),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (business_date, run_id)
);
CREATE INDEX coverage_runs_covered ON coverage_runs (business_date) WHERE covers;

COMMENT ON TABLE coverage_runs IS 'What each run did for each business date: the coverage ledger, one row per date and run, so that nothing counts twice.';
COMMENT ON COLUMN coverage_runs.business_date IS 'The calendar date in the business zone.';
COMMENT ON COLUMN coverage_runs.run_id IS 'The run that did it: for its own date, or for one that was missed before.';
COMMENT ON COLUMN coverage_runs.covers IS 'With this run the date is done: all that was due was taken up.';
COMMENT ON COLUMN coverage_runs.planned IS 'Renewals that it planned to be charged.';
COMMENT ON COLUMN coverage_runs.paid IS 'Renewals that it settled as paid, whenever they were planned.';
COMMENT ON COLUMN coverage_runs.declined IS 'Declined, and the renewal was still open.';
COMMENT ON COLUMN coverage_runs.failed IS 'Declined for the last time, or the grace was over.';
COMMENT ON COLUMN coverage_runs.canceled IS 'Cancelled by their customers, and not charged.';
COMMENT ON COLUMN coverage_runs.lapsed IS 'Ended too long ago, and not charged.';
COMMENT ON COLUMN coverage_runs.no_billing_key IS 'Waiting for a billing key.';
COMMENT ON COLUMN coverage_runs.unknown IS 'Without an outcome when the run ended.';
COMMENT ON COLUMN coverage_runs.review IS 'For a person to look at.';
COMMENT ON COLUMN coverage_runs.recorded_at IS 'When the run was closed.';

CREATE VIEW coverage AS
SELECT business_date, bool_or(covers) AS covered, min(run_id::text) FILTER (WHERE covers) AS covered_by,
    count(*) AS runs,
    sum(planned)::bigint AS planned,
    sum(paid)::bigint AS paid,
    sum(declined)::bigint AS declined,
    sum(failed)::bigint AS failed,
    sum(canceled)::bigint AS canceled,
    sum(lapsed)::bigint AS lapsed,
    sum(no_billing_key)::bigint AS no_billing_key,
    sum(unknown)::bigint AS unknown,
    sum(review)::bigint AS review
FROM coverage_runs
GROUP BY business_date;
COMMENT ON VIEW coverage IS 'The coverage ledger, one row per business date, over all its runs. covered_by is the first that did all its work.';
