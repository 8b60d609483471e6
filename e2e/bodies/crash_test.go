package bodies

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// crashes tells the modules that only tests build to crash.
const crashes = "X-Gatehouse-Crash"

// A module by TinyGo cannot recover: its VM ends, and Envoy starts another. One by
// Go's own compiler refuses that one request.
//
//nolint:paralleltest // an Envoy compiles the module on all cores
func TestACrashOfTheFilterLetsNothingPassUnjudged(t *testing.T) {
	for name, module := range map[string]string{"by TinyGo": pack.WasmWithoutGRPC(t), "by Go": pack.WasmByGo(t)} {
		t.Run(name, func(t *testing.T) {
			e := startWith(t, module)
			client := pack.HTTP1()
			rest, lies := io.Pipe()
			underWay := make(chan int, 1)
			go func() { underWay <- post(t, client, e, "under way", rest, "") }()
			body := form(file("a.pdf", pdf(300_000)), file("b.pdf", exe(100)))
			if _, err := io.WriteString(lies, body[:200_000]); err != nil {
				t.Fatal(err)
			}
			if status := post(t, client, e, "crash", strings.NewReader(form(file("a.pdf", pdf(10)))), "1"); status != 0 && status != http.StatusServiceUnavailable {
				t.Errorf("the request that crashes the filter gets %d", status)
			}
			// An Envoy that has given the request up reads no further.
			_, _ = io.WriteString(lies, body[200_000:])
			_ = lies.Close()
			if status := <-underWay; status >= 200 && status < 300 {
				t.Errorf("a form that lies was under way: it gets %d", status)
			}
			if r, ok := e.got(t, "crash"); ok {
				t.Errorf("the request that crashed the filter reached the application: %+v", r)
			}
			if r, _ := e.got(t, "under way"); r.complete {
				t.Errorf("a form that lies is complete at the application, which has %d bytes of it", len(r.body))
			}
			pack.Eventually(t, 20*time.Second, "an honest form passes again", func(context.Context) error {
				if status := post(t, client, e, "after", strings.NewReader(form(file("a.pdf", pdf(10)))), ""); status != http.StatusNoContent {
					return fmt.Errorf("%d", status)
				}
				return nil
			})
		})
	}
}

// post returns 0 if the connection broke.
func post(t *testing.T, client *http.Client, e *edge, id string, body io.Reader, crash string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.addr+"/", body)
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	r.Header.Set(idHeader, id)
	if crash != "" {
		r.Header.Set(crashes, crash)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}
