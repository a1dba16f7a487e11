-- What was tried with these billing keys lately, for whatever renewal. What took money or was not sent is no matter.
-- $1 ids (JSON), $2 since
SELECT a.billing_key_id, a.renewal_id::text, a.state, a.decline_class, r.state = 'charging' AS under_way, a.started_at,
    a.settled_at
FROM attempts a
JOIN renewals r ON r.id = a.renewal_id
WHERE a.billing_key_id IN (SELECT json_array_elements_text($1::json))
    AND a.started_at >= $2::timestamptz
    AND a.state IN ('open', 'declined')
ORDER BY a.started_at, a.id
