-- +goose Up
-- Each hour those that end soon are looked for, page by page.
CREATE INDEX credentials_ending ON credentials (kind, expires_ms, id) WHERE expires_ms IS NOT NULL;

-- +goose Down
DROP INDEX credentials_ending;
