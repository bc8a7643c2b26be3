-- The cells of a CSV file as values of a column; null where a cell does not fit.
-- Read by d118_pipelines/sources/powerschool/csv_tables.py.
-- Rule: docs/reference/powerschool.md.

-- name: macros
CREATE OR REPLACE MACRO cell_timestamp(cell) AS CASE
    WHEN regexp_full_match(cell, '\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?')
        THEN TRY_CAST(cell AS TIMESTAMP)
    WHEN regexp_full_match(cell, '\d\d?/\d\d?/\d{4}') THEN try_strptime(cell, '%m/%d/%Y')
END;

CREATE OR REPLACE MACRO cell_whole(cell) AS CASE
    WHEN regexp_full_match(cell, '[+-]?\d+(\.0*)?') THEN split_part(cell, '.', 1)
END;

CREATE OR REPLACE MACRO cell_number(cell) AS CASE
    WHEN regexp_full_match(cell, '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?') THEN cell
END

-- name: table
-- The file as the text columns c0, c1, ... in its own order.
read_csv(
    $file, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = '', allow_quoted_nulls = true, columns = {{columns}})

-- name: fill
INSERT INTO {{table}} ({{names}}) SELECT {{values}} FROM {{cells}}

-- name: checked
CASE WHEN {{cell}} IS NOT NULL THEN coalesce({{value}}, error('misfit')) END

-- name: misfit
-- The first row, from 0, with a cell that does not fit.
min(row) FILTER (WHERE {{cell}} IS NOT NULL AND {{value}} IS NULL)

-- name: misfits
SELECT {{misfits}}
FROM (SELECT *, row_number() OVER () - 1 AS row FROM {{cells}})
