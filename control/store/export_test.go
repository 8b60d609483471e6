package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"gatehouse/authz/login"
)

// EndingPlan is how the database finds the credentials that end, and TakenPlan how
// it finds whose an address is.
func (s *Store) EndingPlan(ctx context.Context, after, until time.Time, afterID string) (string, error) {
	query, args := endingQuery(login.KindAPIKey, after, until, afterID, 200)
	return s.plan(ctx, query, args...)
}

func (s *Store) TakenPlan(ctx context.Context, address string) (string, error) {
	return s.plan(ctx, takenQuery, address, "")
}

func (s *Store) plan(ctx context.Context, query string, args ...any) (plan string, err error) {
	explain := "EXPLAIN QUERY PLAN "
	if s.postgres {
		explain = "EXPLAIN "
	}
	rows, err := s.query(ctx, explain+query, args...)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var lines []string
	for rows.Next() {
		cells, line := make([]any, len(columns)), ""
		for i := range cells {
			cells[i] = new(any)
		}
		cells[len(cells)-1] = &line // the last of either kind is the step's text
		if err := rows.Scan(cells...); err != nil {
			return "", err
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), rows.Err()
}

// Run runs a statement that only a test needs.
func (s *Store) Run(ctx context.Context, query string, args ...any) error {
	_, err := s.exec(ctx, query, args...)
	return err
}
