package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
)

// judge refuses what contains "bad" and reads all of what it is given.
type judge struct{}

func (judge) JudgeUpload(_ context.Context, f UploadFile) (UploadVerdict, error) {
	if f.Policy != "upload" {
		return UploadVerdict{}, ErrNotFound
	}
	text, err := io.ReadAll(f.Body)
	if err != nil {
		return UploadVerdict{}, err
	}
	v := UploadVerdict{Verdict: "accept", Mode: "enforce", Declared: f.ContentType, Size: int64(len(text)), SHA256: "ab"}
	if strings.Contains(string(text), "bad") {
		at := int64(3)
		v.Verdict, v.Rule, v.RuleID, v.Offset = "reject", "type_mismatch", "GH-TYP-001", &at
	}
	return v, nil
}

func judging(t *testing.T) *rig {
	t.Helper()
	g := newRig(t, nil)
	g.server.Serve(Sources{Uploads: judge{}})
	return g
}

func TestAFileIsJudgedWholeHoweverLargeOtherCallsMayBe(t *testing.T) {
	t.Parallel()
	g := judging(t)
	body := strings.Repeat("x", 3*MaxBody)
	a := g.call("POST", "/v1/upload-verdicts?policy=upload&name=a.txt", body, "Authorization", "Bearer "+g.tokens[Operator])
	var v UploadVerdict
	if err := json.Unmarshal(a.want(http.StatusOK).Body.Bytes(), &v); err != nil || v.Verdict != "accept" || v.Size != int64(len(body)) || v.Declared != "application/json" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestARefusedFileIsTheSameEventAsAtTheGateway(t *testing.T) {
	t.Parallel()
	g := judging(t)
	g.call("POST", "/v1/upload-verdicts?policy=upload&name=her.pdf", "bad", "Authorization", "Bearer "+g.tokens[Operator]).want(http.StatusOK)
	for _, e := range g.events.all() {
		if e.Type != event.FileUploadRejected {
			continue
		}
		if e.Outcome != event.Deny || e.Policy != "upload" || e.Rule != "type_mismatch" || e.Detail["rule_id"] != "GH-TYP-001" || e.Detail["offset"] != "3" ||
			e.Detail["sha256"] != "ab" || e.Detail["hashed"] != "3" || e.Personal[event.PersonalFilename] != "her.pdf" || e.Detail["role"] != "operator" {
			t.Errorf("got %+v", e)
		}
		return
	}
	t.Error("no event")
}

func TestWhoMayHaveFilesJudgedAndByWhat(t *testing.T) {
	t.Parallel()
	g := judging(t)
	for _, c := range []struct {
		name, path string
		role       Role
		status     int
	}{
		{"an auditor changes nothing, and has nothing judged", "/v1/upload-verdicts?policy=upload", Auditor, 403},
		{"nobody", "/v1/upload-verdicts?policy=upload", "", 401},
		{"a policy that is not there", "/v1/upload-verdicts?policy=nope", Operator, 404},
		{"no policy", "/v1/upload-verdicts", Operator, 422},
	} {
		var header []string
		if c.role != "" {
			header = []string{"Authorization", "Bearer " + g.tokens[c.role]}
		}
		g.call("POST", c.path, "x", header...).problem(c.status)
	}
}

func TestAFileThatStopsComingIsGivenUp(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &timedBody{body: r.Body, control: http.NewResponseController(w), until: time.Now().Add(50 * time.Millisecond)}
		_, err := io.ReadAll(body)
		result <- err
	}))
	defer server.Close()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-result:
		var p *Problem
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(fileProblem(err), &p) || p.Status != http.StatusRequestTimeout {
			t.Errorf("got %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("it waits for ever")
	}
}
