package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// heard is a call as it came to control.
type heard struct {
	method, path, query, authorization, key, body string
}

// controlled runs commands against a control that answers as told.
type controlled struct {
	t      *testing.T
	url    string
	token  string
	heard  []heard
	status int
	answer string
}

const cliToken = "a-token-of-the-command-line"

func newControlled(t *testing.T) *controlled {
	t.Helper()
	c := &controlled{t: t, status: http.StatusOK, answer: `{}`, token: filepath.Join(t.TempDir(), "token")}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.heard = append(c.heard, heard{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"), string(body)})
		if c.status >= 300 && c.status < 400 {
			w.Header().Set("Location", "http://127.0.0.2:1/stolen")
		}
		w.WriteHeader(c.status)
		_, _ = io.WriteString(w, c.answer)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	if err := os.WriteFile(c.token, []byte(cliToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *controlled) run(want int, args ...string) string {
	c.t.Helper()
	cmd := command{env: map[string]string{"GATEHOUSE_CONTROL": c.url, "GATEHOUSE_TOKEN_FILE": c.token}}
	if code := cmd.run(c.t.Context(), args...); code != want {
		c.t.Fatalf("%v: exit code %d, want %d: %s%s", args, code, want, cmd.stdout.String(), cmd.stderr.String())
	}
	return cmd.stdout.String() + cmd.stderr.String()
}

func TestEachCommandAboutRightsIsOneCall(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	for line, want := range map[string]heard{
		"subject request erasure --subject s1 --identity email=a@example.com":    {method: "POST", path: "/v1/subject-requests", body: `{"identities":[{"type":"email","value":"a@example.com"}],"kind":"erasure","subject":"s1"}`},
		"subject request rectification --subject s1 --change customers.mail=b@c": {method: "POST", path: "/v1/subject-requests", body: `{"changes":[{"collection":"customers","field":"mail","value":"b@c"}],"kind":"rectification","subject":"s1"}`},
		"subject list --state received --limit 5 --cursor abc":                   {method: "GET", path: "/v1/subject-requests", query: "cursor=abc&limit=5&state=received"},
		"subject show r/1":                                             {method: "GET", path: "/v1/subject-requests/r/1"},
		"subject verify r1 --how passport":                             {method: "POST", path: "/v1/subject-requests/r1/verify", body: `{"how":"passport"}`},
		"subject extend r1 --reason complex":                           {method: "POST", path: "/v1/subject-requests/r1/extend", body: `{"reason":"complex"}`},
		"subject refuse r1 --reason unfounded":                         {method: "POST", path: "/v1/subject-requests/r1/refuse", body: `{"reason":"unfounded"}`},
		"subject cancel r1 --reason withdrawn":                         {method: "POST", path: "/v1/subject-requests/r1/cancel", body: `{"reason":"withdrawn"}`},
		"subject run r1":                                               {method: "POST", path: "/v1/subject-requests/r1/run"},
		"subject plan r1":                                              {method: "GET", path: "/v1/subject-requests/r1/plan"},
		"subject attest r1 --system crm --note deleted":                {method: "POST", path: "/v1/subject-requests/r1/attest", body: `{"note":"deleted","system":"crm"}`},
		"subject person u:abc":                                         {method: "GET", path: "/v1/subjects/u:abc"},
		"consent gpc --subject s1":                                     {method: "POST", path: "/v1/consents/gpc", body: `{"subject":"s1"}`},
		"consent prove e1 -o json":                                     {method: "GET", path: "/v1/consents/e1/proof"},
		"records":                                                      {method: "GET", path: "/v1/records", query: "format=markdown"},
		"records --format csv":                                         {method: "GET", path: "/v1/records", query: "format=csv"},
		"consent give --subject s1 --purpose news --notice-version 3":  {method: "POST", path: "/v1/consents", body: `{"notice_version":"3","purpose":"news","state":"given","subject":"s1"}`},
		"consent withdraw --subject s1 --purpose news --channel phone": {method: "POST", path: "/v1/consents", body: `{"channel":"phone","purpose":"news","state":"withdrawn","subject":"s1"}`},
		"consent show --subject s1":                                    {method: "GET", path: "/v1/consents", query: "limit=50&subject=s1"},
		"consent history --subject s1 --purpose news":                  {method: "GET", path: "/v1/consents/history", query: "limit=50&purpose=news&subject=s1"},
		"breach record --title lost --risk high":                       {method: "POST", path: "/v1/breaches", body: `{"risk":"high","title":"lost"}`},
		"breach list":                                                  {method: "GET", path: "/v1/breaches", query: "limit=50"},
		"breach show b1":                                               {method: "GET", path: "/v1/breaches/b1"},
		`breach update b1 --state contained --data {"count":3}`:        {method: "PATCH", path: "/v1/breaches/b1", body: `{"count":3,"state":"contained"}`},
		"breach notify b1 --whom authority":                            {method: "POST", path: "/v1/breaches/b1/notify", body: `{"whom":"authority"}`},
		"breach draft b1 --article 34":                                 {method: "GET", path: "/v1/breaches/b1/draft", query: "article=34"},
	} {
		c.heard = nil
		c.run(ExitDone, strings.Fields(line)...)
		if len(c.heard) != 1 {
			t.Errorf("%s: %d calls", line, len(c.heard))
			continue
		}
		got := c.heard[0]
		if (got.method == http.MethodPost) != (got.key != "") || got.authorization != "Bearer "+cliToken {
			t.Errorf("%s: %+v", line, got)
		}
		got.key, got.authorization = "", ""
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", line, got, want)
		}
	}
}

func TestAListIsATableAndJSONOnDemand(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	c.answer = `{"items":[{"id":"r1","kind":"access","state":"received","due":"2026-04-14T00:00:00Z","subject":"u:\u001b[31mred"}],"next_cursor":"bmV4dA"}`
	table := c.run(ExitDone, "subject", "list")
	for _, want := range []string{"NUMBER", "RIGHT", "r1", "access", "2026-04-14", "more: --cursor bmV4dA"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is missing in\n%s", want, table)
		}
	}
	if strings.ContainsRune(table, '\x1b') {
		t.Error("an answer moves the terminal's cursor")
	}
	var page map[string]any
	if err := json.Unmarshal([]byte(c.run(ExitDone, "subject", "list", "-o", "json")), &page); err != nil || page["next_cursor"] != "bmV4dA" {
		t.Errorf("%v %v", page, err)
	}
	c.answer = ""
	if out := c.run(ExitDone, "subject", "run", "r1"); out != "done\n" {
		t.Errorf("%q", out)
	}
}

func TestARefusalIsOneLineWithTheNumberToAskFor(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	c.status, c.answer = http.StatusUnprocessableEntity,
		`{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"validation failed","request_id":"req-1","errors":[{"location":"body.kind","message":"expected one of"}]}`
	out := c.run(ExitWrong, "subject", "request", "destruction")
	if want := "gatehouse: 422 Unprocessable Entity: validation failed; body.kind: expected one of (request req-1)\n"; out != want {
		t.Errorf("%q", out)
	}
	c.status, c.answer = http.StatusBadGateway, "<html>"
	if out := c.run(ExitWrong, "breach", "list"); !strings.Contains(out, "502") || strings.Contains(out, "<html>") {
		t.Errorf("%q", out)
	}
	c.status = http.StatusTemporaryRedirect
	if out := c.run(ExitWrong, "breach", "list"); !strings.Contains(out, "307") {
		t.Errorf("a redirect was followed: %q", out)
	}
}

func TestAnExportIsWrittenWholeAndOverwritesNothing(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	c.answer = "the archive"
	path := filepath.Join(t.TempDir(), "export.zip")
	c.run(ExitDone, "subject", "export", "r1", "--out", path)
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "the archive" {
		t.Fatalf("%q %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if out := c.run(ExitWrong, "subject", "export", "r1", "--out", path); !strings.Contains(out, "exists") {
		t.Errorf("%q", out)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	if out := c.run(ExitDone, "subject", "export", "r1", "--out", "-"); out != "the archive" {
		t.Errorf("%q", out)
	}
}

func TestATokenIsNotSentWhereOthersHearIt(t *testing.T) {
	t.Parallel()
	c := newControlled(t)
	for _, line := range []struct {
		args string
		want string
	}{
		{"breach list --control http://control.example.com", "without TLS"},
		{"breach list --control control.example.com", "write http"},
		{"breach list --control http://u:p@127.0.0.1:1", "user information"},
		{"breach list --token-file=", "no token"},
		{"subject verify r1", "--how is missing"},
		{"subject export r1", "--out is missing"},
		{"subject request erasure --identity mail", "--identity"},
		{"subject request rectification --change mail=x", "--change"},
		{"breach draft b1 --article 35", "33 or 34"},
		{"breach show ..", "is no number"},
		{"consent give --purpose news", "--subject is missing"},
		{"consent gpc", "--subject is missing"},
		{"subject attest r1 --system crm", "--note is missing"},
		{"records --format xml", "markdown, csv or json"},
	} {
		cmd := command{env: map[string]string{"GATEHOUSE_CONTROL": c.url}}
		args := append(strings.Fields(line.args), "--token-file", c.token)
		if strings.Contains(line.args, "--token-file=") {
			args = strings.Fields(line.args)
		}
		code := cmd.run(t.Context(), args...)
		if out := cmd.stderr.String(); code != ExitUsage || !strings.Contains(out, line.want) || strings.Contains(out, cliToken) {
			t.Errorf("%s: exit code %d: %s", line.args, code, out)
		}
	}
	if len(c.heard) > 0 {
		t.Errorf("control heard %+v", c.heard)
	}
	if err := os.Chmod(c.token, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := c.run(ExitWrong, "breach", "list"); !strings.Contains(out, "chmod 0600") {
		t.Errorf("a token that everybody may read: %q", out)
	}
}
