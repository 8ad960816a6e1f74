-- +goose Up

-- How long temp keys live. A key without a row lives for ever, as all keys of
-- a stock install do.
CREATE TABLE IF NOT EXISTS auth_key_lifetimes (
  auth_key_id bigint NOT NULL,
  expires_at bigint NOT NULL DEFAULT 0,
  bound_until bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (auth_key_id),
  KEY idx_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Perm keys whose user still owes the second factor.
CREATE TABLE IF NOT EXISTS auth_password_pendings (
  auth_key_id bigint NOT NULL,
  user_id bigint NOT NULL DEFAULT 0,
  date_created bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (auth_key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The longest text of an IPv6 address has 45 characters. At most 255 bytes
-- long, the column is widened in place.
SET @ddl = IF(
  (SELECT COUNT(*) FROM information_schema.columns
   WHERE table_schema = DATABASE() AND table_name = 'auths' AND column_name = 'client_ip' AND character_maximum_length >= 45) = 0,
  'ALTER TABLE auths MODIFY client_ip varchar(45) NOT NULL DEFAULT ''''', 'DO 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- The temp keys of a perm key are looked up. ADD KEY IF NOT EXISTS is
-- MariaDB's alone; the operator may have such an index already.
SET @ddl = IF(
  (SELECT COUNT(*) FROM information_schema.statistics
   WHERE table_schema = DATABASE() AND table_name = 'auth_key_infos' AND index_name = 'idx_perm_auth_key_id') = 0,
  'ALTER TABLE auth_key_infos ADD KEY idx_perm_auth_key_id (perm_auth_key_id)', 'DO 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- +goose Down
-- client_ip keeps its width: it may hold addresses that would not fit.
SET @ddl = IF(
  (SELECT COUNT(*) FROM information_schema.statistics
   WHERE table_schema = DATABASE() AND table_name = 'auth_key_infos' AND index_name = 'idx_perm_auth_key_id') > 0,
  'ALTER TABLE auth_key_infos DROP KEY idx_perm_auth_key_id', 'DO 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
DROP TABLE IF EXISTS auth_password_pendings;
DROP TABLE IF EXISTS auth_key_lifetimes;
