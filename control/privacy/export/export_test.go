package export_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
	"gatehouse/control/privacy/export"
)

// keys are a signer and its verifier.
func keys(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "audit.example.com/log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func about(t testing.TB, kind connector.Kind) export.About {
	t.Helper()
	return export.About{
		Request: "0123456789abcdef", Kind: kind, Received: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Created: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Controller: datamap.Controller{Name: "Example GmbH", Contact: "privacy@example.com"},
		Activities: []datamap.Activity{{Purpose: "orders", Basis: "contract", Retention: []string{"3 years"}}},
		Dir:        t.TempDir(),
	}
}

func of(records ...connector.Record) export.Records {
	return func(fn func(connector.Record) error) error {
		for _, r := range records {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func record(collection, key string, fields map[string]any) connector.Record {
	return connector.Record{System: "shop", Collection: collection, Key: key, Fields: fields}
}

func write(t testing.TB, a export.About, signer note.Signer, records export.Records) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := export.Write(t.Context(), &b, a, signer, records); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unzip reads all members.
func unzip(t testing.TB, archive []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

func sample() export.Records {
	return of(
		record("customers", "1", map[string]any{"name": "Ann", "age": json.Number("12345678901234567890"), "tags": []any{"a", "b"}, "none": nil}),
		record("orders", "7", map[string]any{"note": "=HYPERLINK(\"http://evil\")", "total": json.Number("-5.00")}),
		record("customers", "2", map[string]any{"name": "<script>alert(1)</script>", "extra": true}),
		connector.Record{System: "Mail/../er", Collection: "..", Fields: map[string]any{"email": "a@example.com"}},
	)
}

func TestAnArchiveHasAllRecordsAsJSONAndCSVAndIsSigned(t *testing.T) {
	t.Parallel()
	signer, verifier := keys(t)
	archive := write(t, about(t, connector.Access), signer, sample())
	m, err := export.Verify(bytes.NewReader(archive), int64(len(archive)), verifier)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, member := range m.Members {
		names = append(names, fmt.Sprint(member.Name, " ", member.Records))
	}
	want := []string{
		"README.txt 0", "data/shop/customers.json 2", "data/shop/customers.csv 2", "data/shop/orders.json 1", "data/shop/orders.csv 1",
		"data/mail----er/x.json 1", "data/mail----er/x.csv 1", "information.json 0", "index.html 0",
	}
	if !slices.Equal(names, want) || m.Request != "0123456789abcdef" || m.Kind != connector.Access {
		t.Errorf("%q %+v", names, m)
	}
	files := unzip(t, archive)
	var customers []struct {
		Key    string
		Fields map[string]any
	}
	d := json.NewDecoder(strings.NewReader(files["data/shop/customers.json"]))
	d.UseNumber()
	if err := d.Decode(&customers); err != nil || len(customers) != 2 || customers[0].Fields["age"] != json.Number("12345678901234567890") || customers[1].Key != "2" {
		t.Errorf("%v %v", customers, err)
	}
	rows, err := csv.NewReader(strings.NewReader(files["data/shop/customers.csv"])).ReadAll()
	if want := [][]string{
		{"key", "age", "extra", "name", "none", "tags"},
		{"1", "12345678901234567890", "", "Ann", "", `["a","b"]`},
		{"2", "", "true", "<script>alert(1)</script>", "", ""},
	}; err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("%q %v", rows, err)
	}
	if !strings.Contains(files["information.json"], `"lawful_basis": "contract"`) || !strings.Contains(files["README.txt"], "signature by audit.example.com/log") {
		t.Error(files["information.json"], files["README.txt"])
	}
}

func TestThePageShowsTheDataAndRunsNothing(t *testing.T) {
	t.Parallel()
	signer, _ := keys(t)
	var many []connector.Record
	for n := range 150 {
		many = append(many, record("visits", fmt.Sprint(n), map[string]any{"agent": strings.Repeat("x", 3000), "n": n}))
	}
	page := unzip(t, write(t, about(t, connector.Access), signer, func(fn func(connector.Record) error) error {
		return errors.Join(sample()(fn), of(many...)(fn))
	}))["index.html"]
	for _, want := range []string{
		"default-src &#39;none&#39;", "Ann", "&lt;script&gt;alert(1)", "data/shop/customers.csv", "50 more are in the files", "privacy@example.com", "3 years", "Art. 77", strings.Repeat("x", 1000) + "…",
	} {
		if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "&#39;", "'")) {
			t.Errorf("the page has no %.60s", want)
		}
	}
	for _, never := range []string{"<script", "javascript:", "onload", "http://", "https://", strings.Repeat("x", 1001)} {
		if strings.Contains(page, never) && never != "http://" {
			t.Errorf("the page has %.60s", never)
		}
	}
	if strings.Contains(page, `href="http`) || strings.Contains(page, `src=`) {
		t.Error("the page leads elsewhere")
	}
}

func TestPortabilityIsMachineReadableOnly(t *testing.T) {
	t.Parallel()
	signer, _ := keys(t)
	files := unzip(t, write(t, about(t, connector.Portability), signer, sample()))
	if files["index.html"] != "" || files["information.json"] != "" || files["data/shop/customers.csv"] == "" || !strings.Contains(files["README.txt"], "Art. 20") {
		t.Errorf("%q", files["README.txt"])
	}
}

func TestNoTextBecomesAFormula(t *testing.T) {
	t.Parallel()
	signer, _ := keys(t)
	texts := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "|calc", "%x"}
	fields := map[string]any{"=name": "plain", "number": json.Number("-12.5"), "fine": "a=b", "plain": "it's"}
	for i, text := range texts {
		fields[fmt.Sprint("t", i)] = text
	}
	files := unzip(t, write(t, about(t, connector.Access), signer, of(record("c", "=key", fields))))
	rows, err := csv.NewReader(strings.NewReader(files["data/shop/c.csv"])).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	for i, name := range rows[0] {
		value := rows[1][i]
		switch strings.TrimPrefix(name, "'") {
		case "number", "fine", "plain", "=name":
			if strings.HasPrefix(value, "'") {
				t.Errorf("%s was changed to %q", name, value)
			}
		default:
			if !strings.HasPrefix(value, "'") {
				t.Errorf("%s is %q", name, value)
			}
		}
	}
	if rows[0][1] != "'=name" {
		t.Errorf("the heading is %q", rows[0][1])
	}
	// JSON is exact.
	if !strings.Contains(files["data/shop/c.json"], `"=1+1"`) {
		t.Error(files["data/shop/c.json"])
	}
}

func TestNamesOfMembersLeadNowhereAndAreOneEach(t *testing.T) {
	t.Parallel()
	signer, verifier := keys(t)
	var records []connector.Record
	for _, name := range []string{"../../etc/passwd", "..", "/abs", `c:\x`, "Customers", "customers", "CUSTOMERS", "con", "", "ä", "a\x00b", strings.Repeat("long", 100), "-rf"} {
		records = append(records, connector.Record{System: "../" + name, Collection: name, Fields: map[string]any{"a": 1}},
			connector.Record{System: "same", Collection: name, Fields: map[string]any{"a": 1}})
	}
	archive := write(t, about(t, connector.Access), signer, of(records...))
	m, err := export.Verify(bytes.NewReader(archive), int64(len(archive)), verifier)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Members) != 3+2*len(records) {
		t.Errorf("%d members for %d collections", len(m.Members), len(records))
	}
	for _, member := range m.Members {
		if strings.Contains(member.Name, "..") || strings.HasPrefix(member.Name, "/") || strings.ToLower(member.Name) != member.Name && member.Name != "README.txt" {
			t.Errorf("%q", member.Name)
		}
	}
}

func TestAnArchiveThatBrokeOffIsNotSigned(t *testing.T) {
	t.Parallel()
	signer, verifier := keys(t)
	gone := errors.New("the system went away")
	var b bytes.Buffer
	err := export.Write(t.Context(), &b, about(t, connector.Access), signer, func(fn func(connector.Record) error) error {
		return errors.Join(sample()(fn), gone)
	})
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	var fault *export.Fault
	if _, err := export.Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), verifier); !errors.As(err, &fault) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := export.Write(ctx, io.Discard, about(t, connector.Access), signer, sample()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for n := range 60 { // a client that goes away at any byte
		if err := export.Write(t.Context(), &short{left: 50 * n}, about(t, connector.Access), signer, sample()); err == nil {
			t.Fatalf("%d bytes were enough", 50*n)
		}
	}
}

// short is a writer with room for so many bytes.
type short struct{ left int }

func (s *short) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestABoundIsToldAndNotPassed(t *testing.T) {
	t.Parallel()
	signer, _ := keys(t)
	many := func(fn func(connector.Record) error) error {
		for n := range 501 {
			if err := fn(record(fmt.Sprint("c", n), "", map[string]any{"a": 1})); err != nil {
				return err
			}
		}
		return nil
	}
	if err := export.Write(t.Context(), io.Discard, about(t, connector.Access), signer, many); err == nil || !strings.Contains(err.Error(), "more than 500 collections") {
		t.Errorf("%v", err)
	}
	large := of(record("c", "", map[string]any{"a": strings.Repeat("x", 33<<20)}))
	if err := export.Write(t.Context(), io.Discard, about(t, connector.Access), signer, large); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("%v", err)
	}
	a := about(t, connector.Access)
	a.Dir = "/nowhere"
	if err := export.Write(t.Context(), io.Discard, a, signer, sample()); err == nil || !strings.Contains(err.Error(), "put data aside") {
		t.Errorf("%v", err)
	}
	wide := map[string]any{}
	for n := range 600 {
		wide[fmt.Sprintf("f%03d", n)] = n
	}
	rows, err := csv.NewReader(strings.NewReader(unzip(t, write(t, about(t, connector.Access), signer, of(record("c", "", wide))))["data/shop/c.csv"])).ReadAll()
	if err != nil || len(rows[0]) != 502 || rows[0][501] != "more fields" || strings.Count(rows[1][501], ":") != 100 {
		t.Errorf("%d columns, %v", len(rows[0]), err)
	}
}

func TestWhatIsPutAsideCanBeReadByNobody(t *testing.T) {
	t.Parallel()
	signer, _ := keys(t)
	a := about(t, connector.Access)
	seen := false
	err := export.Write(t.Context(), io.Discard, a, signer, func(fn func(connector.Record) error) error {
		for n := range 5000 {
			if err := fn(record("c", "", map[string]any{"secret": strings.Repeat("needle ", 10), "n": n})); err != nil {
				return err
			}
		}
		entries, err := os.ReadDir(a.Dir)
		if err != nil || len(entries) > 0 {
			t.Errorf("files with names: %v %v", entries, err)
		}
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return err
		}
		for _, fd := range open {
			target, err := os.Readlink("/proc/self/fd/" + fd.Name())
			if err != nil || !strings.HasPrefix(target, a.Dir) {
				continue
			}
			text, err := os.ReadFile("/proc/self/fd/" + fd.Name())
			if err != nil {
				return err
			}
			seen = len(text) > 100_000
			if bytes.Contains(text, []byte("needle")) {
				t.Error("what is put aside can be read")
			}
		}
		return nil
	})
	if err != nil || !seen {
		t.Errorf("%v, a file was looked at: %v", err, seen)
	}
}

func TestLittleIsHeldHoweverMuchThereIs(t *testing.T) {
	signer, _ := keys(t)
	text := strings.Repeat("0123456789abcdef", 4096) // 64 KiB
	var before, peak, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	look := func() {
		runtime.ReadMemStats(&now)
		if now.HeapAlloc > peak.HeapAlloc {
			peak = now
		}
	}
	counted := &counter{look: look}
	err := export.Write(t.Context(), counted, about(t, connector.Access), signer, func(fn func(connector.Record) error) error {
		for n := range 256 { // 16 MiB
			if err := fn(record("c", fmt.Sprint(n), map[string]any{"text": text, "n": n})); err != nil {
				return err
			}
			if n%64 == 0 {
				look()
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(peak.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap has grown by %d MiB for 16 MiB of data", grown>>20)
	}
}

type counter struct {
	n    int
	look func()
}

func (c *counter) Write(b []byte) (int, error) {
	if c.n++; c.n%64 == 0 {
		c.look()
	}
	return len(b), nil
}
