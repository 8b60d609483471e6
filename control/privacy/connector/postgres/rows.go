package postgres

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"gatehouse/control/privacy/connector"
)

// quote writes a name so that it cannot be anything else.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// selection says which rows of a collection are a person's: a condition on the
// table under the alias t, with one parameter.
type selection struct {
	condition string
	values    []string
}

// theirs selects a person's rows; false if the person has no identity of the
// type that the rows are found by, and so none of the rows.
func (c *collection) theirs(p connector.Person) (selection, bool) {
	root := c.root()
	key, _ := root.table.column(root.Key.Column)
	values := fitting(key, p.Of(root.Key.Identity))
	if len(values) == 0 {
		return selection{}, false
	}
	return selection{condition: c.condition("t", key), values: values}, true
}

func (c *collection) condition(alias string, key column) string {
	if c.parent == nil {
		return identified(alias+"."+quote(c.Key.Column), c.Key.Identity, key)
	}
	parent := alias + "p"
	return fmt.Sprintf("%s.%s IN (SELECT %s.%s FROM %s %s WHERE %s)", alias, quote(c.Parent.Column),
		parent, quote(c.Parent.References), c.parent.table.quoted(), parent, c.parent.condition(parent, key))
}

// identified compares a column with the values of an identity in the way that
// uses an index, if there is one. Addresses have no case here.
func identified(expression, identity string, key column) string {
	switch {
	case identity == connector.Email:
		return "lower(" + expression + "::text) = ANY($1::text[])"
	case key.category == "N" || key.base == "uuid":
		return expression + " = ANY(CAST($1::text[] AS " + key.base + "[]))"
	case key.text():
		return expression + " = ANY($1::text[])"
	}
	return expression + "::text = ANY($1::text[])"
}

var uuidText = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// fitting leaves out what the column cannot hold, and so does not.
func fitting(c column, values []string) (out []string) {
	for _, v := range values {
		if strings.ContainsRune(v, 0) {
			continue
		}
		ok := true
		switch {
		case c.base == "uuid":
			ok = uuidText.MatchString(v)
		case c.category == "N":
			n, err := strconv.ParseInt(v, 10, 64)
			ok = err == nil && (c.base != "integer" || n >= math.MinInt32 && n <= math.MaxInt32) &&
				(c.base != "smallint" || n >= math.MinInt16 && n <= math.MaxInt16)
		}
		if ok {
			out = append(out, v)
		}
	}
	return out
}

// place is how a set of rows remembers one row: by key, or by where it is.
func (t *table) place(alias string) []string {
	names := []string{"tableoid", "ctid"}
	if len(t.key) > 0 {
		names = t.key
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = alias + "." + quote(name)
	}
	return out
}

// same says that a row is one of a set's, which has the alias k.
func (t *table) same(row string) string {
	parts := t.place(row)
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%s = k.k%d", p, i)
	}
	return strings.Join(parts, " AND ")
}
