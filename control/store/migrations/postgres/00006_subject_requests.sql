-- +goose Up
CREATE TABLE subject_requests (
    id             TEXT PRIMARY KEY,
    subject_id     TEXT NOT NULL REFERENCES subjects (id),
    kind           TEXT NOT NULL,
    state          TEXT NOT NULL,
    terms          TEXT NOT NULL,
    -- What people wrote, sealed under the person's own key.
    sealed         TEXT NOT NULL DEFAULT '',
    created_by     TEXT NOT NULL,
    verified_by    TEXT NOT NULL DEFAULT '',
    received_ms    BIGINT NOT NULL,
    due_ms         BIGINT NOT NULL,
    extended_ms    BIGINT,
    verified_ms    BIGINT,
    closed_ms      BIGINT,
    warned         INTEGER NOT NULL DEFAULT 0,
    version        BIGINT NOT NULL DEFAULT 1,
    next_ms        BIGINT NOT NULL DEFAULT 0,
    lease_owner    TEXT NOT NULL DEFAULT '',
    lease_until_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX subject_requests_state ON subject_requests (state, next_ms);
CREATE INDEX subject_requests_subject ON subject_requests (subject_id, id);

CREATE TABLE subject_request_steps (
    request_id TEXT NOT NULL REFERENCES subject_requests (id),
    position   INTEGER NOT NULL,
    system     TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    result     TEXT NOT NULL DEFAULT '{}',
    next_ms    BIGINT NOT NULL DEFAULT 0,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (request_id, position)
);

-- +goose Down
DROP TABLE subject_request_steps;
DROP TABLE subject_requests;
