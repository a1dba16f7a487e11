-- Money that was expected and is not there, by what it waits for. A sum that no number holds is the largest that one does.
SELECT state, waits_for_key, currency, count(*) AS renewals,
    coalesce(CAST(min(total(amount), 9007199254740991.0) AS INTEGER), 0) AS minor
FROM renewals
WHERE state IN ('unknown', 'review') OR (state = 'due' AND (waits_for_key OR decline_count > 0))
GROUP BY state, waits_for_key, currency
ORDER BY state, waits_for_key, coalesce(currency, '')
