-- The channel of each customer's newest usable billing key.
-- $1 customers (JSON)
SELECT customer_id, channel_key
FROM (
    SELECT k.customer_id, k.channel_key,
        row_number() OVER (PARTITION BY k.customer_id ORDER BY k.created_at DESC, k.id DESC) AS place
    FROM billing_keys k
    WHERE k.state = 'usable' AND k.customer_id IN (SELECT json_array_elements_text($1::json))
) newest
WHERE place = 1
ORDER BY customer_id
