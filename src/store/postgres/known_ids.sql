-- Which of these exist.
-- $1 plans, $2 customers (JSON arrays of ids)
SELECT 'plan' AS kind, id FROM plans WHERE id IN (SELECT json_array_elements_text($1::json))
UNION ALL
SELECT 'customer', id FROM customers WHERE id IN (SELECT json_array_elements_text($2::json))
