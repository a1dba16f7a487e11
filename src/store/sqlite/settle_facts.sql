-- Reads what the guards of a batch compare. The transaction is the only writer: that is the lock.
-- $1 rows: renewal_id, attempt_id; $2 now
SELECT $2 AS now, r.id AS renewal_id, r.state, r.lease_epoch, coalesce(r.lease_until > $2, 0) AS lease_is_live,
    s.current_period_end, s.cancel_at_period_end, a.state AS attempt_state, a.settled_epoch
FROM json_each($1) AS w
JOIN renewals r ON r.id = w.value ->> 'renewal_id'
JOIN subscriptions s ON s.id = r.subscription_id
JOIN attempts a ON a.id = w.value ->> 'attempt_id'
