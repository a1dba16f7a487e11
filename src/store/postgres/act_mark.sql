-- How a renewal stands, to be compared with how the person saw it. Read under the lock, in a statement of its own: the one
-- that waited for the lock still sees the time before.
-- $1 renewal
SELECT r.state, r.updated_at, s.cancel_at_period_end,
    (SELECT count(*) FROM attempts a WHERE a.renewal_id = r.id) AS attempts,
    (SELECT count(*) FROM payments p WHERE p.renewal_id = r.id) AS payments,
    (SELECT count(*) FROM refunds f WHERE f.renewal_id = r.id) AS refunds
FROM renewals r
JOIN subscriptions s ON s.id = r.subscription_id
WHERE r.id = $1::uuid
