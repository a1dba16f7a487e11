-- $1 id, $2 status, $3 figures, $4 error, $5 finished
UPDATE runs SET status = $2, figures = $3, error = $4, finished_at = $5
WHERE id = $1
