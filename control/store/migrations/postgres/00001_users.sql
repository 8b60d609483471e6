-- +goose Up
CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    disabled      BOOLEAN NOT NULL DEFAULT FALSE,
    roles         TEXT NOT NULL DEFAULT '[]',
    created_ms    BIGINT NOT NULL,
    updated_ms    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE users;
