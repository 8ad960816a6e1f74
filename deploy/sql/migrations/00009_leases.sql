-- +goose NO TRANSACTION
-- +goose Up

-- A fence is also a lease: who has the piece of work, until when (Unix
-- seconds), and how often that was renewed.
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(c.column_name = 'holder'), NULL, 'ADD COLUMN holder varchar(64) NOT NULL DEFAULT '''''),
  IF(SUM(c.column_name = 'lease_until'), NULL, 'ADD COLUMN lease_until bigint NOT NULL DEFAULT 0'),
  IF(SUM(c.column_name = 'renewals'), NULL, 'ADD COLUMN renewals bigint NOT NULL DEFAULT 0'))
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'session_fences');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE session_fences ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- The times of their own that users chose in a stock install, where its table of
-- users is in the same database. 180 days are the stock default, so nobody's
-- choice. The rows are read without locks: they are in use.
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET @import = IF(
  (SELECT COUNT(*) FROM information_schema.columns
   WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name IN ('id', 'authorization_ttl_days')) = 2,
  'INSERT INTO auth_user_settings(user_id, authorization_ttl_days) SELECT u.id, u.authorization_ttl_days FROM users u WHERE u.authorization_ttl_days > 0 AND u.authorization_ttl_days <> 180 ON DUPLICATE KEY UPDATE authorization_ttl_days = IF(auth_user_settings.authorization_ttl_days = 0, VALUES(authorization_ttl_days), auth_user_settings.authorization_ttl_days)',
  'DO 0');
PREPARE import FROM @import;
EXECUTE import;
DEALLOCATE PREPARE import;
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;

-- Logins that a stock install had are not ended by the first clean-up, until an
-- operator says so: this row says that it waits.
INSERT IGNORE INTO session_fences(name, token)
  SELECT 'authsession.cleanup.waits', 0 FROM (SELECT 1 AS one) AS yes
  WHERE EXISTS (SELECT 1 FROM auth_users WHERE deleted = 0)
  AND NOT EXISTS (SELECT 1 FROM session_fences WHERE name = 'authsession.cleanup');

-- +goose Down
-- The columns go with the table, which another migration made.
SELECT 1;
