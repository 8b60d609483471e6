package postgres_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"gatehouse/control/internal/shoptest"
	"gatehouse/control/privacy/connector"
)

func TestACorrectionIsWrittenIntoThePersonsRowsOnly(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	bob, ann := shop.Plant(t, "bob"), shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	changes := []connector.Change{
		{Collection: "customers", Field: "full_name", Value: "Anna Neu"},
		{Collection: "customers", Field: "birth_date", Value: "1991-01-02"},
		{Collection: "customers", Field: "phone", Value: nil},
		{Collection: "addresses", Field: "city", Value: "Hannover'; DROP TABLE visits; --"},
		{Collection: "orders", Field: "total", Value: json.Number("12.50")},
		{Collection: "newsletter", Field: "topics", Value: []any{"none", 1.5}},
		{Collection: "elsewhere", Field: "anything", Value: true},
	}
	for range 2 { // again after a crash, with the same count
		n, err := c.Rectify(t.Context(), ann.Known(), changes)
		if err != nil || n != 1+1+1+5+20+1 {
			t.Fatalf("%d, %v", n, err)
		}
	}
	got := shop.Text(t, `SELECT full_name || ' ' || birth_date || ' ' || (phone IS NULL) || ' ' ||
		(SELECT string_agg(DISTINCT city, ',') FROM addresses a WHERE a.customer_id = c.id) || ' ' || (SELECT sum(total) FROM orders o WHERE o.customer_id = c.id) || ' ' ||
		(SELECT topics FROM newsletter n WHERE lower(n.email) = lower(c.email)) FROM customers c WHERE number = 'C-ann'`)
	if want := `Anna Neu 1991-01-02 true Hannover'; DROP TABLE visits; -- 250.00 ["none", 1.5]`; got != want {
		t.Errorf("%s", got)
	}
	if n := missing(bob, all(t, c, bob.Known())); n > 0 {
		t.Errorf("%d data of bob were changed", n)
	}
}

func TestAPersonIsStillFoundAfterACorrection(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	ann := shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	change := []connector.Change{{Collection: "newsletter", Field: "email", Value: "new@example.com"}}
	if _, err := c.Rectify(t.Context(), ann.Known(), change); err == nil || !strings.Contains(err.Error(), "add the new email to their identities first") {
		t.Errorf("%v", err)
	}
	known := ann.Known()
	known.Identities = append(known.Identities, connector.Identity{Type: "email", Value: "new@example.com"})
	for range 2 {
		if n, err := c.Rectify(t.Context(), known, change); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
	}
}

func TestACorrectionThatCannotBeChangesNothing(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	shop.Plant(t, "bob")
	ann := shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	before := shop.Sums(t, "nobody")
	first := connector.Change{Collection: "customers", Field: "full_name", Value: "Anna"}
	for name, test := range map[string]struct {
		change connector.Change
		want   string
	}{
		"a field that the map does not have": {connector.Change{Collection: "customers", Field: "id", Value: 1}, "the data map has no such field"},
		"part of the key":                    {connector.Change{Collection: "order_items", Field: "line", Value: 1}, "it says which row this is"},
		"whose key it is":                    {connector.Change{Collection: "customers", Field: "number", Value: "C-bob"}, "the person is found by it"},
		"a value that does not fit":          {connector.Change{Collection: "customers", Field: "birth_date", Value: "secret day"}, "a value does not fit its column"},
		"an empty value where none may be":   {connector.Change{Collection: "reviews", Field: "body", Value: nil}, "a constraint stands against it"},
		"another's value that is unique":     {connector.Change{Collection: "customers", Field: "email", Value: "BOB@EXAMPLE.COM"}, "customers_email_key"},
	} {
		n, err := c.Rectify(t.Context(), ann.Known(), []connector.Change{first, test.change})
		if n != 0 || err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "BOB") {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if !maps.Equal(shop.Sums(t, "nobody"), before) {
		t.Error("something was changed")
	}
}

func TestARestrictionMarksThePersonAndIsLifted(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	shop.Plant(t, "bob")
	ann := shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	for _, on := range []bool{true, true, false} {
		if err := c.Restrict(t.Context(), ann.Known(), on); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "C-ann", false: ""}[on]
		if got := shop.Text(t, `SELECT string_agg(number, ',') FROM customers WHERE restricted`); got != want {
			t.Errorf("%v: restricted is %q", on, got)
		}
	}
	plan, err := c.Plan(t.Context(), ann.Known(), connector.Restriction)
	if err != nil || len(plan.Steps) != 1 || plan.Steps[0] != (connector.Step{Collection: "customers", Action: connector.Restrict, Count: 1}) {
		t.Errorf("%+v, %v", plan, err)
	}
	without := connect(t, shop.Map(t, "          restriction_column: restricted\n", ""))
	if err := without.Restrict(t.Context(), ann.Known(), true); !errors.Is(err, connector.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if _, err := without.Plan(t.Context(), ann.Known(), connector.Objection); !errors.Is(err, connector.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestAPlanOfReadingCountsWhatThereIs(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	shop.Plant(t, "bob")
	ann := shop.Plant(t, "ann")
	plan, err := connect(t, shop.Map(t)).Plan(t.Context(), ann.Known(), connector.Access)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, s := range plan.Steps {
		if s.Action != connector.Read {
			t.Errorf("%+v", s)
		}
		got[s.Collection] = s.Count
	}
	want := map[string]int64{
		"customers": 1, "addresses": 5, "orders": 20, "order_items": 40, "invoices": 10, "reviews": 15, "wishlists": 5, "newsletter": 1, "tickets": 5,
		"ticket_messages": 20, "visits": 20,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
