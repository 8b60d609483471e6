package console

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func somePlans() []any {
	return []any{
		map[string]any{"system": "shop", "steps": []any{
			map[string]any{"collection": "orders", "action": "delete", "count": 17, "note": hostile[0]},
			map[string]any{"collection": "invoices_of_the_last_ten_years_which_are_many", "action": "pseudonymise", "count": -1, "note": "kept for ten years (Art. 17(3)(b))"},
		}},
		map[string]any{"system": "newsletter", "steps": []any{}},
		map[string]any{"system": "gatehouse", "steps": []any{map[string]any{"collection": "", "action": "delete", "count": 1}}},
	}
}

// request is one that a test decides about, if it said so, else the first.
func (f *fakeAPI) request(r *http.Request) any {
	id := r.PathValue("id")
	state, decided := f.states[id]
	if !decided {
		return someRequests()[0]
	}
	one := someRequests()[1]
	one["id"], one["state"], one["kind"], one["reason"] = id, state, "erasure", hostile[1]
	if state != "received" {
		one["verified"], one["verified_by"], one["verified_how"] = now, "operator u:abc", hostile[0]
	}
	return one
}

// decides serves a decision as the API does: to these roles, from this origin,
// in this state.
func (f *fakeAPI) decides(name, from, to string, roles ...string) {
	f.mux.HandleFunc("POST /v1/subject-requests/{id}/"+name, func(w http.ResponseWriter, r *http.Request) {
		f.note(r)
		f.mu.Lock()
		defer f.mu.Unlock()
		body, _ := io.ReadAll(r.Body) // of this process
		id := r.PathValue("id")
		switch {
		case r.Header.Get("Sec-Fetch-Site") != "same-origin" || !slices.Contains(roles, f.role):
			problemOf(w, http.StatusForbidden)
		case f.states[id] != from:
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(map[string]any{"title": "Conflict", "status": http.StatusConflict, "detail": "the request is " + f.states[id]})
		default:
			f.bodies = append(f.bodies, name+" "+string(body))
			f.states[id] = to
			_ = json.NewEncoder(w).Encode(map[string]any{"id": id})
		}
	})
}

func (f *fakeAPI) begin(role, state string) {
	f.set(func() { f.role, f.states["r-1"], f.bodies = role, state, nil })
}

func (f *fakeAPI) now() (state string, bodies []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states["r-1"], slices.Clone(f.bodies)
}

var sent = append([]string{"Sec-Fetch-Site", "same-origin"}, signedIn...)

var seenField = regexp.MustCompile(`name="seen" value="([^"]+)"`)

// seen is the plan that a page shows.
func seen(t *testing.T, server *httptest.Server) string {
	t.Helper()
	_, text := visit(t, server, http.MethodGet, "/console/requests/r-1/plan", "", signedIn...)
	found := seenField.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("the page carries no plan: %s", text)
	}
	return found[1]
}

func TestARoleSeesTheDecisionsThatItMayTake(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	const identity, look, carry = "Record the identity", "See the plan", ">Carry it out</button>"
	for _, test := range []struct {
		role, state, page string
		want, not         []string
	}{
		{"operator", "received", "", []string{identity}, []string{look, carry}},
		{"operator", "verified", "", nil, []string{identity, look, carry}},
		{"dpo", "received", "", []string{identity, look}, []string{carry}},
		{"dpo", "received", "/plan", []string{"Not yet"}, []string{carry}},
		{"dpo", "verified", "", []string{look, "checked", "by operator u:abc"}, []string{identity, carry}},
		{"dpo", "verified", "/plan", []string{carry, "orders", "17", "not known", "cannot be brought back"}, nil},
		{"dpo", "in_progress", "/plan", []string{"Look at it again now"}, []string{carry}},
		{"dpo", "completed", "", nil, []string{identity, look, carry}},
		{"admin", "received", "", []string{identity, look}, nil},
		{"auditor", "received", "", []string{look}, []string{identity, carry}},
		{"auditor", "verified", "/plan", []string{"Your role may see the plan"}, []string{carry}},
		{"subject", "received", "", nil, []string{identity, look, carry}},
	} {
		f.begin(test.role, test.state)
		answer, text := visit(t, server, http.MethodGet, "/console/requests/r-1"+test.page, "", signedIn...)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s, %s%s: %d", test.role, test.state, test.page, answer.StatusCode)
		}
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s, %s%s: %q is missing", test.role, test.state, test.page, want)
			}
		}
		for _, not := range test.not {
			if strings.Contains(text, not) {
				t.Errorf("%s, %s%s: %q is there", test.role, test.state, test.page, not)
			}
		}
		if strings.Contains(text, "<script>document") || strings.Contains(text, "<img src=x") {
			t.Errorf("%s, %s%s: a text becomes markup", test.role, test.state, test.page)
		}
	}
}

func TestAnIdentityIsRecordedAsItWasChecked(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	f.begin("operator", "received")
	form := url.Values{"how": {"  called back  "}}.Encode()
	answer, _ := visit(t, server, http.MethodPost, "/console/requests/r-1/verify", form, sent...)
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/console/requests/r-1?said=verified" {
		t.Fatalf("%d %s", answer.StatusCode, to)
	}
	if state, bodies := f.now(); state != "verified" || !slices.Equal(bodies, []string{`verify {"how":"called back"}`}) {
		t.Errorf("%s %v", state, bodies)
	}
	// Twice is a conflict, and what was typed stays.
	answer, text := visit(t, server, http.MethodPost, "/console/requests/r-1/verify", form, sent...)
	if answer.StatusCode != http.StatusConflict || !strings.Contains(text, "Nothing was changed: the request is verified.") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
	f.begin("auditor", "received")
	answer, text = visit(t, server, http.MethodPost, "/console/requests/r-1/verify", form, sent...)
	if answer.StatusCode != http.StatusForbidden || !strings.Contains(text, "your role does not allow it") {
		t.Errorf("%d %s", answer.StatusCode, text)
	}
}

func TestOnlyThePlanThatWasReadIsCarriedOut(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	f.begin("dpo", "verified")
	plan := seen(t, server)
	post := func(seen, sure string) (int, string) {
		t.Helper()
		answer, text := visit(t, server, http.MethodPost, "/console/requests/r-1/run", url.Values{"seen": {seen}, "sure": {sure}}.Encode(), sent...)
		return answer.StatusCode, text + answer.Header.Get("Location")
	}
	if code, text := post(plan, ""); code != http.StatusUnprocessableEntity || !strings.Contains(text, "say that you have read the plan") {
		t.Errorf("not said: %d %s", code, text)
	}
	if code, text := post("", "yes"); code != http.StatusConflict || !strings.Contains(text, "Read it again") {
		t.Errorf("not seen: %d %s", code, text)
	}
	f.set(func() { f.plans = f.plans[:1] }) // a system less
	if code, text := post(plan, "yes"); code != http.StatusConflict || !strings.Contains(text, "Read it again") {
		t.Errorf("another plan: %d %s", code, text)
	}
	if state, bodies := f.now(); state != "verified" || len(bodies) > 0 {
		t.Fatalf("%s %v", state, bodies)
	}
	plan = seen(t, server)
	f.set(func() { // a record more: that is no other plan
		one := f.plans[0].(map[string]any)["steps"].([]any)[0].(map[string]any) //nolint:forcetypeassert // of somePlans
		one["count"] = 18
	})
	if code, to := post(plan, "yes"); code != http.StatusSeeOther || to != "/console/requests/r-1?said=started" {
		t.Errorf("%d %s", code, to)
	}
	if state, bodies := f.now(); state != "in_progress" || !slices.Equal(bodies, []string{"run "}) {
		t.Errorf("%s %v", state, bodies)
	}
}

func TestADecisionIsTakenFromThisConsoleOnly(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	f.begin("dpo", "verified")
	run := url.Values{"seen": {seen(t, server)}, "sure": {"yes"}}.Encode()
	for path, test := range map[string]struct{ state, form string }{
		"/console/requests/r-1/verify": {"received", "how=passport"},
		"/console/requests/r-1/run":    {"verified", run},
	} {
		for name, headers := range map[string][]string{
			"another site":          {"Sec-Fetch-Site", "cross-site"},
			"a neighbour":           {"Sec-Fetch-Site", "same-site"},
			"another origin":        {"Origin", "https://evil.example"},
			"an origin that is not": {"Origin", "null"},
			"no browser":            nil,
		} {
			f.begin("dpo", test.state)
			answer, text := visit(t, server, http.MethodPost, path, test.form, append(slices.Clone(headers), signedIn...)...)
			if state, bodies := f.now(); answer.StatusCode != http.StatusForbidden || state != test.state || len(bodies) > 0 {
				t.Errorf("%s from %s: %d, %s %v: %s", path, name, answer.StatusCode, state, bodies, text)
			}
		}
		if answer, _ := visit(t, server, http.MethodGet, path, "", sent...); answer.StatusCode == http.StatusSeeOther || answer.StatusCode == http.StatusOK {
			t.Errorf("GET %s: %d", path, answer.StatusCode)
		}
		if answer, _ := visit(t, server, http.MethodPost, path, test.form, "Sec-Fetch-Site", "same-origin"); !strings.HasPrefix(answer.Header.Get("Location"), "/console/sign-in") {
			t.Errorf("%s for nobody: %d", path, answer.StatusCode)
		}
		if answer, _ := visit(t, server, http.MethodPost, path, strings.Repeat("x", maxForm+1), sent...); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with a form without end: %d", path, answer.StatusCode)
		}
	}
}

func TestARequestIsVerifiedPlannedAndCarriedOutInChromium(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{1280, 390} {
		f, server := site(t)
		b := newBrowser(t, server.URL)
		b.size(width, 844)
		b.signIn()
		f.begin("dpo", "received")
		b.open("/console/requests/r-1")
		b.fits("received", width)
		b.do(
			chromedp.SendKeys(chromedp.CSS("#how"), "called back"),
			chromedp.Click(chromedp.CSS("form[action$='/verify'] button")),
			chromedp.WaitVisible(chromedp.CSS(".notice[role=status]")),
		)
		b.fits("verified", width)
		b.do(chromedp.Click(chromedp.CSS("a.button")), chromedp.WaitVisible(chromedp.CSS("#sure")))
		b.fits("plan", width)
		// The browser itself asks for the tick.
		b.do(chromedp.Click(chromedp.CSS("form[action$='/run'] button")))
		if state, _ := f.now(); state != "verified" {
			t.Errorf("carried out without a tick: %s", state)
		}
		b.do(
			chromedp.Click(chromedp.CSS("#sure")), chromedp.Click(chromedp.CSS("form[action$='/run'] button")),
			chromedp.WaitVisible(chromedp.CSS(".notice[role=status]")),
		)
		if state, bodies := f.now(); state != "in_progress" || len(bodies) != 2 {
			t.Errorf("at %d: %s %v", width, state, bodies)
		}
		b.fits("started", width)
		b.content()
	}
}

// fits looks at a page as it is: nothing is cut off, unreadable or without a
// name, in neither light.
func (b *browser) fits(name string, width int64) {
	b.t.Helper()
	if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > width {
		b.t.Errorf("%s is %d pixels wide at %d", name, wide, width)
	}
	if eval[bool](b, "document.querySelector('td img, td script, dd img, dd script') !== null") {
		b.t.Errorf("%s: a text became markup", name)
	}
	for _, dark := range []bool{true, false} {
		b.dark(dark)
		if bad := eval[[]string](b, contrast); len(bad) > 0 {
			b.t.Errorf("%s, dark %v: too little contrast: %s", name, dark, strings.Join(bad, "; "))
		}
	}
	if bad := eval[[]string](b, strings.Replace(unlabelled, "button, a", "textarea, button, a", 1)); len(bad) > 0 {
		b.t.Errorf("%s: without a name: %s", name, strings.Join(bad, "; "))
	}
	b.shot(name + "-" + map[int64]string{1280: "1280", 390: "390"}[width])
}
