-- The result, the new period and one event, after the call.
UPDATE attempts SET state = 'paid', transaction_id = d.value ->> 'text', settled_at = '2026-02-27T01:00:01Z'
FROM json_each($1) d WHERE attempts.renewal_id = d.value ->> 'id' AND attempts.number = 1;
UPDATE subscriptions SET period_end = '2026-03-28T00:00:00Z'
FROM json_each($1) d JOIN renewals r ON r.id = d.value ->> 'id'
WHERE subscriptions.id = r.subscription_id;
UPDATE renewals SET state = 'paid' FROM json_each($1) d WHERE renewals.id = d.value ->> 'id' AND state = 'charging';
INSERT INTO events (kind, renewal_id, payload, created_at)
SELECT 'renewal.paid', value ->> 'id', json_object('renewal', value ->> 'id'), '2026-02-27T01:00:01Z' FROM json_each($1);
