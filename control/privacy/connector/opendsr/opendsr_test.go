package opendsr

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/control/internal/dsrtest"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

const email = "Erika@example.com"

// clock is one that a test sets.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) forward(d time.Duration) { c.now.Add(int64(d)) }

type bench struct {
	*Connector
	processor *dsrtest.Processor
	clock     *clock
	received  time.Time
}

func newBench(t *testing.T, changes ...func(*datamap.Processor)) *bench {
	t.Helper()
	b := &bench{processor: dsrtest.Start(t), clock: &clock{}, received: time.Now()}
	b.clock.now.Store(b.received.UnixNano())
	s := datamap.System{Name: "mailer", Kind: datamap.OpenDSR, Processor: datamap.Processor{
		URL: b.processor.URL, Domain: dsrtest.Domain, TokenFile: b.processor.TokenFile, CAFile: b.processor.CAFile,
		Identities: map[string]datamap.ProcessorIdentity{connector.Email: {Type: "email", Format: "raw"}},
		Deadline:   datamap.Period{Days: 20}, Extensions: []string{typeRectification, typeRestriction},
	}, Collections: []datamap.Collection{{Name: "subscribers", Fields: []datamap.Field{{Name: "email"}, {Name: "name"}}}}}
	for _, change := range changes {
		change(&s.Processor)
	}
	var err error
	b.Connector, err = New(Options{System: s, Key: []byte(strings.Repeat("k", 32)), Now: b.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	b.processor.Keep(email, map[string]any{"email": email, "name": "Erika"})
	b.processor.Keep(email, map[string]any{"email": email, "topics": []string{"garden"}})
	b.processor.Keep("max@example.com", map[string]any{"email": "max@example.com", "name": "Max"})
	return b
}

func (b *bench) ctx(t *testing.T, kind connector.Kind) context.Context {
	return connector.WithRequest(t.Context(), connector.Request{ID: "request of " + string(kind), Kind: kind, Received: b.received})
}

func erika() connector.Person {
	return connector.Person{Subject: "s", Identities: []connector.Identity{{Type: connector.Email, Value: email}}}
}

// until calls again while the processor is at work.
func until(t *testing.T, call func() error) error {
	t.Helper()
	for range 50 {
		var pending *connector.PendingError
		if err := call(); !errors.As(err, &pending) {
			return err
		}
	}
	t.Fatal("pending for ever")
	return nil
}

func (b *bench) collect(t *testing.T, kind connector.Kind) (records []connector.Record, err error) {
	err = until(t, func() error {
		records = nil
		return b.Collect(b.ctx(t, kind), erika(), func(r connector.Record) error {
			records = append(records, r)
			return nil
		})
	})
	return records, err
}

func TestAccessHandsOverAllAndAsksOnce(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*dsrtest.Behaviour){
		"an honest processor":            func(*dsrtest.Behaviour) {},
		"a slow one":                     func(is *dsrtest.Behaviour) { is.Polls = 3 },
		"one of OpenDSR 2":               func(is *dsrtest.Behaviour) { is.Route = "requests" },
		"one of OpenDSR 1":               func(is *dsrtest.Behaviour) { is.Prefix = "X-OpenCompliance-" },
		"one of OpenGDPR":                func(is *dsrtest.Behaviour) { is.Route, is.Prefix = "opengdpr_requests", "X-OpenGDPR-" },
		"one that does not count":        func(is *dsrtest.Behaviour) { is.HideCount = true },
		"one that expects it in a month": func(is *dsrtest.Behaviour) { is.Expected = 30 * 24 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.processor.Is(change)
			for range 2 { // the second time it was done already
				records, err := b.collect(t, connector.Access)
				if err != nil {
					t.Fatal(err)
				}
				if text, _ := json.Marshal(records); len(records) != 2 || records[0].Collection != "subscribers" || !strings.Contains(string(text), "garden") {
					t.Errorf("%s", text)
				}
			}
			if made := b.processor.Requests(); len(made) != 1 || made[0].Type != typeAccess {
				t.Errorf("%+v", made)
			}
		})
	}
}

func TestAPersonIsToldByTheFormThatTheMapNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(p *datamap.Processor) {
		p.Identities[connector.Email] = datamap.ProcessorIdentity{Type: "email", Format: "sha256"}
	})
	b.processor.Keep("erika@example.com", map[string]any{"email": "lower"})
	if records, err := b.collect(t, connector.Access); err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	if got := b.processor.Requests()[0].Values[0]; len(got) != 64 {
		t.Errorf("%q", got)
	}
	for format, length := range map[string]int{"sha1": 40, "md5": 32, "sha256": 64, "raw": len(" Erika")} {
		if got := formatted(connector.Email, " Erika", format); len(got) != length || formatted(connector.Email, "erika", format) == got != (format != "raw") {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestPortabilityIsAnotherRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if records, err := b.collect(t, connector.Portability); err != nil || len(records) != 2 {
		t.Fatal(records, err)
	}
	if made := b.processor.Requests(); made[0].Type != typePortability {
		t.Errorf("%+v", made)
	}
}

func (b *bench) erase(t *testing.T) (result connector.Result, remaining int64, err error) {
	err = until(t, func() error {
		if result, err = b.Erase(b.ctx(t, connector.Erasure), erika()); err != nil {
			return err
		}
		remaining, err = b.Verify(b.ctx(t, connector.Erasure), erika())
		return err
	})
	return result, remaining, err
}

func TestAnErasureLeavesNothingAndTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.processor.Is(func(is *dsrtest.Behaviour) { is.Polls = 1 })
	before := b.processor.Others(email)
	result, remaining, err := b.erase(t)
	if err != nil || remaining != 0 || result.Deleted != 2 {
		t.Fatal(result, remaining, err)
	}
	if has := b.processor.Has(email); has != "null" || b.processor.Others(email) != before {
		t.Errorf("%s %s", has, b.processor.Others(email))
	}
	if made := b.processor.Requests(); len(made) != 2 {
		t.Errorf("%+v", made)
	}
}

func TestAProcessorThatSaysItHasErasedAndHasNotIsFoundOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.processor.Is(func(is *dsrtest.Behaviour) { is.Lie = true })
	for day := range 3 {
		if _, remaining, err := b.erase(t); err != nil || remaining != 2 {
			t.Fatal(day, remaining, err)
		}
		b.clock.forward(roundEvery)
	}
	// It is made to do it after all, by its operator.
	b.processor.Is(func(is *dsrtest.Behaviour) { is.Lie = false })
	forget := b.processor.Requests()[0].Values
	b.processor.Forget(forget[0])
	if _, remaining, err := b.erase(t); err != nil || remaining != 0 {
		t.Fatal(remaining, err)
	}
}

func TestWithoutAccessAnErasureCannotBeReadBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.processor.Is(func(is *dsrtest.Behaviour) { is.Types = []string{typeErasure} })
	if _, _, err := b.erase(t); !errors.Is(err, connector.ErrUnsupported) || b.processor.Has(email) != "null" {
		t.Fatal(err)
	}
	if err := b.Collect(b.ctx(t, connector.Access), erika(), nil); !errors.Is(err, connector.ErrUnsupported) {
		t.Fatal(err)
	}
}

func TestExtensionsCarryCorrectionsAndRestrictions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	changes := []connector.Change{
		{Collection: "subscribers", Field: "name", Value: "Erika Gabler"}, {Collection: "subscribers", Field: "unknown", Value: 1}, {Collection: "orders", Field: "name", Value: 1},
	}
	for range 2 {
		err := until(t, func() error {
			n, err := b.Rectify(b.ctx(t, connector.Rectification), erika(), changes)
			if err == nil && n != 1 {
				t.Errorf("%d changes", n)
			}
			return err
		})
		if err != nil || !strings.Contains(b.processor.Has(email), "Erika Gabler") {
			t.Fatal(err, b.processor.Has(email))
		}
	}
	if n, err := b.Rectify(t.Context(), erika(), changes[1:]); n != 0 || err != nil {
		t.Errorf("nothing of theirs: %d, %v", n, err)
	}
	for _, on := range []bool{true, false} {
		if err := until(t, func() error { return b.Restrict(b.ctx(t, connector.Restriction), erika(), on) }); err != nil || b.processor.Restricted(email) != on {
			t.Fatal(on, err)
		}
	}
	if made := b.processor.Requests(); len(made) != 3 {
		t.Errorf("%+v", made)
	}
	plain := newBench(t, func(p *datamap.Processor) { p.Extensions = nil })
	if err := plain.Restrict(plain.ctx(t, connector.Restriction), erika(), true); !errors.Is(err, connector.ErrUnsupported) {
		t.Error(err)
	}
}

func TestWhatCannotBeReliedOnIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		is   func(*dsrtest.Behaviour)
		set  func(*datamap.Processor)
		want string
	}{
		"an answer without a signature":     {is: func(is *dsrtest.Behaviour) { is.Unsigned = true }, want: "is not signed"},
		"a forged signature":                {is: func(is *dsrtest.Behaviour) { is.Forge = true }, want: "is not the processor's"},
		"a signature of another domain":     {set: func(p *datamap.Processor) { p.Domain = "other.test" }, want: "is not trusted"},
		"an authority nobody knows":         {set: func(p *datamap.Processor) { p.CAFile = "" }, want: "cannot be reached"},
		"a receipt of another request":      {is: func(is *dsrtest.Behaviour) { is.OtherID = true }, want: "another request than ours"},
		"a receipt of another text":         {is: func(is *dsrtest.Behaviour) { is.OtherText = true }, want: "another text"},
		"an outage":                         {is: func(is *dsrtest.Behaviour) { is.Fail = 9 }, want: "HTTP 503: it is tried again"},
		"a redirect":                        {is: func(is *dsrtest.Behaviour) { is.Redirects = "https://elsewhere.test/" }, want: "redirects are not followed"},
		"an answer without end":             {is: func(is *dsrtest.Behaviour) { is.Huge = true }, want: "more than 1048576 bytes"},
		"a request that it cancels":         {is: func(is *dsrtest.Behaviour) { is.Cancels = true }, want: "has cancelled"},
		"results at a host that is not its": {is: func(is *dsrtest.Behaviour) { is.ResultsAt = "https://169.254.169.254/latest" }, want: "results_hosts"},
		"results without TLS":               {is: func(is *dsrtest.Behaviour) { is.ResultsAt = "http://mailer.test/x" }, want: "not at https"},
		"results that are gone":             {is: func(is *dsrtest.Behaviour) { is.Gone = true }, want: "no longer has the results"},
		"a route that is not there":         {is: func(is *dsrtest.Behaviour) { is.Route = "elsewhere" }, want: "check url"},
		"a token that is wrong":             {set: func(p *datamap.Processor) { p.TokenFile = "" }, want: "check token_file"},
		"a person it could not know": {set: func(p *datamap.Processor) {
			p.Identities = map[string]datamap.ProcessorIdentity{"phone": {Type: "phone"}}
		}, want: "none of the identities"},
		"a certificate that is not there":    {set: func(p *datamap.Processor) { p.CertificateFile = "/none.pem" }, want: "certificate_file"},
		"a certificate file without any":     {set: func(p *datamap.Processor) { p.CertificateFile = p.TokenFile }, want: "no certificate in PEM"},
		"a certificate that is another's":    {set: func(p *datamap.Processor) { p.CertificateFile = p.CAFile }, want: "is not the processor's"},
		"a token file that is not there":     {set: func(p *datamap.Processor) { p.TokenFile = "/none" }, want: "token_file of system mailer"},
		"a processor that is not there":      {set: func(p *datamap.Processor) { p.URL = "https://127.0.0.1:1" }, want: "cannot be reached"},
		"access where it does not take that": {is: func(is *dsrtest.Behaviour) { is.Types = []string{typeErasure} }, want: "attest the step"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var set []func(*datamap.Processor)
			if one.set != nil {
				set = append(set, one.set)
			}
			b := newBench(t, set...)
			if one.is != nil {
				b.processor.Is(one.is)
			}
			_, err := b.collect(t, connector.Access)
			if err == nil || !strings.Contains(err.Error(), one.want) || strings.Contains(err.Error(), "rika") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAPinnedCertificateIsTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.system.Processor.CertificateFile = b.processor.CertFile
	if _, err := b.collect(t, connector.Access); err != nil {
		t.Error(err)
	}
}

func TestTheTokenGoesToTheProcessorAlone(t *testing.T) {
	t.Parallel()
	b, other := newBench(t), dsrtest.Start(t)
	b.system.Processor.ResultsHosts = []string{"127.0.0.1"}
	b.processor.Is(func(is *dsrtest.Behaviour) { is.ResultsAt = other.URL + "/results/x" })
	_, _ = b.collect(t, connector.Access) // the other is not trusted by TLS, or has none
	for _, sent := range other.Authorizations {
		if sent != "" {
			t.Errorf("%q", sent)
		}
	}
}

func TestALateProcessorIsReported(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.processor.Is(func(is *dsrtest.Behaviour) { is.Polls = 1000 })
	var pending *connector.PendingError
	call := func() error {
		return b.Collect(b.ctx(t, connector.Access), erika(), func(connector.Record) error { return nil })
	}
	if err := call(); !errors.As(err, &pending) || pending.After < time.Minute {
		t.Fatal(err)
	}
	b.clock.forward(21 * 24 * time.Hour)
	if err := call(); err == nil || !strings.Contains(err.Error(), "within 20 days") {
		t.Error(err)
	}
}

func TestACancelledRequestIsTakenBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.processor.Is(func(is *dsrtest.Behaviour) { is.Polls = 1000 })
	ctx := b.ctx(t, connector.Access)
	_ = b.Collect(ctx, erika(), func(connector.Record) error { return nil })
	if err := b.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	if made := b.processor.Requests(); made[0].Status != statusCancelled {
		t.Errorf("%+v", made)
	}
	if err := b.Cancel(b.ctx(t, connector.Portability)); err != nil {
		t.Errorf("one that was never made: %v", err)
	}
}

func TestACallbackIsBelievedOnlyFromTheProcessor(t *testing.T) {
	t.Parallel()
	const ours = "https://gatehouse.test/opendsr/mailer"
	b := newBench(t, func(p *datamap.Processor) { p.CallbackURL = ours })
	header, body := b.processor.Callback("a7551968-d5d6-44b2-9831-815ac9017798", ours)
	if err := b.Callback(t.Context(), header, body); err != nil {
		t.Error(err)
	}
	if err := b.Callback(t.Context(), header, append(body, ' ')); err == nil {
		t.Error("a changed one was believed")
	}
	if err := b.Callback(t.Context(), http.Header{}, body); err == nil {
		t.Error("an unsigned one was believed")
	}
	if header, body = b.processor.Callback("x", "https://other.test/"); b.Callback(t.Context(), header, body) == nil {
		t.Error("one for somebody else was believed")
	}
	if b.Callback(t.Context(), header, make([]byte, MaxCallback+1)) == nil {
		t.Error("a large one was believed")
	}
}

func TestThePlanSaysWhatWouldBeAsked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for kind, want := range map[connector.Kind]connector.Action{
		connector.Access: connector.Read, connector.Erasure: connector.Delete, connector.Rectification: connector.Update, connector.Objection: connector.Restrict,
	} {
		plan, err := b.Plan(t.Context(), erika(), kind)
		if err != nil || len(plan.Steps) != 1 || plan.Steps[0].Action != want || plan.Steps[0].Count != -1 {
			t.Errorf("%s: %+v %v", kind, plan, err)
		}
	}
	if len(b.processor.Requests()) != 0 {
		t.Error("a plan has asked")
	}
}

func TestTheMapIsComparedWithTheProcessor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if found, err := b.Check(t.Context()); err != nil || len(found) != 0 {
		t.Error(found, err)
	}
	b = newBench(t)
	b.processor.Is(func(is *dsrtest.Behaviour) { is.NoIdentity, is.Types = true, []string{typeAccess} })
	found, err := b.Check(t.Context())
	if err != nil || len(found) != 3 || found[0].Level != connector.Fault || found[2].Level != connector.Warning {
		t.Errorf("%+v %v", found, err)
	}
}

func TestACallWithoutARequestIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.Erase(t.Context(), erika())
	if err == nil || !strings.Contains(err.Error(), "belongs to no request") {
		t.Error(err)
	}
}

func TestResultsOfAnyShapeAreRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, one := range map[string]struct{ media, body, want string }{
		"an array":               {"application/json", `[{"a":1},2]`, `subscribers/1{"a":1} subscribers/2{"value":2}`},
		"an object of arrays":    {"application/json; charset=utf-8", `{"b":[{"x":"y"}],"a":[]}`, `b/1{"x":"y"}`},
		"an object":              {"application/vnd.x+json", `{"name":"n","n":12345678901234567890}`, `results/{"n":12345678901234567890,"name":"n"}`},
		"a mark of byte order":   {"application/json", "\ufeff[1]", `subscribers/1{"value":1}`},
		"lines":                  {"application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n", `subscribers/1{"a":1} subscribers/2{"a":2}`},
		"nothing":                {"application/json", "", ``},
		"null":                   {"application/json", "null", ``},
		"a text":                 {"application/json", `"x"`, `results/1{"value":"x"}`},
		"a file":                 {"application/pdf", "%PDF", `results/{"base64":"JVBERg==","content_type":"application/pdf"}`},
		"what is no JSON":        {"application/json", `[1`, `error`},
		"more than one document": {"application/json", `{} {}`, `error`},
		"lines that are not":     {"application/jsonl", "{\n", `error`},
	} {
		var got []string
		err := b.records(reply{header: http.Header{"Content-Type": {one.media}}, body: []byte(one.body)}, func(r connector.Record) error {
			fields, err := json.Marshal(r.Fields)
			got = append(got, r.Collection+"/"+r.Key+string(fields))
			return err
		})
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, " ") != one.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAnAuthoritiesFileThatIsNoneIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, path := range []string{"/none.pem", b.processor.TokenFile} {
		s := b.system
		s.Processor.CAFile = path
		if _, err := New(Options{System: s, Key: b.key}); err == nil || !strings.Contains(err.Error(), "ca_file") {
			t.Error(err)
		}
	}
	if _, err := New(Options{System: b.system, Key: []byte("short")}); err == nil {
		t.Error("a short key was taken")
	}
}
