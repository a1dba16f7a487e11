-- What must hold when nothing is under way any more: one row for each thing that is wrong. Tables as in audit.sql.
SELECT format('renewal of %s is still %s (%s)', subscription_id, state, coalesce(last_pg_code, '')) AS wrong
FROM renewals WHERE state IN ('due', 'charging', 'unknown')
UNION ALL
SELECT format('payment %s took money, and its renewal of %s ended as %s', l.payment_id, r.subscription_id, r.state)
FROM ledger_after l JOIN renewals r ON r.payment_id = l.payment_id WHERE r.state NOT IN ('paid', 'review', 'refunded')
UNION ALL
SELECT format('payment %s took money, and it is not among the payments', l.payment_id)
FROM ledger_after l LEFT JOIN payments p ON p.payment_id = l.payment_id
WHERE p.payment_id IS NULL
UNION ALL
SELECT format('an attempt of %s is open, and its renewal is %s', r.subscription_id, r.state)
FROM attempts a JOIN renewals r ON r.id = a.renewal_id WHERE a.state = 'open'
UNION ALL
SELECT format('%s has no renewal', s.id) FROM subscriptions s
WHERE NOT EXISTS (SELECT FROM renewals r WHERE r.subscription_id = s.id)
UNION ALL
-- A disturbance is no reason for a person to look: only what the gateway did is.
SELECT format('%s is under review: %s', r.subscription_id, r.review_reason)
FROM renewals r WHERE r.state = 'review' AND r.review_reason LIKE 'claimed % times without an outcome%'
