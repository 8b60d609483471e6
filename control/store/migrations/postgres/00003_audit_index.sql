-- +goose Up
CREATE TABLE audit_index (
    leaf       BIGINT PRIMARY KEY,
    event_id   TEXT NOT NULL,
    time_ms    BIGINT NOT NULL,
    type       TEXT NOT NULL,
    severity   TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    subject    TEXT,
    client     TEXT,
    request_id TEXT,
    feature    TEXT,
    rule       TEXT,
    text       TEXT NOT NULL
);
CREATE INDEX audit_index_event ON audit_index (event_id);
CREATE INDEX audit_index_type ON audit_index (type, leaf);
CREATE INDEX audit_index_time ON audit_index (time_ms);
CREATE INDEX audit_index_subject ON audit_index (subject, leaf) WHERE subject IS NOT NULL;
CREATE INDEX audit_index_client ON audit_index (client, leaf) WHERE client IS NOT NULL;
CREATE INDEX audit_index_request ON audit_index (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE audit_index_state (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    log  TEXT NOT NULL,
    next BIGINT NOT NULL
);
INSERT INTO audit_index_state (one, log, next) VALUES (1, '', 0);

-- +goose Down
DROP TABLE audit_index_state;
DROP TABLE audit_index;
