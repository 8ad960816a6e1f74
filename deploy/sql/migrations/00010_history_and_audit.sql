-- +goose Up

-- Logins that ended before another began on their key: the row of auth_users,
-- of which a stock install has one a key and user, goes on as the new login.
CREATE TABLE IF NOT EXISTS auth_user_history (
  id bigint NOT NULL AUTO_INCREMENT,
  auth_key_id bigint NOT NULL,
  user_id bigint NOT NULL,
  hash bigint NOT NULL,
  date_created bigint NOT NULL,
  date_active bigint NOT NULL,
  device_type varchar(16) NOT NULL DEFAULT '',
  revoked_at bigint NOT NULL,
  revoke_reason tinyint NOT NULL,
  revoked_by varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  KEY idx_created (date_created),
  KEY idx_user_created (user_id, date_created),
  KEY idx_hash (hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Lists go by the date of the sign-in.
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(s.index_name = 'idx_created'), NULL, 'ADD KEY idx_created (date_created)'),
  IF(SUM(s.index_name = 'idx_user_created'), NULL, 'ADD KEY idx_user_created (user_id, date_created)'))
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_users');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auth_users ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- The logins that a call of the admin API ended.
CREATE TABLE IF NOT EXISTS auth_admin_log_sessions (
  id bigint NOT NULL AUTO_INCREMENT,
  log_id bigint NOT NULL,
  user_id bigint NOT NULL,
  hash bigint NOT NULL,
  PRIMARY KEY (id),
  KEY idx_log_id (log_id),
  KEY idx_user_id (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What somebody did, and the refusals of nobody in particular.
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_caller'), 'DO 0', 'ALTER TABLE auth_admin_logs ADD KEY idx_caller (caller, created_at)')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_admin_logs');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- Events stay for a while after they were published, should Redis forget them:
-- with the number of the batch (0: it waits), and its time in Unix milliseconds.
SET @ddl = (SELECT IF(SUM(c.column_name = 'published_no'), 'DO 0',
  'ALTER TABLE session_events ADD COLUMN published_no bigint NOT NULL DEFAULT 0, ADD COLUMN published_at bigint NOT NULL DEFAULT 0, ADD KEY idx_published (published_no)')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'session_events');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- Which batch of events a webhook has done with.
CREATE TABLE IF NOT EXISTS session_webhooks (
  name varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  published_no bigint NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE IF EXISTS auth_user_history;
DROP TABLE IF EXISTS auth_admin_log_sessions;
DROP TABLE IF EXISTS session_webhooks;
SET @ddl = (SELECT CONCAT_WS(', ', IF(SUM(s.index_name = 'idx_created'), 'DROP KEY idx_created', NULL), IF(SUM(s.index_name = 'idx_user_created'), 'DROP KEY idx_user_created', NULL))
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_users');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auth_users ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_caller'), 'ALTER TABLE auth_admin_logs DROP KEY idx_caller', 'DO 0')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_admin_logs');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
-- What was published is taken for what waits by the nodes of before.
SET @ddl = (SELECT IF(SUM(c.column_name = 'published_no'), 'DELETE FROM session_events WHERE published_no > 0', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'session_events');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'published_no'), 'ALTER TABLE session_events DROP KEY idx_published, DROP COLUMN published_no, DROP COLUMN published_at', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'session_events');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
