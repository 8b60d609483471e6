-- +goose Up
-- What browsers say a Content-Security-Policy blocks, or would. A group is
-- counted, its reports are not kept: they may hold addresses of people's pages.
CREATE TABLE csp_reports (
    policy      TEXT NOT NULL,
    disposition TEXT NOT NULL,
    directive   TEXT NOT NULL,
    blocked     TEXT NOT NULL,
    page        TEXT NOT NULL,
    reports     BIGINT NOT NULL,
    first_ms    BIGINT NOT NULL,
    last_ms     BIGINT NOT NULL,
    PRIMARY KEY (policy, disposition, directive, blocked)
);
CREATE INDEX csp_reports_last ON csp_reports (last_ms);

-- +goose Down
DROP TABLE csp_reports;
