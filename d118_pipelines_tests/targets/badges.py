"""A third target, as a district would add it: one YAML file and one SQL file."""

from __future__ import annotations

YAML = """\
title: Badges
options:
  exclude_buildings: []
  form: short
choices:
  form: [short, long]
population:
  sql: badges/people.sql
  key: users_dcid
rules:
  - {code: excluded, action: ignore, when: "list_contains($exclude_buildings, homeschoolid)"}
  - {code: no_number, action: hold, when: teachernumber IS NULL}
codes:
  no_number: {level: error, field: TEACHERNUMBER, todo: Enter the number.}
format: {quoting: minimal}
files:
  - name: badges
    file: badges.csv
    record_type: badge
    key: users_dcid
    sort: [users_dcid DESC]
    columns:
      - Badge: teachernumber
      - Full "Name": full_name
      - homeschoolid
    match_by: [Badge]
guard:
  max_drop_percent: 50
  deactivations:
    - {column: Badge, was: "1", becomes: "0"}
destination:
  address_env: BADGES_SFTP_ADDRESS
  username_env: BADGES_SFTP_USERNAME
  password_env: BADGES_SFTP_PASSWORD
  directory: /in
"""
SQL = """\
SELECT users_dcid, teachernumber, homeschoolid,
  concat_ws(', ', last_name, first_name) AS full_name
FROM raw.powerschool.hr_records_staff
"""
FILES = {
    "mappings/targets/badges.yaml": YAML,
    "sql/exports/badges/people.sql": SQL,
}
