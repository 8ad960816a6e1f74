-- +goose Up

-- What an operator gave as the reason of an end, and the ticket it was asked for
-- in. One statement a table: it is rebuilt once at most.
SET @ddl = (SELECT IF(SUM(c.column_name = 'revoke_note'), 'DO 0',
  'ALTER TABLE auth_users ADD COLUMN revoke_note varchar(200) NOT NULL DEFAULT '''', ADD COLUMN revoke_ticket varchar(64) NOT NULL DEFAULT ''''')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_users');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'revoke_note'), 'DO 0',
  'ALTER TABLE auth_user_history ADD COLUMN revoke_note varchar(200) NOT NULL DEFAULT '''', ADD COLUMN revoke_ticket varchar(64) NOT NULL DEFAULT ''''')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_user_history');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'note'), 'DO 0',
  'ALTER TABLE auth_admin_logs ADD COLUMN note varchar(200) NOT NULL DEFAULT '''', ADD COLUMN ticket varchar(64) NOT NULL DEFAULT '''', ADD KEY idx_caller_row (caller), ADD KEY idx_method (method), ADD KEY idx_ticket (ticket)')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_admin_logs');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- The audit log of a user is read with the calls that ended logins of theirs.
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_user_log'), 'DO 0', 'ALTER TABLE auth_admin_log_sessions ADD KEY idx_user_log (user_id, log_id)')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_admin_log_sessions');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- Answers of the admin API to changes that came with a key of their caller's, so
-- that a repetition has the same one. answer is NULL while the call is under way.
CREATE TABLE IF NOT EXISTS auth_admin_answers (
  caller varchar(128) NOT NULL,
  idem_key varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_hash binary(32) NOT NULL,
  created_at bigint NOT NULL,
  answer mediumblob,
  PRIMARY KEY (caller, idem_key),
  KEY idx_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Events that a webhook did not take and that were given up. retry: whoever has
-- the webhook delivers it again.
CREATE TABLE IF NOT EXISTS session_webhook_dead (
  id bigint NOT NULL AUTO_INCREMENT,
  name varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_id char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  type varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id bigint NOT NULL DEFAULT 0,
  attempts int NOT NULL DEFAULT 0,
  error varchar(200) NOT NULL DEFAULT '',
  died_at bigint NOT NULL,
  retry tinyint(1) NOT NULL DEFAULT 0,
  body text NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY idx_event (name, event_id),
  KEY idx_name (name),
  KEY idx_user_name (user_id, name),
  KEY idx_name_retry (name, retry),
  KEY idx_died_at (died_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Runs of the clean-up worker, on all nodes; the last ones are kept.
CREATE TABLE IF NOT EXISTS auth_cleanup_runs (
  id bigint NOT NULL AUTO_INCREMENT,
  ended_at bigint NOT NULL,
  took_ms bigint NOT NULL DEFAULT 0,
  result varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  sessions bigint NOT NULL DEFAULT 0,
  removed bigint NOT NULL DEFAULT 0,
  node varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE IF EXISTS auth_cleanup_runs;
DROP TABLE IF EXISTS session_webhook_dead;
DROP TABLE IF EXISTS auth_admin_answers;
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_user_log'), 'ALTER TABLE auth_admin_log_sessions DROP KEY idx_user_log', 'DO 0')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_admin_log_sessions');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'note'),
  'ALTER TABLE auth_admin_logs DROP KEY idx_caller_row, DROP KEY idx_method, DROP KEY idx_ticket, DROP COLUMN note, DROP COLUMN ticket', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_admin_logs');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'revoke_note'), 'ALTER TABLE auth_user_history DROP COLUMN revoke_note, DROP COLUMN revoke_ticket', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_user_history');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'revoke_note'), 'ALTER TABLE auth_users DROP COLUMN revoke_note, DROP COLUMN revoke_ticket', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_users');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
