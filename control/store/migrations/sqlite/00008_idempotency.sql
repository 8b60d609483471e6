-- +goose Up
-- A row without an answer is a call that is under way, or died.
CREATE TABLE idempotent_calls (
    id           TEXT PRIMARY KEY,
    fingerprint  TEXT NOT NULL,
    claim        TEXT NOT NULL,
    claimed_ms   BIGINT NOT NULL,
    expires_ms   BIGINT NOT NULL,
    answer       BLOB
);
CREATE INDEX idempotent_calls_expires ON idempotent_calls (expires_ms);

-- +goose Down
DROP TABLE idempotent_calls;
