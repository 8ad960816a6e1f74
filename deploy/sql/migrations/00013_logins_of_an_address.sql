-- +goose Up

-- The devices that were seen last at an address are looked for, without a look at
-- their rows.
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_client_ip'), 'DO 0', 'ALTER TABLE auths ADD KEY idx_client_ip (client_ip, auth_key_id)')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auths');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- +goose Down
SET @ddl = (SELECT IF(SUM(s.index_name = 'idx_client_ip'), 'ALTER TABLE auths DROP KEY idx_client_ip', 'DO 0')
  FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name = 'auths');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
