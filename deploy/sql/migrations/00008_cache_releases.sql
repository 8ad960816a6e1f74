-- +goose Up

-- Keys of changed rows that Redis could not be told of: written in the
-- transaction of their change, removed by whichever node has told Redis.
CREATE TABLE IF NOT EXISTS auth_cache_releases (
  id bigint NOT NULL AUTO_INCREMENT,
  cache_key varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE IF EXISTS auth_cache_releases;
