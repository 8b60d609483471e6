-- +goose Up
-- People as rights know them. Nothing here names anybody without the keys.
CREATE TABLE subjects (
    id         TEXT PRIMARY KEY,
    pseudonym  TEXT NOT NULL UNIQUE,
    user_id    TEXT UNIQUE,
    restricted BOOLEAN NOT NULL DEFAULT FALSE,
    created_ms BIGINT NOT NULL,
    erased_ms  BIGINT
);

CREATE TABLE subject_identities (
    type       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    subject_id TEXT NOT NULL REFERENCES subjects (id),
    sealed     TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (type, hash)
);
CREATE INDEX subject_identities_subject ON subject_identities (subject_id);

-- The number of the newest entry, taken under a lock: no gaps, no overtaking.
CREATE TABLE consent_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL
);
INSERT INTO consent_head (one, seq) VALUES (1, 0);

CREATE TABLE consents (
    seq            BIGINT PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    subject_id     TEXT NOT NULL REFERENCES subjects (id),
    purpose        TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('given', 'withdrawn')),
    notice_version TEXT NOT NULL,
    channel        TEXT NOT NULL,
    by_name        TEXT NOT NULL,
    recorded_ms    BIGINT NOT NULL
);
CREATE INDEX consents_subject ON consents (subject_id, purpose, seq);

-- +goose StatementBegin
CREATE TRIGGER consents_stay BEFORE UPDATE ON consents BEGIN SELECT RAISE(ABORT, 'the ledger of consents is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER consents_remain BEFORE DELETE ON consents BEGIN SELECT RAISE(ABORT, 'the ledger of consents is append-only'); END;
-- +goose StatementEnd

-- Events that are not yet known to be in the audit log.
CREATE TABLE privacy_outbox (
    id     TEXT PRIMARY KEY,
    event  TEXT NOT NULL,
    due_ms BIGINT NOT NULL
);
CREATE INDEX privacy_outbox_due ON privacy_outbox (due_ms);

-- +goose Down
DROP TABLE privacy_outbox;
DROP TABLE consents;
DROP TABLE consent_head;
DROP TABLE subject_identities;
DROP TABLE subjects;
