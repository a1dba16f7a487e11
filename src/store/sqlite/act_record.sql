-- What somebody did by hand.
-- $1 rows
INSERT INTO actions (id, kind, actor, reason, evidence, subscription_id, renewal_id, payment_id, run_id, details,
    created_at)
SELECT a.value ->> 'id', a.value ->> 'kind', a.value ->> 'actor', a.value ->> 'reason', a.value ->> 'evidence',
    a.value ->> 'subscription_id', a.value ->> 'renewal_id', a.value ->> 'payment_id', a.value ->> 'run_id',
    a.value -> 'details', a.value ->> 'created_at'
FROM json_each($1) AS a
