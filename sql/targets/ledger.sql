-- The ledger as a target's SQL reads it. Read by d118_pipelines/targets/ledger.py.
-- Rule: docs/reference/smartfind_express.md, "Add or change".

-- name: load
-- is_current: the key that was last sent under its identity, whoever had it before.
CREATE TABLE ledger AS
SELECT
    * EXCLUDE (number),
    row_number() OVER (
        PARTITION BY record_type, identity
        ORDER BY number DESC NULLS LAST, last_delivered_at DESC
    ) = 1 AS is_current
FROM entries;

CREATE TABLE known AS SELECT DISTINCT record_type, key, identity FROM ledger WHERE known;

CREATE MACRO ledger_command(kind, record_key, record_identity) AS CASE
    WHEN EXISTS (
        SELECT 1 FROM known AS k
        WHERE k.record_type = kind AND k.identity = CAST(record_identity AS VARCHAR)
    ) THEN {{'change'}}
    WHEN EXISTS (
        SELECT 1 FROM known AS k
        WHERE k.record_type = kind AND k.key = CAST(record_key AS VARCHAR)
    ) THEN {{'add'}}
    WHEN
        TRY_CAST(split_part(CAST(record_key AS VARCHAR), '/', 1) AS BIGINT) <= {{newest}}
        AND {{counts}}
        AND NOT list_contains(
            {{exempt}}, TRY_CAST(split_part(CAST(record_key AS VARCHAR), '/', 1) AS BIGINT)
        ) THEN {{'change'}}
    ELSE {{'add'}}
END
