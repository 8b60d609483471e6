package uploadpaths

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"gatehouse/e2e/pack"
	filterpolicy "gatehouse/filter/policy"
	"gatehouse/filter/upload"
)

//go:embed envoy.yaml.tmpl
var envoyTemplate string

// edge is an Envoy of one worker with the filter alone, before an upstream to which
// it speaks HTTP/2 for paths under /http2, and else HTTP/1.
type edge struct {
	addr, admin string
	envoy       *pack.Process
	app         *pack.Upstream
}

// maxFile is what a file may have in these tests.
const maxFile = 8 << 20

// startEdge starts one whose filter gathers so many bytes of a body; Envoy has room for
// them then.
func startEdge(t pack.TB, app *pack.Upstream, gather int64) *edge {
	t.Helper()
	ports, dir := pack.ReservePorts(t), t.TempDir()
	e := &edge{addr: ports.Addr(0), admin: ports.Addr(2), app: app}
	config, err := json.Marshal(filterpolicy.Config{
		Version: "paths", DefaultPolicy: "base", IgnoreMetadata: true, HoldRequestHeaders: true, GatherBody: gather,
		ScanService: "app_http2", // it is never asked: there is no gate
		Rules:       []filterpolicy.Rule{{Path: toHTTP1 + scanning, Policy: "scanning"}, {Path: toHTTP1 + rewriting, Policy: "rewriting"}, {Path: toHTTP2 + rewriting, Policy: "rewriting"}},
		Policies: map[string]filterpolicy.Policy{
			"base":      {Uploads: &filterpolicy.Uploads{Allow: upload.KnownGroups(), MaxFileSize: maxFile}},
			"scanning":  {Uploads: &filterpolicy.Uploads{Allow: upload.KnownGroups(), Scan: &filterpolicy.Scan{When: filterpolicy.ScanAlways}}},
			"rewriting": {Uploads: &filterpolicy.Uploads{Allow: upload.KnownGroups(), MaxFileSize: maxFile, Names: upload.NamesRewrite}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	err = template.Must(template.New("envoy").Parse(envoyTemplate)).Execute(&text, map[string]any{
		"Port": portOf(e.addr), "AdminPort": portOf(e.admin), "UpstreamPort": portOf(strings.TrimPrefix(app.URL, "http://")),
		"Clusters": map[string]string{"app_http1": "http_protocol_options: {enable_trailers: true}", "app_http2": "http2_protocol_options: {}"},
		"Gathers":  gather > 0, "Wasm": pack.Wasm(t), "FilterConfig": strconv.Quote(string(config)),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "envoy.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	e.envoy = pack.EnvoyOn(t, dir, file, e.admin, e.addr)
	e.envoy.Start(t)
	return e
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// openStreams is the filter's own count of inspected streams that live.
func (e *edge) openStreams(ctx context.Context) (int, error) {
	return e.stat(ctx, "gatehouse_uploads_open")
}

// stat is one of Envoy's counters or gauges.
func (e *edge) stat(ctx context.Context, name string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.admin+"/stats?filter="+name, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	_, value, found := strings.Cut(strings.TrimSpace(string(text)), ": ")
	if !found {
		return 0, fmt.Errorf("no %s among the numbers of Envoy: %q", name, text)
	}
	return strconv.Atoi(value)
}

// expectNoStreams waits until the filter holds no stream any more.
func (e *edge) expectNoStreams(t pack.TB) {
	t.Helper()
	pack.Eventually(t, 20*time.Second, "the filter has let go of every stream", func(ctx context.Context) error {
		n, err := e.openStreams(ctx)
		if err == nil && n != 0 {
			err = fmt.Errorf("%d are left", n)
		}
		return err
	})
}
