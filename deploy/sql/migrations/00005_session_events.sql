-- +goose Up

-- Events of sessions that are not on the stream yet: written in the
-- transaction of the change they tell of, removed when they are published.
CREATE TABLE IF NOT EXISTS session_events (
  id bigint NOT NULL AUTO_INCREMENT,
  created_at bigint NOT NULL,
  event_id char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  type varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Who may do a piece of background work: the highest token there is.
CREATE TABLE IF NOT EXISTS session_fences (
  name varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  token bigint NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE IF EXISTS session_fences;
DROP TABLE IF EXISTS session_events;
