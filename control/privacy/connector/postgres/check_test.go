package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/control/internal/shoptest"
	"gatehouse/control/privacy/connector"
)

func findings(t *testing.T, s *shoptest.Shop, changes ...string) (out []string) {
	t.Helper()
	found, err := connect(t, s.Map(t, changes...)).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.System != "shop" {
			t.Errorf("%+v", f)
		}
		out = append(out, string(f.Level)+": "+f.Text)
	}
	return out
}

func TestAMapThatFitsHasNoFindings(t *testing.T) {
	t.Parallel()
	if found := findings(t, shoptest.Start(t)); len(found) > 0 {
		t.Errorf("%q", found)
	}
}

func TestTheMapIsComparedWithTheLiveSchema(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	shop.Exec(t, `DROP TABLE visits; ALTER TABLE reviews RENAME body TO words;
		ALTER TABLE customers ADD last_ip TEXT, ADD vip BOOLEAN;
		ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
		CREATE TABLE leads (id INT, phone_number TEXT, customer BIGINT REFERENCES customers (id));
		CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.notes (email TEXT, review BIGINT REFERENCES reviews (id));
		DO $$ BEGIN CREATE ROLE checker LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO checker;
		REVOKE DELETE ON wishlists FROM checker;
		DO $$ BEGIN EXECUTE 'REVOKE TEMPORARY ON DATABASE ' || quote_ident(current_database()) || ' FROM PUBLIC'; END $$`)
	shop.As(t, "checker")
	got := findings(t, shop, "bill_name: {on_erasure: mask}", "bill_name: {on_erasure: \"null\"}")
	want := []string{
		"fault: collection invoices: field bill_name cannot be erased by null: it is NOT NULL: mask or pseudonymise it",
		`fault: collection reviews: table public.reviews has no column "body"`,
		"fault: collection visits: there is no table visits",
		"warning: table elsewhere.notes refers to public.reviews by review and is not in the map",
		"warning: column public.customers.last_ip looks personal and is not in the map",
		"warning: table public.leads refers to public.customers by customer and is not in the map",
		"warning: column public.leads.phone_number looks personal and is not in the map",
		"warning: table public.tickets has row security: a role without BYPASSRLS cannot carry requests out",
		"fault: the role may not DELETE on table public.wishlists",
		"fault: the role may not make temporary tables, which an erasure needs: GRANT TEMPORARY ON DATABASE",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if _, ok := connector.Connector(connect(t, shop.Map(t))).(connector.Checker); !ok {
		t.Error("it is no Checker")
	}
}

func TestAColumnThatIsOnlyFollowedIsNotMissedInTheMap(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	// customer_number of visits is both a field and the key; ids are followed.
	shop.Exec(t, `ALTER TABLE wishlists ADD customer_id_of_friend BIGINT`)
	got := findings(t, shop)
	if len(got) != 1 || !strings.Contains(got[0], "wishlists.customer_id_of_friend") {
		t.Errorf("%q", got)
	}
}
