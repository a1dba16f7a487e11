-- PostgreSQL's alone: an SQLite page that is free again is written to by the next row.
SELECT 1;
