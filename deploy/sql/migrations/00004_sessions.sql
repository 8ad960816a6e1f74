-- +goose Up

-- What a session manager knows of a login beyond what stock writes. Every
-- column has a default, so that stock nodes go on writing their rows. One
-- statement a table: it is rebuilt once at most.
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(c.column_name = 'device_type'), NULL, 'ADD COLUMN device_type varchar(16) NOT NULL DEFAULT ''''' ),
  IF(SUM(c.column_name = 'revoked_at'), NULL, 'ADD COLUMN revoked_at bigint NOT NULL DEFAULT 0'),
  IF(SUM(c.column_name = 'revoke_reason'), NULL, 'ADD COLUMN revoke_reason tinyint NOT NULL DEFAULT 0'),
  IF(SUM(c.column_name = 'revoked_by'), NULL, 'ADD COLUMN revoked_by varchar(64) NOT NULL DEFAULT '''''),
  IF(SUM(c.column_name = 'unconfirmed_until'), NULL, 'ADD COLUMN unconfirmed_until bigint NOT NULL DEFAULT 0'),
  IF(SUM(c.column_name = 'encrypted_requests_disabled'), NULL, 'ADD COLUMN encrypted_requests_disabled tinyint(1) NOT NULL DEFAULT 0'),
  IF(SUM(c.column_name = 'call_requests_disabled'), NULL, 'ADD COLUMN call_requests_disabled tinyint(1) NOT NULL DEFAULT 0'))
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_users');
SET @ddl = (SELECT CONCAT_WS(', ', NULLIF(@ddl, ''),
  IF(SUM(s.index_name = 'idx_user_deleted_active'), NULL, 'ADD KEY idx_user_deleted_active (user_id, deleted, date_active)'),
  IF(SUM(s.index_name = 'idx_deleted_active'), NULL, 'ADD KEY idx_deleted_active (deleted, date_active)'),
  IF(SUM(s.index_name = 'idx_deleted_type'), NULL, 'ADD KEY idx_deleted_type (deleted, device_type, unconfirmed_until)'),
  IF(SUM(s.index_name = 'idx_hash'), NULL, 'ADD KEY idx_hash (hash)'))
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_users');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auth_users ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- The place of client_ip.
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(c.column_name = 'country'), NULL, 'ADD COLUMN country varchar(128) NOT NULL DEFAULT '''''),
  IF(SUM(c.column_name = 'region'), NULL, 'ADD COLUMN region varchar(16) NOT NULL DEFAULT '''''))
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auths');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auths ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- What a user chose, or an operator for them; 0 and '' are as configured. A
-- sign-in locks its user's row, so that sign-ins of a user follow each other.
CREATE TABLE IF NOT EXISTS auth_user_settings (
  user_id bigint NOT NULL,
  authorization_ttl_days int NOT NULL DEFAULT 0,
  strategy varchar(32) NOT NULL DEFAULT '',
  limit_n int NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id),
  KEY idx_ttl (authorization_ttl_days)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE IF EXISTS auth_user_settings;
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(c.column_name = 'country'), 'DROP COLUMN country', NULL),
  IF(SUM(c.column_name = 'region'), 'DROP COLUMN region', NULL))
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auths');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auths ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(s.index_name = 'idx_user_deleted_active'), 'DROP KEY idx_user_deleted_active', NULL),
  IF(SUM(s.index_name = 'idx_deleted_active'), 'DROP KEY idx_deleted_active', NULL),
  IF(SUM(s.index_name = 'idx_deleted_type'), 'DROP KEY idx_deleted_type', NULL),
  IF(SUM(s.index_name = 'idx_hash'), 'DROP KEY idx_hash', NULL))
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_users');
SET @ddl = (SELECT CONCAT_WS(', ', NULLIF(@ddl, ''),
  IF(SUM(c.column_name = 'device_type'), 'DROP COLUMN device_type', NULL),
  IF(SUM(c.column_name = 'revoked_at'), 'DROP COLUMN revoked_at', NULL),
  IF(SUM(c.column_name = 'revoke_reason'), 'DROP COLUMN revoke_reason', NULL),
  IF(SUM(c.column_name = 'revoked_by'), 'DROP COLUMN revoked_by', NULL),
  IF(SUM(c.column_name = 'unconfirmed_until'), 'DROP COLUMN unconfirmed_until', NULL),
  IF(SUM(c.column_name = 'encrypted_requests_disabled'), 'DROP COLUMN encrypted_requests_disabled', NULL),
  IF(SUM(c.column_name = 'call_requests_disabled'), 'DROP COLUMN call_requests_disabled', NULL))
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_users');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auth_users ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
