-- +goose Up
CREATE TABLE master_key (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    key_id TEXT NOT NULL
);

-- A row without a key is the tombstone of one that was destroyed.
CREATE TABLE subject_keys (
    name         TEXT PRIMARY KEY,
    wrapped      BLOB,
    created_ms   BIGINT NOT NULL,
    destroyed_ms BIGINT
);

-- +goose Down
DROP TABLE subject_keys;
DROP TABLE master_key;
