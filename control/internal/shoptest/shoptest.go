// Package shoptest is somebody else's application for tests: a shop with twelve
// tables in a real PostgreSQL, the data map that fits it, people whose data are
// planted there, and sums that tell whether anything of the others was touched.
package shoptest

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"gatehouse/control/internal/pgtest"
	"gatehouse/control/policy"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

//go:embed shop.sql
var schema string

//go:embed shop.yaml
var privacy string

const preamble = `version: 1
envoy: {listen: 127.0.0.1:8080}
upstreams: {app: {url: "http://127.0.0.1:9000"}}
policies: {base: {headers: {preset: strict}}}
routes: [{path_prefix: /, upstream: app, policy: base}]
`

// Shop is the application's database.
type Shop struct {
	URL, URLFile string
	DB           *sql.DB
}

// Start makes the shop in a database of its own.
func Start(t testing.TB) *Shop {
	t.Helper()
	s := Open(t, pgtest.Start(t))
	s.Exec(t, schema)
	return s
}

// Open takes a shop that was started, perhaps by another process.
func Open(t testing.TB, url string) *Shop {
	t.Helper()
	s := &Shop{URL: url, URLFile: filepath.Join(t.TempDir(), "shop_url")}
	if err := os.WriteFile(s.URLFile, []byte(s.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.DB, err = sql.Open("pgx", s.URL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.DB.Close() })
	return s
}

// Exec runs statements.
func (s *Shop) Exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := s.DB.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
}

// Text is the one value that a query has, as text.
func (s *Shop) Text(t testing.TB, query string, args ...any) string {
	t.Helper()
	var text sql.NullString
	if err := s.DB.QueryRowContext(t.Context(), query, args...).Scan(&text); err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return text.String
}

// YAML is the section privacy of a gatehouse.yaml that fits the shop.
func (s *Shop) YAML() string { return strings.ReplaceAll(privacy, "URL_FILE", s.URLFile) }

// Map is the data map; changes are pairs of an old and a new text in it.
func (s *Shop) Map(t testing.TB, changes ...string) datamap.Map {
	t.Helper()
	text := s.YAML()
	for pair := range slices.Chunk(changes, 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("the map has no %q", pair[0])
		}
		text = strings.Replace(text, pair[0], pair[1], 1)
	}
	c, err := policy.Load("gatehouse.yaml", []byte(preamble+text))
	if err != nil {
		t.Fatal(err)
	}
	return c.Privacy
}

// Person is a customer with all that was planted about them.
type Person struct {
	Name, Number, Email string
	// Data are texts that stand nowhere else, one for each datum.
	Data []string
}

// Known is the person as connectors are told.
func (p Person) Known() connector.Person {
	return connector.Person{Subject: "subject of " + p.Name, Identities: []connector.Identity{
		{Type: "customer_id", Value: p.Number}, {Type: connector.Email, Value: p.Email},
	}}
}

// datum is a text about the person that nobody else has.
func (p *Person) datum() string {
	text := fmt.Sprintf("%s's datum %d", p.Name, len(p.Data)+1)
	p.Data = append(p.Data, text)
	return text
}

// Plant adds a customer with 148 data in eleven tables. Their addresses are
// written with capitals in some places, as people do.
func (s *Shop) Plant(t testing.TB, name string) Person {
	t.Helper()
	p := Person{Name: name, Number: "C-" + name, Email: name + "@example.com"}
	tx, err := s.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &gardener{t: t, ctx: t.Context(), tx: tx, p: &p}
	g.plant()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return p
}

// gardener plants one person.
type gardener struct {
	t   testing.TB
	ctx context.Context
	tx  *sql.Tx
	p   *Person
}

func (g *gardener) add(query string, args ...any) (id int64) {
	g.t.Helper()
	if err := g.tx.QueryRowContext(g.ctx, query, args...).Scan(&id); err != nil {
		g.t.Fatalf("%v\n%s", err, query)
	}
	return id
}

func (g *gardener) plant() {
	p, d := g.p, g.p.datum
	customer := g.add(`INSERT INTO customers (number, email, full_name, phone, birth_date) VALUES ($1, $2, $3, $4, '1990-05-17') RETURNING id`,
		p.Number, strings.ToUpper(p.Email), d(), d())
	var address int64
	for range 5 {
		address = g.add(`INSERT INTO addresses (customer_id, street, city) VALUES ($1, $2, $3) RETURNING id`, customer, d(), d())
	}
	g.add(`UPDATE customers SET default_address = $2 WHERE id = $1 RETURNING id`, customer, address)
	for n := range 20 {
		order := g.add(`INSERT INTO orders (customer_id, ship_to, total, note) VALUES ($1, $2, 12345678901234567.89, $3) RETURNING id`, customer, address, d())
		for line := range 2 {
			g.add(`INSERT INTO order_items (order_id, line, product_id, engraving) VALUES ($1, $2, $3, $4) RETURNING line`, order, line, 1+line, d())
		}
		if n%2 == 0 {
			g.add(`INSERT INTO invoices (number, order_id, bill_name, bill_email, total) VALUES ($1, $2, $3, $4, 10.5) RETURNING 1`,
				fmt.Sprintf("%s-%d", p.Name, n), order, d(), p.Email)
		}
	}
	var review sql.NullInt64
	for range 15 { // each replies to the one before
		review.Int64 = g.add(`INSERT INTO reviews (customer_id, product_id, reply_to, body) VALUES ($1, 3, $2, $3) RETURNING id`, customer, review, d())
		review.Valid = true
	}
	for n := range 5 {
		g.add(`INSERT INTO wishlists (customer_id, product_id, note) VALUES ($1, $2, $3) RETURNING 1`, customer, 1+n, d())
	}
	g.add(`INSERT INTO newsletter (email, topics) VALUES ($1, jsonb_build_array($2::text)) RETURNING 1`, "News."+p.Email, d())
	g.add(`UPDATE newsletter SET email = $2 WHERE email = $1 RETURNING 1`, "News."+p.Email, strings.ToUpper(p.Email[:1])+p.Email[1:])
	for range 5 {
		ticket := g.add(`INSERT INTO tickets (customer_id, subject) VALUES ($1, $2) RETURNING id`, customer, d())
		for range 4 {
			g.add(`INSERT INTO ticket_messages (ticket_id, body) VALUES ($1, $2) RETURNING id`, ticket, d())
		}
	}
	for range 20 {
		g.add(`INSERT INTO visits (customer_number, ip, user_agent) VALUES ($1, '192.0.2.7', $2) RETURNING 1`, p.Number, d())
	}
}

// Tables are all of the shop.
func Tables() []string {
	return []string{
		"products", "customers", "addresses", "orders", "order_items", "invoices", "reviews", "wishlists", "newsletter", "tickets", "ticket_messages", "visits",
	}
}

// Sums are one for each table, over all rows, without the invoices of the
// person whose books are kept.
func (s *Shop) Sums(t testing.TB, keptOf string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range Tables() {
		where := ""
		if name == "invoices" {
			where = " WHERE number NOT LIKE '" + keptOf + "-%'"
		}
		out[name] = s.Text(t, `SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM `+name+` t`+where)
	}
	return out
}

// Mentions counts the rows in which a text stands, in any column.
func (s *Shop) Mentions(t testing.TB, text string) (n int) {
	t.Helper()
	for _, name := range Tables() {
		var in int
		if err := s.DB.QueryRowContext(t.Context(), `SELECT count(*) FROM `+name+` t WHERE position(lower($1) in lower(t::text)) > 0`, text).Scan(&in); err != nil {
			t.Fatal(err)
		}
		n += in
	}
	return n
}

// As has the connector come as another role, which has no password.
func (s *Shop) As(t testing.TB, role string) {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("user", role)
	u.User, u.RawQuery = nil, q.Encode()
	if err := os.WriteFile(s.URLFile, []byte(u.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}
