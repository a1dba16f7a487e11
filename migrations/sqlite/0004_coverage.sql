-- The coverage ledger: which business dates had a run that did all its work, and what became of them.
-- What each run did for each business date: the coverage ledger, one row per date and run, so that nothing counts twice.
CREATE TABLE coverage_runs (
    -- The calendar date in the business zone.
    business_date TEXT NOT NULL CHECK (business_date GLOB '????-??-??'),
    -- The run that did it: for its own date, or for one that was missed before.
    run_id TEXT NOT NULL,
    -- With this run the date is done: all that was due was taken up.
    covers INTEGER NOT NULL CHECK (covers IN (0, 1)),
    -- Renewals that it planned to be charged.
    planned INTEGER NOT NULL CHECK (planned >= 0),
    -- Renewals that it settled as paid, whenever they were planned.
    paid INTEGER NOT NULL CHECK (paid >= 0),
    -- Declined, and the renewal was still open.
    declined INTEGER NOT NULL CHECK (declined >= 0),
    -- Declined for the last time, or the grace was over.
    failed INTEGER NOT NULL CHECK (failed >= 0),
    -- Cancelled by their customers, and not charged.
    canceled INTEGER NOT NULL CHECK (canceled >= 0),
    -- Ended too long ago, and not charged.
    lapsed INTEGER NOT NULL CHECK (lapsed >= 0),
    -- Waiting for a billing key.
    no_billing_key INTEGER NOT NULL CHECK (no_billing_key >= 0),
    -- Without an outcome when the run ended.
    unknown INTEGER NOT NULL CHECK (unknown >= 0),
    -- For a person to look at.
    review INTEGER NOT NULL CHECK (review >= 0),
    -- When the run was closed.
    recorded_at TEXT NOT NULL CHECK (recorded_at GLOB '????-??-??T??:??:??.??????Z'),
    PRIMARY KEY (business_date, run_id)
) STRICT;
CREATE INDEX coverage_runs_covered ON coverage_runs (business_date) WHERE covers;

-- The coverage ledger, one row per business date, over all its runs. covered_by is the first that did all its work.
CREATE VIEW coverage AS
SELECT business_date, max(covers) AS covered, min(run_id) FILTER (WHERE covers) AS covered_by,
    count(*) AS runs,
    sum(planned) AS planned,
    sum(paid) AS paid,
    sum(declined) AS declined,
    sum(failed) AS failed,
    sum(canceled) AS canceled,
    sum(lapsed) AS lapsed,
    sum(no_billing_key) AS no_billing_key,
    sum(unknown) AS unknown,
    sum(review) AS review
FROM coverage_runs
GROUP BY business_date;
