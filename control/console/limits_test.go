package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestThePageOfLimitsShowsWhoIsLimitedAndWhyAndOneCounter(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	_, page := visit(t, server, http.MethodGet, "/console/limits?key="+url.QueryEscape("203.0.113.7+api"), "", signedIn...)
	for _, part := range []string{
		"203.0.113.7&#43;api:ip:s:100:60000:0", "more than 100 in 1m0s", ">42<", // whom and why
		"more than 5 at once",                 // by a limit that only reports
		"<code>99</code>", "forgotten in 42s", // the counter
		`action="/console/limits/reset"`, `name="key" value="203.0.113.7&#43;api"`, `aria-current="page">Limits`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is not in\n%s", part, page)
		}
	}
	if strings.Contains(page, "<script>document") || strings.Contains(page, "<img src=x") {
		t.Error("a key becomes markup")
	}
	if len(f.queries) != 1 || f.queries[0] != "key=203.0.113.7%2Bapi" {
		t.Errorf("%q", f.queries)
	}
}

func TestALimitIsTriedAsTheFormSays(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	answer, page := visit(t, server, http.MethodGet, "/console/limits?rate=1000/day&algorithm=quota&time_zone=Europe/Berlin&by=user&burst=", "", signedIn...)
	for _, part := range []string{
		"<strong>50</strong> of 200 requests (25.00 %) would have been refused, of 2 of 7 keys", "these are the newest",
		`value="1000/day"`, `<option value="quota" selected>`, `<option value="user" selected>`, `value="Europe/Berlin"`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is not in\n%s", part, page)
		}
	}
	if answer.StatusCode != http.StatusOK || strings.Contains(page, "<script>document") || strings.Contains(page, "' onmouseover='") {
		t.Errorf("%d, or a key becomes markup", answer.StatusCode)
	}
	if len(f.queries) != 1 || f.queries[0] != "algorithm=quota&by=user&rate=1000%2Fday&time_zone=Europe%2FBerlin" {
		t.Errorf("%q", f.queries)
	}
	f.set(func() { f.absent["/v1/limits/trial"] = http.StatusUnprocessableEntity })
	answer, page = visit(t, server, http.MethodGet, "/console/limits?rate="+url.QueryEscape(hostile[1]), "", signedIn...)
	if answer.StatusCode != http.StatusOK || !strings.Contains(page, `role="alert"`) || strings.Contains(page, "<img src=x") {
		t.Errorf("a limit that makes no sense: %d\n%s", answer.StatusCode, page)
	}
}

func TestACounterBeginsAnewOnlyByAFormOfThisConsole(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	form := url.Values{"key": {"203.0.113.7+api"}}.Encode()
	answer, _ := visit(t, server, http.MethodPost, "/console/limits/reset", form, append([]string{"Sec-Fetch-Site", "cross-site"}, signedIn...)...)
	if answer.StatusCode != http.StatusForbidden || len(f.bodies) != 0 {
		t.Errorf("another site's form: %d %v", answer.StatusCode, f.bodies)
	}
	answer, _ = visit(t, server, http.MethodPost, "/console/limits/reset", form, append([]string{"Sec-Fetch-Site", "same-origin"}, signedIn...)...)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/console/limits?said=reset" ||
		len(f.bodies) != 1 || f.bodies[0] != `{"key":"203.0.113.7+api"}` {
		t.Errorf("%d %s %v", answer.StatusCode, answer.Header.Get("Location"), f.bodies)
	}
	if _, page := visit(t, server, http.MethodGet, "/console/limits?said=reset", "", signedIn...); !strings.Contains(page, "begun anew") {
		t.Error("the page does not say what was done")
	}
}

func TestCountersAreShownToThoseAloneWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	f, server := site(t)
	f.set(func() { f.role, f.absent["/v1/limits"] = "auditor", http.StatusForbidden })
	answer, page := visit(t, server, http.MethodGet, "/console/limits?key=x", "", signedIn...)
	if answer.StatusCode != http.StatusOK || strings.Contains(page, "being limited") || strings.Contains(page, "reset") || !strings.Contains(page, "Try a limit") {
		t.Errorf("%d\n%s", answer.StatusCode, page)
	}
	f.set(func() { f.role, f.absent = "operator", map[string]int{"/v1/limits/counters": http.StatusNotFound} })
	if _, page = visit(t, server, http.MethodGet, "/console/limits?key=x", "", signedIn...); !strings.Contains(page, "Nothing is counted under this key now") {
		t.Errorf("\n%s", page)
	}
}
