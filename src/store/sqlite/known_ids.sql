-- Which of these exist.
-- $1 plans, $2 customers (JSON arrays of ids)
SELECT 'plan' AS kind, id FROM plans WHERE id IN (SELECT value FROM json_each($1))
UNION ALL
SELECT 'customer', id FROM customers WHERE id IN (SELECT value FROM json_each($2))
