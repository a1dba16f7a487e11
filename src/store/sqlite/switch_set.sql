-- Turns the kill switch.
-- $1 since when or NULL, $2 who, $3 why
UPDATE controls SET paused_at = $1, paused_by = $2, paused_reason = $3
