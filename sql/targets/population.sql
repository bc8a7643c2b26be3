-- Who is exported: the rules on the population, and the findings of a target.
-- Read by d118_pipelines/targets/population.py; {{key}} is the population's key.

-- name: begin
CREATE TABLE exported AS SELECT * FROM population;
CREATE TABLE outcome (key VARCHAR, code VARCHAR, action VARCHAR)

-- name: bad_keys
SELECT CAST({{key}} AS VARCHAR)
FROM population
GROUP BY ALL
HAVING count(*) > 1 OR CAST({{key}} AS VARCHAR) IS NULL
ORDER BY ALL
LIMIT 10

-- name: marked
-- The place of the first rule that is true, among those that stop a record.
CREATE OR REPLACE TABLE marked AS
SELECT *, CASE {{cases}} END AS _rule FROM exported

-- name: stopped
SELECT CAST({{key}} AS VARCHAR), _rule
FROM marked
WHERE _rule IS NOT NULL
ORDER BY _rule, {{key}}

-- name: left
CREATE OR REPLACE TABLE exported AS
SELECT * EXCLUDE (_rule) FROM marked WHERE _rule IS NULL

-- name: reported
-- Each record and each rule that is true for it, in rule order.
SELECT CAST({{key}} AS VARCHAR) AS k, unnest(h) AS rule
FROM (
    SELECT *, list_filter([{{hits}}], lambda r: r IS NOT NULL) AS h FROM exported)
ORDER BY rule, {{key}}

-- name: findings
-- The first findings of each code, and how many the code has.
SELECT
    code, CAST(key AS VARCHAR) AS key, detail,
    count(*) OVER (PARTITION BY code) AS number
FROM (
{{query}}
)
QUALIFY row_number() OVER (PARTITION BY code ORDER BY key, detail) <= {{most}}
ORDER BY ALL

-- name: counts
SELECT (SELECT count(*) FROM population), (SELECT count(*) FROM exported)

-- name: stopped_by_code
SELECT code, count(*) FROM outcome GROUP BY code ORDER BY code
