-- +goose Up

-- What was asked of the admin API, by whom, and what came of it. A change has
-- its row before it begins: code is empty until it is done.
CREATE TABLE IF NOT EXISTS auth_admin_logs (
  id bigint NOT NULL AUTO_INCREMENT,
  created_at bigint NOT NULL,
  transport varchar(8) NOT NULL DEFAULT '',
  method varchar(32) NOT NULL DEFAULT '',
  caller varchar(128) NOT NULL DEFAULT '',
  client_ip varchar(45) NOT NULL DEFAULT '',
  user_id bigint NOT NULL DEFAULT 0,
  hash bigint NOT NULL DEFAULT 0,
  request varchar(512) NOT NULL DEFAULT '',
  code varchar(24) NOT NULL DEFAULT '',
  reason varchar(32) NOT NULL DEFAULT '',
  affected int NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_created_at (created_at),
  KEY idx_user_id (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE IF EXISTS auth_admin_logs;
