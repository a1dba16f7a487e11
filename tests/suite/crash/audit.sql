-- What must hold at every moment, told from the gateway's ledger and our tables: one row for each thing that is wrong.
--
-- Temporary tables: ledger_before and ledger_after (the charges in the gateway's ledger, read before and after this
-- statement's view of the database), declines (of the gateway), canceled (subscriptions whose cancellation committed,
-- with the attempts that there were under its lock).
WITH ids AS (
    SELECT payment_id, id AS renewal_id FROM renewals
    UNION SELECT payment_id, renewal_id FROM retired_payments
),
charged AS (
    SELECT c.*, r.id AS renewal_id, r.subscription_id, r.period_start, r.state, r.review_reason
    FROM ledger_before c LEFT JOIN ids ON ids.payment_id = c.payment_id LEFT JOIN renewals r ON r.id = ids.renewal_id
),
moved AS (
    SELECT s.id, s.current_period_end, r.state, r.period_start, r.period_end, r.period_not_moved
    FROM subscriptions s LEFT JOIN renewals r ON r.subscription_id = s.id
)
SELECT format('payment %s took money %s times', payment_id, count(*)) AS wrong
FROM ledger_after GROUP BY payment_id HAVING count(*) > 1
UNION ALL
SELECT format('the period of %s from %s was charged %s times', subscription_id, period_start, count(*))
FROM charged GROUP BY subscription_id, period_start HAVING count(*) > 1
UNION ALL
SELECT format('payment %s took money, and no renewal knows it', payment_id) FROM charged WHERE renewal_id IS NULL
UNION ALL
SELECT format('payment %s took money, and its renewal of %s is %s', payment_id, subscription_id, state)
FROM charged
-- Only where the gateway itself first said that it failed may money turn up after that was believed.
WHERE state NOT IN ('charging', 'unknown', 'paid', 'review', 'refunded') AND NOT may_turn_up_late
UNION ALL
SELECT format('%s is paid with %s by our books, and with %s by the ledger', r.subscription_id, r.amount, l.amount)
FROM renewals r LEFT JOIN ledger_after l ON l.payment_id = r.payment_id
WHERE r.state = 'paid' AND l.amount IS DISTINCT FROM r.amount
UNION ALL
SELECT format('payment %s is in our books, and not in the ledger', p.payment_id)
FROM payments p LEFT JOIN ledger_after l ON l.payment_id = p.payment_id WHERE l.payment_id IS NULL
UNION ALL
SELECT format('attempt %s of %s was claimed after its cancellation had committed', a.number, c.subscription_id)
FROM canceled c JOIN renewals r ON r.subscription_id = c.subscription_id JOIN attempts a ON a.renewal_id = r.id
WHERE NOT a.id = ANY (c.attempts)
UNION ALL
SELECT format('%s was charged after its cancellation had committed', c.subscription_id)
FROM canceled c JOIN ledger_after l ON l.subscription = c.subscription_id WHERE c.attempts = '{}'
UNION ALL
SELECT format('the period of %s ends %s, and its renewal is %s', id, current_period_end, state)
FROM moved
WHERE period_start IS NOT NULL
    AND current_period_end IS DISTINCT FROM
        CASE WHEN state = 'paid' AND NOT period_not_moved THEN period_end ELSE period_start END
UNION ALL
SELECT format('%s is paid, and that was told %s times', r.subscription_id, count(e.id))
FROM renewals r LEFT JOIN events e ON e.renewal_id = r.id AND e.kind = 'renewal.paid'
WHERE r.state = 'paid' GROUP BY r.id HAVING count(e.id) <> 1
UNION ALL
SELECT format('%s is paid, and a person was called to look at it', r.subscription_id)
FROM renewals r JOIN events e ON e.renewal_id = r.id AND e.kind = 'renewal.review'
WHERE r.state = 'paid' AND NOT r.period_not_moved
UNION ALL
SELECT format('%s counts %s declines, its attempts %s, the gateway %s', r.subscription_id, r.decline_count,
    count(a.id) FILTER (WHERE a.state = 'declined'), (SELECT count(*) FROM declines d WHERE d.payment_id = r.payment_id))
FROM renewals r LEFT JOIN attempts a ON a.renewal_id = r.id
GROUP BY r.id
HAVING r.decline_count <> count(a.id) FILTER (WHERE a.state = 'declined')
    OR r.decline_count > (SELECT count(*) FROM declines d WHERE d.payment_id = r.payment_id)
