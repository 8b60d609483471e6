-- +goose Up
-- Addresses that people want mail to go to, until they have confirmed them.
CREATE TABLE email_changes (
    user_id    TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    lookup     TEXT NOT NULL UNIQUE,
    former     TEXT NOT NULL,
    email      TEXT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX email_changes_expiry ON email_changes (expires_ms);
CREATE INDEX users_email ON users (lower(email)) WHERE email <> '';

-- +goose Down
DROP INDEX users_email;
DROP TABLE email_changes;
