-- The schema that the migrations end in, for a database that is set up at
-- once (a test compares the two).

CREATE TABLE auth_keys (
  id bigint NOT NULL AUTO_INCREMENT,
  auth_key_id bigint NOT NULL,
  body varchar(512) NOT NULL,
  deleted tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE KEY auth_key_id (auth_key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE auth_key_infos (
  id bigint NOT NULL AUTO_INCREMENT,
  auth_key_id bigint NOT NULL,
  auth_key_type int NOT NULL,
  perm_auth_key_id bigint NOT NULL DEFAULT 0,
  temp_auth_key_id bigint NOT NULL DEFAULT 0,
  media_temp_auth_key_id bigint NOT NULL DEFAULT 0,
  deleted tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE KEY auth_key_id (auth_key_id),
  KEY idx_perm_auth_key_id (perm_auth_key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE auths (
  id bigint NOT NULL AUTO_INCREMENT,
  auth_key_id bigint NOT NULL,
  layer int NOT NULL DEFAULT 0,
  api_id int NOT NULL,
  device_model varchar(255) NOT NULL DEFAULT '',
  system_version varchar(255) NOT NULL DEFAULT '',
  app_version varchar(255) NOT NULL DEFAULT '',
  system_lang_code varchar(255) NOT NULL DEFAULT '',
  lang_pack varchar(255) NOT NULL DEFAULT '',
  lang_code varchar(255) NOT NULL DEFAULT '',
  system_code varchar(256) NOT NULL DEFAULT '',
  proxy varchar(512) NOT NULL DEFAULT '',
  params json NOT NULL,
  client_ip varchar(45) NOT NULL DEFAULT '',
  date_active bigint NOT NULL DEFAULT 0,
  deleted tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  country varchar(128) NOT NULL DEFAULT '',
  region varchar(16) NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  UNIQUE KEY auth_key_id (auth_key_id),
  KEY idx_active (date_active),
  KEY idx_client_ip (client_ip, auth_key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- addresses are those that a login was used from, as JSON; NULL or empty:
-- none was noted.
CREATE TABLE auth_users (
  id bigint NOT NULL AUTO_INCREMENT,
  auth_key_id bigint NOT NULL,
  user_id bigint NOT NULL DEFAULT 0,
  hash bigint NOT NULL DEFAULT 0,
  date_created bigint NOT NULL DEFAULT 0,
  date_active bigint NOT NULL DEFAULT 0,
  state int NOT NULL DEFAULT 0,
  android_push_session_id bigint NOT NULL DEFAULT 0,
  deleted tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  device_type varchar(16) NOT NULL DEFAULT '',
  revoked_at bigint NOT NULL DEFAULT 0,
  revoke_reason tinyint NOT NULL DEFAULT 0,
  revoked_by varchar(64) NOT NULL DEFAULT '',
  unconfirmed_until bigint NOT NULL DEFAULT 0,
  encrypted_requests_disabled tinyint(1) NOT NULL DEFAULT 0,
  call_requests_disabled tinyint(1) NOT NULL DEFAULT 0,
  addresses text,
  revoke_note varchar(200) NOT NULL DEFAULT '',
  revoke_ticket varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  UNIQUE KEY auth_key_id (auth_key_id, user_id),
  KEY auth_key_id_2 (auth_key_id, user_id, deleted),
  KEY idx_user_deleted (user_id, deleted),
  KEY idx_user_deleted_active (user_id, deleted, date_active),
  KEY idx_deleted_active (deleted, date_active),
  KEY idx_deleted_type (deleted, device_type, unconfirmed_until),
  KEY idx_hash (hash),
  KEY idx_created (date_created),
  KEY idx_user_created (user_id, date_created)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How long temp keys live. A key without a row lives for ever, as all keys of
-- a stock install do.
CREATE TABLE auth_key_lifetimes (
  auth_key_id bigint NOT NULL,
  expires_at bigint NOT NULL DEFAULT 0,
  bound_until bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (auth_key_id),
  KEY idx_expires_at (expires_at),
  KEY idx_bound_until (bound_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Calls on a perm key (owner) that may leave a login which owes the second
-- factor: user_id's, or, while it is 0, that of who logs in next. seq counts the
-- marks of a key.
CREATE TABLE auth_password_pendings (
  auth_key_id bigint NOT NULL,
  owner bigint NOT NULL DEFAULT 0,
  user_id bigint NOT NULL DEFAULT 0,
  date_created bigint NOT NULL DEFAULT 0,
  seq bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (auth_key_id, owner),
  KEY idx_in_flight (user_id, date_created)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What a user chose, or an operator for them; 0 and '' are as configured. A
-- sign-in locks its user's row, so that sign-ins of a user follow each other.
CREATE TABLE auth_user_settings (
  user_id bigint NOT NULL,
  authorization_ttl_days int NOT NULL DEFAULT 0,
  strategy varchar(32) NOT NULL DEFAULT '',
  limit_n int NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id),
  KEY idx_ttl (authorization_ttl_days)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Events of sessions, written in the transaction of the change they tell of.
-- They stay for a while after they were published, should Redis forget them:
-- with the number of the batch (0: it waits), and its time in Unix milliseconds.
CREATE TABLE session_events (
  id bigint NOT NULL AUTO_INCREMENT,
  created_at bigint NOT NULL,
  event_id char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  type varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  body text NOT NULL,
  published_no bigint NOT NULL DEFAULT 0,
  published_at bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  KEY idx_published (published_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Who may do a piece of background work (holder), until when (lease_until, Unix
-- seconds), and with which token: the highest there was. renewals counts, so
-- that every renewal changes its row.
CREATE TABLE session_fences (
  name varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  token bigint NOT NULL,
  holder varchar(64) NOT NULL DEFAULT '',
  lease_until bigint NOT NULL DEFAULT 0,
  renewals bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What was asked of the admin API, by whom, and what came of it. A change has
-- its row before it begins: code is empty until it is done.
CREATE TABLE auth_admin_logs (
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
  note varchar(200) NOT NULL DEFAULT '',
  ticket varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  KEY idx_created_at (created_at),
  KEY idx_user_id (user_id),
  KEY idx_caller (caller, created_at),
  KEY idx_caller_row (caller),
  KEY idx_method (method),
  KEY idx_ticket (ticket)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The logins that a call of the admin API ended.
CREATE TABLE auth_admin_log_sessions (
  id bigint NOT NULL AUTO_INCREMENT,
  log_id bigint NOT NULL,
  user_id bigint NOT NULL,
  hash bigint NOT NULL,
  PRIMARY KEY (id),
  KEY idx_log_id (log_id),
  KEY idx_user_id (user_id),
  KEY idx_user_log (user_id, log_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Logins that ended before another began on their key: the row of auth_users,
-- of which a stock install has one a key and user, goes on as the new login.
CREATE TABLE auth_user_history (
  id bigint NOT NULL AUTO_INCREMENT,
  auth_key_id bigint NOT NULL,
  user_id bigint NOT NULL,
  hash bigint NOT NULL,
  date_created bigint NOT NULL,
  date_active bigint NOT NULL,
  device_type varchar(16) NOT NULL DEFAULT '',
  revoked_at bigint NOT NULL,
  revoke_reason tinyint NOT NULL,
  revoked_by varchar(64) NOT NULL DEFAULT '',
  addresses text,
  revoke_note varchar(200) NOT NULL DEFAULT '',
  revoke_ticket varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  KEY idx_created (date_created),
  KEY idx_user_created (user_id, date_created),
  KEY idx_hash (hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Which batch of events a webhook has done with.
CREATE TABLE session_webhooks (
  name varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  published_no bigint NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Keys of changed rows that Redis could not be told of: written in the
-- transaction of their change, removed by whichever node has told Redis.
CREATE TABLE auth_cache_releases (
  id bigint NOT NULL AUTO_INCREMENT,
  cache_key varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Answers of the admin API to changes that came with a key of their caller's, so
-- that a repetition has the same one. answer is NULL while the call is under way.
CREATE TABLE auth_admin_answers (
  caller varchar(128) NOT NULL,
  idem_key varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_hash binary(32) NOT NULL,
  created_at bigint NOT NULL,
  answer mediumblob,
  PRIMARY KEY (caller, idem_key),
  KEY idx_created_at (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Events that a webhook did not take and that were given up. retry: whoever has
-- the webhook delivers it again.
CREATE TABLE session_webhook_dead (
  id bigint NOT NULL AUTO_INCREMENT,
  name varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_id char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  type varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id bigint NOT NULL DEFAULT 0,
  attempts int NOT NULL DEFAULT 0,
  error varchar(200) NOT NULL DEFAULT '',
  died_at bigint NOT NULL,
  retry tinyint(1) NOT NULL DEFAULT 0,
  body text NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY idx_event (name, event_id),
  KEY idx_name (name),
  KEY idx_user_name (user_id, name),
  KEY idx_name_retry (name, retry),
  KEY idx_died_at (died_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Runs of the clean-up worker, on all nodes; the last ones are kept.
CREATE TABLE auth_cleanup_runs (
  id bigint NOT NULL AUTO_INCREMENT,
  ended_at bigint NOT NULL,
  took_ms bigint NOT NULL DEFAULT 0,
  result varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  sessions bigint NOT NULL DEFAULT 0,
  removed bigint NOT NULL DEFAULT 0,
  node varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
