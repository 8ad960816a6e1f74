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

-- +goose Down
-- The columns go with the table, which another migration made.
SELECT 1;
