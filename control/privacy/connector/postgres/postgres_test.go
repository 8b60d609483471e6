package postgres_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"gatehouse/control/internal/shoptest"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/connector/postgres"
	"gatehouse/control/privacy/datamap"
)

var key = bytes.Repeat([]byte{3}, 32)

// connect makes the connector of the map's first system.
func connect(t testing.TB, m datamap.Map) *postgres.Connector {
	t.Helper()
	c, err := postgres.New(postgres.Options{System: m.Systems[0], Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// all is what the connector hands over, as JSON lines.
func all(t testing.TB, c connector.Connector, p connector.Person) string {
	t.Helper()
	var b strings.Builder
	err := c.Collect(t.Context(), p, func(r connector.Record) error { return json.NewEncoder(&b).Encode(r) })
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// missing counts the data that do not stand in a text.
func missing(p shoptest.Person, text string) (n int) {
	for _, d := range p.Data {
		if !strings.Contains(text, `"`+d+`"`) {
			n++
		}
	}
	return n
}

func TestAllOfAPersonIsCollectedAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	bob, ann := shop.Plant(t, "bob"), shop.Plant(t, "ann")
	text := all(t, connect(t, shop.Map(t)), ann.Known())
	if n := missing(ann, text); n > 0 || len(ann.Data) != 148 {
		t.Errorf("%d of %d data are missing", n, len(ann.Data))
	}
	if strings.Contains(text, "bob") || missing(bob, text) != len(bob.Data) {
		t.Error("there is something of somebody else")
	}
	for _, want := range []string{
		`"system":"shop","collection":"customers"`, `"birth_date":"1990-05-17"`, `"total":12345678901234567.89`, `"topics":["ann's datum`, `"ip":"192.0.2.7"`,
		`"collection":"order_items","key":"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing has %s:\n%.3000s", want, text)
		}
	}
}

func TestAnErasureLeavesNothingButWhatTheMapKeeps(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	shop.Plant(t, "bob")
	before := shop.Sums(t, "ann")
	ann := shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	planted := shop.Sums(t, "nobody")

	plan, err := c.Plan(t.Context(), ann.Known(), connector.Erasure)
	if err != nil {
		t.Fatal(err)
	}
	if now := shop.Sums(t, "nobody"); !maps.Equal(now, planted) {
		t.Error("the plan has changed something")
	}
	if n, err := c.Verify(t.Context(), ann.Known()); err != nil || n == 0 {
		t.Errorf("before it, the read-back finds %d, %v", n, err)
	}
	result, err := c.Erase(t.Context(), ann.Known())
	if err != nil {
		t.Fatal(err)
	}
	// 1 customer, 5 addresses, 20 orders, 40 items, 15 reviews, 5 wishes, 1 subscription, 5 tickets, 20 messages, 20 visits.
	if result.Deleted != 132 || result.Changed != 10 || result.Kept != 20 {
		t.Errorf("%+v", result)
	}
	planned := map[connector.Action]int64{}
	for _, s := range plan.Steps {
		planned[s.Action] += s.Count
	}
	if planned[connector.Delete] != result.Deleted || planned[connector.Null]+planned[connector.Mask]+planned[connector.Pseudonymise] != result.Changed {
		t.Errorf("the plan has said %v, and it was %+v", plan.Steps, result)
	}
	if after := shop.Sums(t, "ann"); !maps.Equal(after, before) {
		t.Errorf("something of others was touched:\nbefore %v\nafter  %v", before, after)
	}
	for _, text := range append([]string{ann.Email, ann.Number}, ann.Data...) {
		if n := shop.Mentions(t, text); n > 0 {
			t.Errorf("%q still stands in %d rows", text, n)
		}
	}
	if got := shop.Text(t, `SELECT count(*) || ' ' || count(order_id) || ' ' || string_agg(DISTINCT bill_name, ',') || ' ' || count(DISTINCT bill_email)
		|| ' ' || bool_and(bill_email LIKE 'p-%' AND length(bill_email) = 26) || ' ' || sum(total) FROM invoices WHERE number LIKE 'ann-%'`); got != "10 0 [erased] 1 true 105.00" {
		t.Errorf("of the books that are kept there is %s", got)
	}
	if n, err := c.Verify(t.Context(), ann.Known()); err != nil || n != 0 {
		t.Errorf("the read-back finds %d, %v", n, err)
	}
	again, err := c.Erase(t.Context(), ann.Known())
	if err != nil || again.Deleted != 0 || again.Changed != 0 {
		t.Errorf("once more: %+v, %v", again, err)
	}
}

func TestAPersonWhomTheSystemDoesNotKnowHasNothing(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	shop.Plant(t, "bob")
	before := shop.Sums(t, "nobody")
	c := connect(t, shop.Map(t))
	for name, p := range map[string]connector.Person{
		"without identities":           {Subject: "x"},
		"with others' identities":      {Identities: []connector.Identity{{Type: "user_id", Value: "C-bob"}}},
		"with values of others' types": {Identities: []connector.Identity{{Type: "customer_id", Value: "bob@example.com"}, {Type: "email", Value: "C-bob"}}},
		"with a hostile value":         {Identities: []connector.Identity{{Type: "customer_id", Value: `' OR '1'='1`}, {Type: "email", Value: "a\x00b"}}},
	} {
		result, err := c.Erase(t.Context(), p)
		if err != nil || result.Deleted+result.Changed != 0 || all(t, c, p) != "" {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
	}
	if !maps.Equal(shop.Sums(t, "nobody"), before) {
		t.Error("something was touched")
	}
}
