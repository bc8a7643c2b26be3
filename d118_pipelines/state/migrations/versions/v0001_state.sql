-- The state database: what the ledger, the plans and the roster are kept in.
-- {time}, {id}, {serial}, {bigserial}, {by_key}, {fetched} and {record} differ between SQLite and
-- PostgreSQL or repeat: see v0001_state.py and statements.py.

CREATE TABLE deliveries (
  number {serial},
  id TEXT NOT NULL, target TEXT NOT NULL, destination TEXT NOT NULL,
  status TEXT NOT NULL, plan_hash TEXT NOT NULL, run_id TEXT NOT NULL,
  folder TEXT NOT NULL, files JSON NOT NULL, counts JSON NOT NULL,
  read_back JSON NOT NULL, resend_of TEXT, started_at {time} NOT NULL,
  finished_at {time}, error TEXT
);
CREATE UNIQUE INDEX ix_deliveries_id ON deliveries (id);
CREATE INDEX ix_deliveries_target ON deliveries (target);
CREATE TABLE delivery_ledger (
  target TEXT NOT NULL, destination TEXT NOT NULL, record_type TEXT NOT NULL,
  key TEXT NOT NULL, identity TEXT NOT NULL, state TEXT NOT NULL,
  state_at {time} NOT NULL, origin TEXT NOT NULL, command TEXT,
  first_delivered_at {time} NOT NULL, last_delivered_at {time} NOT NULL,
  last_delivery TEXT NOT NULL, last_hash TEXT NOT NULL, last_line TEXT,
  PRIMARY KEY (target, destination, record_type, key, identity)
);
CREATE TABLE delivery_results (
  target TEXT NOT NULL, destination TEXT NOT NULL, record_type TEXT NOT NULL,
  key TEXT NOT NULL, delivery TEXT NOT NULL, outcome TEXT NOT NULL,
  reason TEXT NOT NULL, answered_at {time} NOT NULL,
  PRIMARY KEY (target, destination, record_type, key)
);
CREATE TABLE result_files (
  target TEXT NOT NULL, destination TEXT NOT NULL, name TEXT NOT NULL,
  size_bytes INTEGER NOT NULL, modified {time} NOT NULL, delivery TEXT,
  problem TEXT NOT NULL, counts JSON NOT NULL, read_at {time} NOT NULL,
  PRIMARY KEY (target, destination, name, size_bytes, modified)
);
CREATE TABLE ledger_seeds (
  target TEXT NOT NULL, destination TEXT NOT NULL, newest_dcid INTEGER NOT NULL,
  imported_at {time} NOT NULL, imported_by TEXT NOT NULL,
  PRIMARY KEY (target, destination)
);
CREATE TABLE plans (
  number {serial},
  id TEXT NOT NULL, target TEXT NOT NULL, destination TEXT NOT NULL,
  plan_hash TEXT NOT NULL, baseline TEXT, run_id TEXT NOT NULL,
  verdict TEXT NOT NULL, rules JSON NOT NULL, counts JSON NOT NULL,
  files JSON NOT NULL, folder TEXT NOT NULL, demonstration BOOLEAN NOT NULL,
  data_at {time} NOT NULL, created_at {time} NOT NULL
);
CREATE UNIQUE INDEX ix_plans_id ON plans (id);
CREATE INDEX ix_plans_target ON plans (target);
CREATE TABLE plan_approvals (
  number {serial},
  id TEXT NOT NULL, target TEXT NOT NULL, plan_hash TEXT NOT NULL,
  baseline TEXT, reason TEXT NOT NULL, account TEXT NOT NULL,
  created_at {time} NOT NULL, expires_at {time} NOT NULL, used_at {time}
);
CREATE UNIQUE INDEX ix_plan_approvals_id ON plan_approvals (id);
CREATE TABLE findings (
  id {serial}, target TEXT NOT NULL, run_id TEXT NOT NULL, code TEXT NOT NULL,
  level TEXT NOT NULL, key TEXT NOT NULL, field TEXT NOT NULL,
  detail TEXT NOT NULL, todo TEXT NOT NULL
);
CREATE INDEX ix_findings_run_id ON findings (run_id);
CREATE TABLE sync_leases (
  name TEXT NOT NULL, holder TEXT NOT NULL, host TEXT NOT NULL,
  process TEXT NOT NULL, acquired_at {time} NOT NULL,
  renewed_at {time} NOT NULL, stop_asked_by TEXT, PRIMARY KEY (name)
);
CREATE TABLE sync_progress (
  run_id TEXT NOT NULL, name TEXT NOT NULL, percent INTEGER NOT NULL,
  rows INTEGER NOT NULL, step TEXT NOT NULL, updated_at {time} NOT NULL,
  PRIMARY KEY (run_id, name)
);
CREATE TABLE pauses (
  name TEXT NOT NULL, until {time} NOT NULL, created_at {time} NOT NULL,
  reason TEXT NOT NULL, account TEXT NOT NULL, PRIMARY KEY (name)
);
CREATE TABLE alerts (
  cause TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL,
  run_id TEXT NOT NULL, feeds JSON NOT NULL, sent_at {time} NOT NULL,
  PRIMARY KEY (cause)
);
CREATE TABLE webhook_outbox (
  number {serial},
  id TEXT NOT NULL, name TEXT NOT NULL, run_id TEXT NOT NULL,
  event TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
  body JSON NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  answer TEXT, created_at {time} NOT NULL, next_at {time} NOT NULL,
  delivered_at {time}
);
CREATE UNIQUE INDEX ix_webhook_outbox_id ON webhook_outbox (id);
CREATE INDEX ix_webhook_outbox_run_id ON webhook_outbox (run_id);
CREATE TABLE webhook_runs (
  run_id TEXT NOT NULL, url TEXT NOT NULL, created_at {time} NOT NULL,
  PRIMARY KEY (run_id, url)
);
CREATE TABLE audit_log (
  id {serial}, at {time} NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  object TEXT NOT NULL, detail TEXT NOT NULL, hash_before TEXT NOT NULL,
  hash_after TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX audit_log_of_object ON audit_log (object, action, id);
CREATE TABLE uncompared (
  target TEXT NOT NULL, destination TEXT NOT NULL, backup_at {time} NOT NULL,
  PRIMARY KEY (target, destination)
);
CREATE TABLE seen_files (
  path TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (path)
);
CREATE TABLE console_accounts (
  name TEXT NOT NULL, role TEXT NOT NULL, password_hash TEXT,
  created_at {time} NOT NULL, changed_at {time} NOT NULL, PRIMARY KEY (name)
);
CREATE TABLE console_sessions (
  id_hash TEXT NOT NULL, account TEXT NOT NULL, opened_at {time} NOT NULL,
  PRIMARY KEY (id_hash)
);
CREATE TABLE api_tokens (
  id TEXT NOT NULL, account TEXT NOT NULL, label TEXT NOT NULL, scope TEXT NOT NULL,
  token_hash TEXT NOT NULL, created_at {time} NOT NULL, expires_at {time} NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX ix_api_tokens_account ON api_tokens (account);

-- The roster.
CREATE TABLE orgs (
  {record}, name TEXT NOT NULL, org_type TEXT NOT NULL, parent_id {id},
  sis_id TEXT, state_id TEXT, nces_id TEXT, low_grade TEXT, high_grade TEXT,
  phone TEXT, address_street TEXT, address_city TEXT, address_state TEXT,
  address_zip TEXT, principal_name TEXT, principal_email TEXT
){by_key};
CREATE UNIQUE INDEX orgs_external ON orgs (district_id, provider_id, external_id);
CREATE TABLE terms (
  {record}, name TEXT NOT NULL, type TEXT NOT NULL, school_year INTEGER,
  start_date DATE NOT NULL, end_date DATE NOT NULL, parent_id {id},
  school_id {id}
){by_key};
CREATE UNIQUE INDEX terms_external ON terms (district_id, provider_id, external_id);
CREATE TABLE courses (
  {record}, name TEXT NOT NULL, course_code TEXT, course_number TEXT,
  subject TEXT, grade_level TEXT, subjects TEXT, subject_codes TEXT,
  grades TEXT, description TEXT, credits FLOAT, sis_id TEXT, school_id {id},
  school_year_id {id}
){by_key};
CREATE UNIQUE INDEX courses_external ON courses (district_id, provider_id, external_id);
CREATE TABLE classes (
  {record}, school_id {id} NOT NULL, course_id {id}, term_ids TEXT,
  name TEXT NOT NULL, class_code TEXT, class_type TEXT, section_number TEXT,
  subject TEXT, grade_level TEXT, period TEXT, subjects TEXT,
  subject_codes TEXT, grades TEXT, periods TEXT, room TEXT, sis_id TEXT,
  primary_teacher_id {id}
){by_key};
CREATE UNIQUE INDEX classes_external ON classes (district_id, provider_id, external_id);
CREATE TABLE users (
  {record}, username TEXT, email TEXT, first_name TEXT,
  middle_name TEXT, last_name TEXT, preferred_first_name TEXT,
  preferred_middle_name TEXT, preferred_last_name TEXT, pronouns TEXT,
  title TEXT, grade_level TEXT, grades TEXT, graduation_year INTEGER,
  birth_date DATE, gender TEXT, student_number TEXT, staff_id TEXT,
  identifier TEXT, user_ids TEXT, master_identifier TEXT, sis_id TEXT,
  state_id TEXT, phone TEXT, sms TEXT, primary_school_id {id}, enabled BOOLEAN,
  roles TEXT NOT NULL, agent_ids TEXT, scim_status TEXT, scim_id TEXT,
  scim_error TEXT, scim_last_sync {time}
){by_key};
CREATE UNIQUE INDEX users_external ON users (district_id, provider_id, external_id);
CREATE TABLE enrollments (
  {record}, user_id {id} NOT NULL, class_id {id} NOT NULL, school_id {id},
  role TEXT NOT NULL, is_primary BOOLEAN, begin_date DATE, end_date DATE
){by_key};
CREATE TABLE demographics (
  {record}, american_indian_or_alaska_native BOOLEAN, asian BOOLEAN,
  black_or_african_american BOOLEAN,
  native_hawaiian_or_other_pacific_islander BOOLEAN, white BOOLEAN,
  demographic_race_two_or_more_races BOOLEAN,
  hispanic_or_latino_ethnicity BOOLEAN, country_of_birth_code TEXT,
  state_of_birth_abbreviation TEXT, city_of_birth TEXT,
  public_school_residence_status TEXT, user_id {id}
){by_key};
CREATE UNIQUE INDEX demographics_external ON demographics (district_id, provider_id, external_id);
CREATE TABLE class_terms (
  class_id {id} NOT NULL, term_id {id} NOT NULL, district_id TEXT NOT NULL,
  PRIMARY KEY (class_id, term_id)
){by_key};
CREATE TABLE user_roles (
  user_id {id} NOT NULL, position INTEGER NOT NULL, district_id TEXT NOT NULL,
  school_id {id}, role TEXT NOT NULL, source_role TEXT, is_primary BOOLEAN,
  begin_date DATE, end_date DATE, PRIMARY KEY (user_id, position)
){by_key};
CREATE TABLE user_agents (
  user_id {id} NOT NULL, agent_id {id} NOT NULL, district_id TEXT NOT NULL,
  PRIMARY KEY (user_id, agent_id)
){by_key};
CREATE TABLE external_ids (
  district_id TEXT NOT NULL, provider_id TEXT NOT NULL, entity TEXT NOT NULL,
  external_id TEXT NOT NULL, internal_id {id} NOT NULL, active BOOLEAN NOT NULL,
  rule TEXT NOT NULL, first_seen_run TEXT NOT NULL,
  PRIMARY KEY (district_id, provider_id, entity, external_id)
){by_key};
CREATE INDEX ix_external_ids_internal_id ON external_ids (internal_id);
CREATE TABLE sis_providers (
  id TEXT NOT NULL, tenant_id TEXT NOT NULL, provider_type TEXT NOT NULL,
  name TEXT NOT NULL, enabled BOOLEAN NOT NULL, sync_schedule TEXT,
  priority INTEGER NOT NULL, entry_hash TEXT NOT NULL, last_sync_at {time},
  PRIMARY KEY (id)
);
CREATE TABLE sis_sync_runs (
  number {serial},
  id TEXT NOT NULL, district_id TEXT NOT NULL, provider_id TEXT NOT NULL,
  run_id TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  started_at {time} NOT NULL, completed_at {time}, stats_json TEXT,
  error_message TEXT, is_manual BOOLEAN NOT NULL, triggered_by TEXT NOT NULL,
  plan_hash TEXT, changed INTEGER NOT NULL, undoes_run TEXT
);
CREATE UNIQUE INDEX ix_sis_sync_runs_id ON sis_sync_runs (id);
CREATE INDEX sis_sync_runs_of_provider ON sis_sync_runs (provider_id, number);
CREATE TABLE sync_logs (
  id {bigserial}, district_id TEXT NOT NULL, sync_job_id TEXT NOT NULL,
  level TEXT NOT NULL, message TEXT NOT NULL, details TEXT, record_type TEXT,
  record_id TEXT, external_id TEXT, timestamp {time} NOT NULL
);
CREATE INDEX ix_sync_logs_sync_job_id ON sync_logs (sync_job_id);
CREATE TABLE roster_history (
  id {bigserial}, district_id TEXT NOT NULL, provider_id TEXT NOT NULL,
  run_id TEXT NOT NULL, at {time} NOT NULL, entity TEXT NOT NULL,
  record_id {id} NOT NULL, external_id TEXT NOT NULL, action TEXT NOT NULL,
  reason TEXT, fields TEXT NOT NULL, before TEXT, link_before BOOLEAN
);
CREATE INDEX roster_history_run ON roster_history (provider_id, run_id, entity);
CREATE TABLE absent_once (
  district_id TEXT NOT NULL, provider_id TEXT NOT NULL, entity TEXT NOT NULL,
  external_id TEXT NOT NULL, run_id TEXT NOT NULL,
  PRIMARY KEY (district_id, provider_id, entity, external_id)
);
CREATE TABLE identity_conflicts (
  id TEXT NOT NULL, district_id TEXT NOT NULL, provider_id TEXT NOT NULL,
  entity TEXT NOT NULL, external_id TEXT NOT NULL, type TEXT NOT NULL,
  severity TEXT NOT NULL, state TEXT NOT NULL, rule TEXT NOT NULL,
  record_id {id}, run_id TEXT NOT NULL, opened_at {time} NOT NULL,
  resolved_at {time}, resolved_by TEXT, reason TEXT, PRIMARY KEY (id)
);
CREATE TABLE roster_revision (
  district_id TEXT NOT NULL, revision INTEGER NOT NULL, run_id TEXT NOT NULL,
  changed_at {time} NOT NULL, PRIMARY KEY (district_id)
);

-- What other programs read.
CREATE VIEW districts AS SELECT * FROM orgs WHERE org_type = 'district';
CREATE VIEW schools AS SELECT * FROM orgs WHERE org_type <> 'district';
CREATE VIEW sync_jobs AS
SELECT id AS job_id, id, district_id, provider_id, run_id, kind,
  CASE status WHEN 'PENDING' THEN 'pending' WHEN 'IN_PROGRESS' THEN 'running'
    WHEN 'SUCCESS' THEN 'completed' WHEN 'PARTIAL' THEN 'completed'
    WHEN 'WAITING' THEN 'completed'
    WHEN 'CANCELLED' THEN 'cancelled' ELSE 'failed' END AS status,
  started_at, completed_at, stats_json,
  CASE status WHEN 'HELD' THEN 'held for review' ELSE error_message END AS error,
  is_manual, triggered_by
FROM sis_sync_runs;
CREATE VIEW stats_jobs AS
SELECT sync_jobs.*, provider_type,
  CASE provider_type WHEN 'ONEROSTER_API' THEN 'oneroster'
    WHEN 'ONEROSTER_CSV' THEN 'oneroster' ELSE lower(provider_type) END AS connector,
  {fetched} AS records
FROM sync_jobs JOIN sis_providers ON sis_providers.id = sync_jobs.provider_id
WHERE kind = 'sync';
CREATE VIEW stats_overview AS
SELECT district_id, count(*) AS total_jobs,
  sum(CASE WHEN status IN ('pending', 'running') THEN 1 ELSE 0 END) AS active_jobs,
  sum(CASE status WHEN 'completed' THEN 1 ELSE 0 END) AS completed_jobs,
  sum(CASE status WHEN 'failed' THEN 1 ELSE 0 END) AS failed_jobs,
  sum(CASE status WHEN 'completed' THEN records ELSE 0 END) AS total_records_synced,
  max(CASE status WHEN 'completed' THEN completed_at END) AS last_sync
FROM stats_jobs GROUP BY district_id;
CREATE VIEW stats_connectors AS
SELECT district_id, connector, count(*) AS jobs,
  sum(CASE status WHEN 'completed' THEN records ELSE 0 END) AS records,
  round(100.0 * sum(CASE status WHEN 'completed' THEN 1 ELSE 0 END) / nullif(
    sum(CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END), 0
  ), 1) AS success_rate
FROM stats_jobs GROUP BY district_id, connector
