package middleware

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/filter/pipeline"
	"gatehouse/filter/policy"
)

// TestANameIsRewrittenBeforeTheHandlerReadsIt also sees that a policy which only
// reports changes nothing.
func TestANameIsRewrittenBeforeTheHandlerReadsIt(t *testing.T) {
	t.Parallel()
	content := "%PDF-1.4\n1 0 obj\n<< >>\nendobj\n%" + strings.Repeat("x", 40_000) + "\ntrailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
	file := func(name string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: application/pdf\r\n\r\n" + content + "\r\n"
	}
	body := file("a.pdf") + file("../../CON.pdf") + "--b--\r\n"
	for mode, want := range map[string]string{"enforce": "_ON.pdf", "report": "../../CON.pdf"} {
		set, err := policy.Parse([]byte(`{"default_policy":"a","policies":{"a":{"uploads":{"mode":"` + mode + `","allow":["pdf"],"names":"rewrite"}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		got, length, sent := "", int64(0), ""
		handler := New(set, Options{Verdict: func(_ *http.Request, x *pipeline.Exchange) {
			if files := x.Verdict().Files; len(files) == 2 {
				sent = files[1].Sent
			}
		}})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			got, length = string(text), r.ContentLength
		}))
		server := httptest.NewServer(handler)
		response, _ := post(t, server.URL, "multipart/form-data; boundary=b", strings.NewReader(body))
		server.Close()
		if response.StatusCode != http.StatusOK || len(got) != len(body) || length != int64(len(body)) || !strings.Contains(got, `filename="`+want+`"`) {
			t.Errorf("%s: status %d, %d bytes of %d", mode, response.StatusCode, len(got), len(body))
		}
		if mode == "enforce" && sent != "../../CON.pdf" {
			t.Errorf("the verdict says that the client sent %q", sent)
		}
	}
}
