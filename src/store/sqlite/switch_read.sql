-- The kill switch.
SELECT paused_at, paused_by, paused_reason FROM controls
