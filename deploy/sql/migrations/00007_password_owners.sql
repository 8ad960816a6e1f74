-- +goose Up

-- A mark is one call's, not its key's: a key may have several.
SET @ddl = (SELECT CONCAT_WS(', ',
  IF(SUM(c.column_name = 'owner'), NULL, 'ADD COLUMN owner bigint NOT NULL DEFAULT 0 AFTER auth_key_id'),
  IF(SUM(c.column_name = 'seq'), NULL, 'ADD COLUMN seq bigint NOT NULL DEFAULT 0'))
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_password_pendings');
SET @ddl = (SELECT CONCAT_WS(', ', NULLIF(@ddl, ''),
  IF(SUM(s.index_name = 'PRIMARY' AND s.column_name = 'owner'), NULL, 'DROP PRIMARY KEY, ADD PRIMARY KEY (auth_key_id, owner)'),
  IF(SUM(s.index_name = 'idx_in_flight'), NULL, 'ADD KEY idx_in_flight (user_id, date_created)'))
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auth_password_pendings');
SET @ddl = IF(@ddl = '', 'DO 0', CONCAT('ALTER TABLE auth_password_pendings ', @ddl));
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- Marks that name no user belonged to whoever was logged in on their key. They
-- still do: one of them may stand for a password that was never checked.
UPDATE auth_password_pendings p JOIN auth_users u ON u.auth_key_id = p.auth_key_id AND u.deleted = 0
  SET p.user_id = u.user_id WHERE p.user_id = 0;

-- +goose Down
-- The table goes with the migration that made it.
SELECT 1;
