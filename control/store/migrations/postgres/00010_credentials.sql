-- +goose Up
ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';

-- What users can prove who they are with, besides the password. Nothing here
-- opens anything by itself: hashes, public keys, and secrets that are sealed.
CREATE TABLE credentials (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('totp', 'recovery', 'passkey', 'api_key', 'reset', 'openid')),
    lookup     TEXT,
    label      TEXT NOT NULL,
    data       TEXT NOT NULL,
    counter    BIGINT NOT NULL,
    active     BOOLEAN NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms    BIGINT,
    expires_ms BIGINT,
    UNIQUE (kind, lookup)
);
CREATE INDEX credentials_user ON credentials (user_id, kind);
CREATE INDEX credentials_expiry ON credentials (expires_ms) WHERE kind = 'reset';

-- +goose Down
DROP TABLE credentials;
ALTER TABLE users DROP COLUMN email;
