package postgres_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"gatehouse/control/internal/shoptest"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/connector/postgres"
)

func TestAnErasureThatWouldReachFurtherThanTheMapIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change  func(t *testing.T, s *shoptest.Shop)
		mapping []string
		want    string
	}{
		"another's row refers to a row of the person": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `INSERT INTO reviews (customer_id, product_id, reply_to, body) SELECT b.id, 1, r.id, 'reply'
					FROM customers b, reviews r JOIN customers a ON a.id = r.customer_id WHERE b.number = 'C-bob' AND a.number = 'C-ann' LIMIT 1`)
			},
			want: "1 rows of public.reviews, which are not erased, refer by reply_to",
		},
		"another's row would vanish with it": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `CREATE TABLE claps (review_id BIGINT REFERENCES reviews (id) ON DELETE CASCADE)`)
				s.Exec(t, `INSERT INTO claps SELECT r.id FROM reviews r JOIN customers a ON a.id = r.customer_id WHERE a.number = 'C-ann'`)
			},
			want: "15 rows of public.claps, which are not erased",
		},
		"the database would empty another's column by itself": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `ALTER TABLE customers DROP CONSTRAINT customers_referred_by_fkey, ADD FOREIGN KEY (referred_by) REFERENCES customers (id) ON DELETE SET NULL`)
				s.Exec(t, `UPDATE customers SET referred_by = (SELECT id FROM customers WHERE number = 'C-ann') WHERE number = 'C-bob'`)
			},
			want: "map public.customers with on_erasure: null for referred_by",
		},
		"a row that is kept refers to one that goes": {
			mapping: []string{"            order_id: {on_erasure: \"null\"}\n", ""},
			want:    "10 rows of public.invoices, which are not erased, refer by order_id to rows of collection orders",
		},
		"the map names a column that is not there": {
			change: func(t *testing.T, s *shoptest.Shop) { s.Exec(t, `ALTER TABLE reviews RENAME body TO words`) },
			want:   `collection reviews: table public.reviews has no column "body"`,
		},
		"the map names a table that is not there": {
			change: func(t *testing.T, s *shoptest.Shop) { s.Exec(t, `DROP TABLE visits`) },
			want:   "collection visits: there is no table visits",
		},
		"the map names a view": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `ALTER TABLE visits RENAME TO all_visits; CREATE VIEW visits AS SELECT * FROM all_visits`)
			},
			want: "public.visits is no table but a view",
		},
		"a column that may not be empty is to be emptied": {
			mapping: []string{"bill_name: {on_erasure: mask}", "bill_name: {on_erasure: \"null\"}"},
			want:    "field bill_name cannot be erased by null: it is NOT NULL",
		},
		"a mask does not fit": {
			mapping: []string{"            total: {}\n            order_id", "            total: {on_erasure: mask}\n            order_id"},
			want:    "it is numeric(20,2): write mask: with a value of that type",
		},
		"a mask of another type": {
			mapping: []string{"            total: {}\n            order_id", "            total: {on_erasure: mask, mask: much}\n            order_id"},
			want:    "change rows of invoices: a value does not fit its column",
		},
		"a mask is to be unique": {
			mapping: []string{"            number: {}\n            total", "            number: {on_erasure: mask}\n            total"},
			want:    "it is UNIQUE, and all masks are the same",
		},
		"a pseudonym has no room": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `ALTER TABLE invoices ALTER bill_email TYPE VARCHAR(25)`)
			},
			want: "it is character varying(25), and a pseudonym is a text of 26 characters",
		},
		"a key column is to be changed": {
			mapping: []string{"            number: {}\n            total", "            id: {on_erasure: pseudonymise}\n            total"},
			want:    "it is part of the key that tells rows apart",
		},
		"a column that is computed is to be changed": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `ALTER TABLE invoices ADD gross NUMERIC GENERATED ALWAYS AS (total * 2) STORED`)
			},
			mapping: []string{"            number: {}\n            total", "            gross: {on_erasure: \"null\"}\n            total"},
			want:    "the database computes it itself",
		},
		"a trigger stands against it": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not %', OLD.full_name; END $$;
					CREATE TRIGGER never BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION never()`)
			},
			want: "delete rows of customers: the database refuses it (SQLSTATE P0001)",
		},
		"a constraint stands against it": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `ALTER TABLE invoices ADD CONSTRAINT whole CHECK (order_id IS NOT NULL)`)
			},
			want: "a constraint stands against it (SQLSTATE 23514, table invoices, constraint whole)",
		},
		"two tables refer to each other and cannot let go": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `UPDATE customers SET default_address = a.id FROM addresses a WHERE a.customer_id = customers.id;
					ALTER TABLE customers ALTER default_address SET NOT NULL`)
			},
			want: "none of their foreign keys can be deferred or be empty",
		},
		"row security hides rows": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `ALTER TABLE reviews ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
					DO $$ BEGIN CREATE ROLE guarded LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
					GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guarded`)
				s.As(t, "guarded")
			},
			want: "find the rows of collection reviews: the role may not do this (SQLSTATE 42501",
		},
		"the role may not delete": {
			change: func(t *testing.T, s *shoptest.Shop) {
				s.Exec(t, `DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
					GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO reader`)
				s.As(t, "reader")
			},
			want: "the role may not do this (SQLSTATE 42501",
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := shoptest.Start(t)
			shop.Plant(t, "bob")
			ann := shop.Plant(t, "ann")
			if test.change != nil {
				test.change(t, shop)
			}
			c := connect(t, shop.Map(t, test.mapping...))
			before := fingerprint(t, shop)
			_, planned := c.Plan(t.Context(), ann.Known(), connector.Erasure)
			_, err := c.Erase(t.Context(), ann.Known())
			if err == nil || planned == nil || planned.Error() != err.Error() {
				t.Fatalf("planned: %v\nerased: %v", planned, err)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "system shop: ") {
				t.Errorf("it says %v", err)
			}
			if strings.Contains(err.Error(), "datum") || strings.Contains(err.Error(), ann.Email) {
				t.Errorf("it repeats what a row holds: %v", err)
			}
			var plan *postgres.PlanError
			if errors.As(err, &plan) && len(plan.Faults) == 0 {
				t.Error("without a fault")
			}
			if !maps.Equal(fingerprint(t, shop), before) {
				t.Error("something was changed")
			}
		})
	}
}

// fingerprint is a sum of each table that is there.
func fingerprint(t *testing.T, s *shoptest.Shop) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range shoptest.Tables() {
		if s.Text(t, `SELECT to_regclass('public.' || $1)::text`, name) != "" {
			out[name] = s.Text(t, `SELECT count(*) || coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM `+name+` t`)
		}
	}
	return out
}

func TestWhatRefersToAPersonIsEmptiedWhereTheMapSaysSo(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	bob, ann := shop.Plant(t, "bob"), shop.Plant(t, "ann")
	shop.Exec(t, `UPDATE customers SET referred_by = (SELECT id FROM customers WHERE number = 'C-ann') WHERE number IN ('C-bob', 'C-ann')`)
	c := connect(t, shop.Map(t, "        addresses:\n", `        referrals:
          table: customers
          parent: {collection: customers, column: referred_by}
          purpose: orders
          category: identifier
          fields: {referred_by: {on_erasure: "null"}}
        addresses:
`))
	if _, err := c.Erase(t.Context(), ann.Known()); err != nil {
		t.Fatal(err)
	}
	if got := shop.Text(t, `SELECT string_agg(number || coalesce(referred_by::text, ' by nobody'), ',') FROM customers`); got != "C-bob by nobody" {
		t.Error(got)
	}
	if n := missing(bob, all(t, c, bob.Known())); n > 0 {
		t.Errorf("%d data of bob are gone", n)
	}
}

// circles are ways in which tables refer to each other in a circle.
func TestTablesThatReferToEachOtherAreErasedWhereThatCanBe(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"deferred, because no column may be empty": `UPDATE customers SET default_address = a.id FROM addresses a WHERE a.customer_id = customers.id;
			ALTER TABLE customers ALTER default_address SET NOT NULL, DROP CONSTRAINT customers_default_address_fkey,
				ADD FOREIGN KEY (default_address) REFERENCES addresses (id) DEFERRABLE`,
		"emptied first": `SELECT 1`,
		"by the database itself": `ALTER TABLE addresses DROP CONSTRAINT addresses_customer_id_fkey,
			ADD FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE`,
		"over three tables": `ALTER TABLE addresses ADD last_ticket BIGINT REFERENCES tickets (id) ON DELETE RESTRICT;
			ALTER TABLE tickets ADD sent_to BIGINT REFERENCES addresses (id);
			UPDATE addresses a SET last_ticket = (SELECT max(id) FROM tickets t WHERE t.customer_id = a.customer_id);
			UPDATE tickets t SET sent_to = (SELECT max(id) FROM addresses a WHERE t.customer_id = a.customer_id)`,
		"in partitions": `DROP TABLE visits; CREATE TABLE visits (customer_number TEXT NOT NULL, ip INET NOT NULL, user_agent TEXT NOT NULL) PARTITION BY HASH (customer_number);
			CREATE TABLE visits_0 PARTITION OF visits FOR VALUES WITH (MODULUS 2, REMAINDER 0);
			CREATE TABLE visits_1 PARTITION OF visits FOR VALUES WITH (MODULUS 2, REMAINDER 1);
			INSERT INTO visits SELECT number, '192.0.2.1', 'x' FROM customers, generate_series(1, 9)`,
		"with keys of several columns": `ALTER TABLE order_items ADD UNIQUE (line, order_id);
			CREATE TABLE gifts (n INT, o BIGINT, to_whom TEXT, FOREIGN KEY (n, o) REFERENCES order_items (line, order_id));
			INSERT INTO gifts SELECT 1, i.order_id, 'x' FROM order_items i WHERE false`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := shoptest.Start(t)
			shop.Plant(t, "bob")
			ann := shop.Plant(t, "ann")
			shop.Exec(t, change)
			c := connect(t, shop.Map(t))
			if _, err := c.Erase(t.Context(), ann.Known()); err != nil {
				t.Fatal(err)
			}
			if n := shop.Mentions(t, ann.Number); n != 0 {
				t.Errorf("%d rows are left", n)
			}
			if got := shop.Text(t, `SELECT count(*) FROM customers c JOIN addresses a ON c.id = a.customer_id WHERE number = 'C-bob'`); got != "5" {
				t.Errorf("bob has %s addresses", got)
			}
		})
	}
}
