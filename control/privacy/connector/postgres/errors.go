package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// PlanError says that the data map and the database do not fit, or that an
// erasure would reach further than the map says. Nothing was changed.
type PlanError struct {
	System string
	Faults []string // each one line
}

// Error implements error.
func (e *PlanError) Error() string {
	text := fmt.Sprintf("system %s: refused, and nothing was changed: %s", e.System, e.Faults[0])
	if more := len(e.Faults) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// conditions are what PostgreSQL's classes of errors mean here (appendix A of
// its manual).
var conditions = []struct{ code, what, advice string }{
	{"57014", "a statement took too long or was cancelled", "raise timeout, or add an index on the key's column"},
	{"55P03", "somebody else holds the rows", "it is tried again"},
	{"40", "it met another transaction", "it is tried again"},
	{"42501", "the role may not do this", "grant it SELECT, UPDATE and DELETE on the mapped tables, and TEMPORARY on the database"},
	{"42", "the database knows no such thing", "compare the map with `gatehouse subject check-map`"},
	{"22", "a value does not fit its column", "write another one"},
	{"23503", "a foreign key stands against it", "map the table that refers to it"},
	{"23", "a constraint stands against it", "choose another on_erasure for the column"},
	{"25P03", "the transaction waited too long for its reader", "fetch the archive faster, or again"},
	{"28", "the database refuses the role", "check user and password in url_file"},
	{"3D", "there is no such database", "check url_file"},
	{"53", "the database has no room left", "it is tried again"},
	{"57", "the database is stopping or starting", "it is tried again"},
}

// explain says what went wrong without the database's own words, which may
// repeat what a row holds.
func (c *Connector) explain(what string, err error) error {
	var told *pgconn.PgError
	var network *net.OpError
	prefix := fmt.Sprintf("system %s: %s", c.system.Name, what)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", prefix, ended(err))
	case errors.As(err, &told):
		return fmt.Errorf("%s: %s", prefix, describe(told))
	case errors.As(err, &network):
		return fmt.Errorf("%s: %s %s: %w: is the database there?", prefix, network.Op, network.Net, network.Err)
	}
	return fmt.Errorf("%s: %w", prefix, err)
}

// ended leaves out what a driver adds to the end of a context.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return context.DeadlineExceeded
}

func describe(e *pgconn.PgError) string {
	var b strings.Builder
	what, advice := "the database refuses it", ""
	for _, known := range conditions {
		if strings.HasPrefix(e.Code, known.code) {
			what, advice = known.what, known.advice
			break
		}
	}
	fmt.Fprintf(&b, "%s (SQLSTATE %s", what, e.Code)
	for _, part := range [][2]string{{"table", e.TableName}, {"column", e.ColumnName}, {"constraint", e.ConstraintName}} {
		if part[1] != "" {
			fmt.Fprintf(&b, ", %s %s", part[0], part[1])
		}
	}
	b.WriteString(")")
	if advice != "" {
		b.WriteString(": " + advice)
	}
	return b.String()
}
