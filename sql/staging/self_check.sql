-- A set of OneRoster files read back before it is sent: the findings that count.
-- Read by d118_pipelines/workflows/targets/self_check.py. Rule: docs/reference/oneroster_export.md.

-- name: counted
CREATE TABLE counted AS
SELECT
    code,
    parse_filename(coalesce(source_file, ''), true) AS file,
    source_line AS line,
    external_id,
    CAST(sum(count) AS BIGINT) AS times
FROM read_parquet({{'findings'}})
WHERE severity IN ('warn', 'reject', 'fatal') AND NOT list_contains(?, code)
GROUP BY ALL

-- name: without_deleted
-- Of a row that is tobedeleted only its form counts.
DELETE FROM counted
WHERE file = {{'file'}} AND line IN (
    SELECT _line FROM read_parquet({{'rows'}}) WHERE status = 'tobedeleted'
)
