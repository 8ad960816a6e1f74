-- +goose Up

-- Temp keys whose binding is over are looked for, to remove them.
SET @ddl = IF(
  (SELECT COUNT(*) FROM information_schema.statistics
   WHERE table_schema = DATABASE() AND table_name = 'auth_key_lifetimes' AND index_name = 'idx_bound_until') = 0,
  'ALTER TABLE auth_key_lifetimes ADD KEY idx_bound_until (bound_until)', 'DO 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;

-- +goose Down
SET @ddl = IF(
  (SELECT COUNT(*) FROM information_schema.statistics
   WHERE table_schema = DATABASE() AND table_name = 'auth_key_lifetimes' AND index_name = 'idx_bound_until') > 0,
  'ALTER TABLE auth_key_lifetimes DROP KEY idx_bound_until', 'DO 0');
PREPARE ddl FROM @ddl;
EXECUTE ddl;
DEALLOCATE PREPARE ddl;
