-- +goose Up

-- The addresses that a login was used from, as JSON; NULL or empty: none was
-- noted. The row has them, so they go where it goes. One statement a table: it is
-- rebuilt once at most.
SET @ddl = (SELECT IF(SUM(c.column_name = 'addresses'), 'DO 0', 'ALTER TABLE auth_users ADD COLUMN addresses text')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_users');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'addresses'), 'DO 0', 'ALTER TABLE auth_user_history ADD COLUMN addresses text')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_user_history');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- Devices that were not heard of for long are looked for, to remove those that
-- nobody is logged in on.
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_active'), 'DO 0', 'ALTER TABLE auths ADD KEY idx_active (date_active)')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auths');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- +goose Down
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_active'), 'ALTER TABLE auths DROP KEY idx_active', 'DO 0')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auths');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'addresses'), 'ALTER TABLE auth_user_history DROP COLUMN addresses', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_user_history');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
SET @ddl = (SELECT IF(SUM(c.column_name = 'addresses'), 'ALTER TABLE auth_users DROP COLUMN addresses', 'DO 0')
  FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = 'auth_users');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
