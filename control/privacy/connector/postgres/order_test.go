package postgres

import (
	"bytes"
	"strings"
	"testing"
	"testing/quick"

	"gatehouse/control/privacy/datamap"
)

// schema makes tables a, b, c, ... of keys like "a>b": a refers to b. Behind
// it "d" is deferrable, "n" may be empty, "r" restricts, "c" cascades.
func schema(keys ...string) (tables []*table, out []foreign) {
	byName := map[string]*table{}
	get := func(name string) *table {
		if byName[name] == nil {
			byName[name] = &table{schema: "s", name: name, key: []string{"id"}}
			tables = append(tables, byName[name])
		}
		return byName[name]
	}
	for _, k := range keys {
		f := foreign{name: k, schema: "s", from: get(k[0:1]), to: get(k[2:3]), columns: []string{"to_" + k[2:3]}, onDelete: "a"}
		f.from.columns = append(f.from.columns, column{name: f.columns[0], notNull: !strings.Contains(k[3:], "n")})
		f.deferrable = strings.Contains(k[3:], "d")
		for _, action := range []string{"r", "c"} {
			if strings.Contains(k[3:], action) {
				f.onDelete = action
			}
		}
		out = append(out, f)
	}
	return tables, out
}

func TestWhatRefersGoesBeforeWhatItRefersTo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys []string
		want string // order; "+" a deferred key, "-" an emptied column
	}{
		"nothing refers":           {nil, ""},
		"a chain":                  {[]string{"c>b", "b>a"}, "c b a"},
		"two that refer to one":    {[]string{"b>a", "c>a"}, "b c a"},
		"itself":                   {[]string{"a>a"}, "a"},
		"itself, and may not wait": {[]string{"a>ar n"}, "-to_a a"},
		"a circle with a column that may be empty":   {[]string{"a>b", "b>an"}, "-to_a a b"},
		"a circle with a key that can wait":          {[]string{"a>bd", "b>an"}, "+a>bd b a"},
		"a circle that the database follows":         {[]string{"a>bc", "b>a d"}, "b a"},
		"a key that can wait, but RESTRICT does not": {[]string{"a>bdr", "b>a n"}, "-to_a a b"},
		"a circle behind a chain":                    {[]string{"c>a", "a>b", "b>an", "d>c"}, "-to_a d c a b"},
		"two circles":                                {[]string{"a>bn", "b>a", "b>c", "c>dn", "d>c"}, "-to_b -to_d b a d c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tables, keys := schema(test.keys...)
			d, err := deletionOf(tables, keys)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range d.deferred {
				got = append(got, "+"+f.name)
			}
			for _, r := range d.nulled {
				got = append(got, "-"+r.column)
			}
			for _, o := range d.order {
				got = append(got, o.name)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%q, want %q", strings.Join(got, " "), test.want)
			}
		})
	}
}

func TestACircleThatNothingOpensIsRefused(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]string{{"a>b", "b>a"}, {"a>br", "b>ar"}, {"a>ar"}, {"a>b", "b>c", "c>a"}} {
		tables, foreign := schema(keys...)
		if d, err := deletionOf(tables, foreign); err == nil {
			t.Errorf("%v: %+v", keys, d)
		}
	}
}

func TestAnyOrderThatIsFoundKeepsEveryKeyThatHolds(t *testing.T) {
	t.Parallel()
	holds := func(edges []uint16) bool {
		keys := make([]string, 0, len(edges))
		for _, e := range edges[:min(len(edges), 40)] {
			keys = append(keys, string([]byte{'a' + byte(e%8), '>', 'a' + byte(e/8%8)})+[]string{"", "n", "d", "c"}[e/64%4])
		}
		tables, foreign := schema(keys...)
		d, err := deletionOf(tables, foreign)
		if err != nil {
			return true
		}
		gone := map[*table]bool{}
		for _, table := range d.order {
			for _, f := range foreign {
				loose := f.onDelete != "a" || f.self()
				for _, o := range d.deferred {
					loose = loose || o.from == f.from && o.name == f.name
				}
				for _, r := range d.nulled {
					loose = loose || r.from == f.from && r.name == f.name
				}
				if f.to == table && !gone[f.from] && !loose {
					return false
				}
			}
			gone[table] = true
		}
		return len(gone) == len(tables)
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

func TestAPseudonymIsKnownForOneAndStaysWhatItIs(t *testing.T) {
	t.Parallel()
	open := func(name string, key byte) *Connector {
		c, err := New(Options{System: datamap.System{Name: name}, Key: bytes.Repeat([]byte{key}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	shop, crm, other := open("shop", 1), open("crm", 1), open("shop", 2)
	one := shop.pseudonym("ann@example.com")
	if len(one) != pseudonymLength || shop.pseudonym("ann@example.com") != one || shop.pseudonym(one) != one {
		t.Error(one)
	}
	if one == shop.pseudonym("bob@example.com") || one == crm.pseudonym("ann@example.com") || one == other.pseudonym("ann@example.com") {
		t.Error("two have one pseudonym")
	}
	for _, text := range []string{"", "p-", "p-" + strings.Repeat("a", 24), crm.pseudonym("x"), other.pseudonym("x"), one + "a", strings.ToUpper(one)} {
		if shop.isPseudonym(text) {
			t.Errorf("%q was taken for a pseudonym", text)
		}
	}
	if _, err := New(Options{System: datamap.System{Name: "shop"}, Key: []byte("short")}); err == nil {
		t.Error("a short key was taken")
	}
}
