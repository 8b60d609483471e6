package verdicts

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"gatehouse/filter/verdict"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/proxytest"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// chunk splits bodies, so that the module meets more than one piece.
const chunk = 700

// startWasm runs the cases through a built module under wazero, whose emulator
// has no gRPC calls; no case scans.
func startWasm(t *testing.T, path string, config []byte) runner {
	host := emulate(t, path, config)
	return func(t *testing.T, c Case) Answer { return throughWasm(t, host, c) }
}

func emulate(t *testing.T, path string, config []byte) proxytest.HostEmulator {
	t.Helper()
	module, err := os.ReadFile(path) //nolint:gosec // a module of the build's own
	if err != nil {
		t.Fatal(err)
	}
	vm, err := proxytest.NewWasmVMContext(module)
	if err != nil {
		t.Fatal(err)
	}
	host, reset := proxytest.NewHostEmulator(proxytest.NewEmulatorOption().WithVMContext(quiet{vm}).WithPluginConfiguration(config))
	t.Cleanup(func() {
		reset()
		if err := vm.Close(); err != nil {
			t.Error(err)
		}
	})
	if host.StartPlugin() != types.OnPluginStartStatusOK {
		t.Fatalf("the module refused its configuration: %s", host.GetCriticalLogs())
	}
	return host
}

// quiet leaves out the callbacks that the module does not export: the emulator
// would call them all the same, a host does not.
type quiet struct{ types.VMContext }

func (q quiet) NewPluginContext(id uint32) types.PluginContext {
	return quietPlugin{q.VMContext.NewPluginContext(id)}
}

type quietPlugin struct{ types.PluginContext }

func (quietPlugin) OnPluginDone() bool { return true }

func (q quietPlugin) NewHttpContext(id uint32) types.HttpContext {
	return quietStream{q.PluginContext.NewHttpContext(id)}
}

type quietStream struct{ types.HttpContext }

func (quietStream) OnHttpStreamDone() {}

func throughWasm(t *testing.T, host proxytest.HostEmulator, c Case) Answer {
	setPolicy(t, host, c.Policy)
	id := host.InitializeHttpContext()
	defer host.CompleteHttpContext(id)
	action := host.CallOnRequestHeaders(id, c.lines(), c.Body == "")
	for at := 0; at < len(c.Body) && host.GetSentLocalResponse(id) == nil; at += chunk {
		end := min(at+chunk, len(c.Body))
		action = host.CallOnRequestBody(id, []byte(c.Body[at:end]), end == len(c.Body))
	}
	var got Answer
	reply := host.GetSentLocalResponse(id)
	response := append([][2]string{{":status", strconv.Itoa(c.Answers)}}, lower(c.Upstream)...)
	if c.Gateway != "" {
		response = [][2]string{{":status", strconv.Itoa(c.Status)}}
	}
	if reply != nil {
		response = append([][2]string{{":status", strconv.Itoa(int(reply.StatusCode))}}, reply.Headers...)
		got.Body = reply.Data
	} else {
		if action != types.ActionContinue {
			t.Error("the request hangs: nothing more will come, and the filter waits")
		}
		got.Seen = headersOf(host.GetCurrentRequestHeaders(id))
	}
	host.CallOnResponseHeaders(id, response, false)
	got.Header = headersOf(host.GetCurrentResponseHeaders(id))
	got.Status, _ = strconv.Atoi(got.Header[":status"][0])
	if text, err := host.GetProperty([]string{verdict.Property}); err != nil {
		t.Errorf("no verdict: %v", err)
	} else if err := json.Unmarshal(text, &got.Verdict); err != nil {
		t.Error(err)
	}
	return got
}

// setPolicy names the route's policy. The emulator keeps properties from one
// stream to the next and cannot take one away.
func setPolicy(t *testing.T, host proxytest.HostEmulator, name string) {
	t.Helper()
	path := []string{"xds", "route_metadata", "filter_metadata", "gatehouse", "policy"}
	if name == "" {
		if set, err := host.GetProperty(path); err == nil {
			t.Fatalf("cases without a policy must come first: it is %q", set)
		}
		return
	}
	if err := host.SetProperty(path, []byte(name)); err != nil {
		t.Fatal(err)
	}
}

// lines are the request's headers as a proxy gives them to the module.
func (c Case) lines() [][2]string {
	scheme := "http"
	if c.TLS {
		scheme = "https"
	}
	out := [][2]string{
		{":method", c.Method}, {":authority", c.Host}, {":path", c.Path}, {":scheme", scheme},
		{"x-forwarded-proto", scheme}, {"x-request-id", "r-1"},
	}
	for _, h := range c.Header {
		out = append(out, [2]string{strings.ToLower(h[0]), h[1]})
	}
	if c.Body != "" {
		out = append(out, [2]string{"content-length", strconv.Itoa(len(c.Body))})
	}
	return out
}

// lower writes names as a proxy gives them to the module.
func lower(lines [][2]string) [][2]string {
	out := make([][2]string, len(lines))
	for i, line := range lines {
		out[i] = [2]string{strings.ToLower(line[0]), line[1]}
	}
	return out
}

func headersOf(lines [][2]string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		if line[0] == ":status" {
			h[line[0]] = []string{line[1]}
		}
		h.Add(line[0], line[1])
	}
	return h
}
