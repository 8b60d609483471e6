package verdicts

import (
	"strconv"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/proxytest"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

// gathered is what the filter gathers here, and piece what comes at once, in bytes.
const gathered, piece = 20_000, 7000

// gatheredBody is sent in pieces, with more or less announced than comes.
type gatheredBody struct {
	name, body string
	length     int // -1: none is announced
	ends       string
	waits      int // how often the host is told to keep what it has and show it again
	refused    bool
}

// TestAGatheredBodyIsJudgedWhereverItEnds: bytes that the host was told to keep are
// read before anything of them goes on, also if the rest that was announced never comes.
//
//nolint:paralleltest // the emulator serves one module at a time
func TestAGatheredBodyIsJudgedWhereverItEnds(t *testing.T) {
	config := []byte(`{"hold_request_headers": true, "gather_body": ` + strconv.Itoa(gathered) + `, "default_policy": "a", "policies": {"a": {"uploads": {"allow": ["text"]}}}}`)
	honest := strings.Repeat("an honest line\n", 4000)
	program := "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + strings.Repeat("\x01", 80_000)
	for name, module := range map[string]func(pack.TB) string{"by TinyGo": pack.WasmWithoutGRPC, "by Go": pack.WasmByGo} {
		t.Run(name, func(t *testing.T) {
			host := emulate(t, module(t), config)
			for _, b := range []gatheredBody{
				{"a small body", honest[:15_000], 15_000, "", 2, false},
				{"a large body", honest, len(honest), "", 2, false},
				{"a body without a length", honest, -1, "end", 0, false},
				{"an honest body before its trailers", honest[:15_000], 30_000, "trailers", 3, false},
				{"an honest body that ends early", honest[:15_000], 30_000, "end", 3, false},
				{"a small program", program[:15_000], 15_000, "", 2, true},
				{"a large program", program, len(program), "", 2, true},
				{"a program without a length", program[:15_000], -1, "end", 0, true},
				{"a program before its trailers", program[:15_000], 30_000, "trailers", 3, true},
				{"a program that ends early", program[:15_000], 30_000, "end", 3, true},
			} {
				b.expect(t, host)
			}
		})
	}
}

func (b gatheredBody) expect(t *testing.T, host proxytest.HostEmulator) {
	t.Helper()
	lines := [][2]string{{":method", "POST"}, {":authority", "a"}, {":path", "/"}, {":scheme", "http"}, {"content-type", "text/plain"}}
	if b.length >= 0 {
		lines = append(lines, [2]string{"content-length", strconv.Itoa(b.length)})
	}
	id := host.InitializeHttpContext()
	defer host.CompleteHttpContext(id)
	action := host.CallOnRequestHeaders(id, lines, false)
	waits := 0
	for rest := b.body; rest != "" && host.GetSentLocalResponse(id) == nil; rest = rest[min(piece, len(rest)):] {
		if action = host.CallOnRequestBody(id, []byte(rest[:min(piece, len(rest))]), false); action == types.ActionPause && host.GetSentLocalResponse(id) == nil {
			waits++
		}
	}
	if host.GetSentLocalResponse(id) == nil {
		switch b.ends {
		case "trailers":
			action = host.CallOnRequestTrailers(id, [][2]string{{"x-sum", "1"}})
		case "end":
			action = host.CallOnRequestBody(id, nil, true)
		}
	}
	refused := host.GetSentLocalResponse(id) != nil
	if refused != b.refused || !refused && action != types.ActionContinue || waits != b.waits {
		t.Errorf("%s: refused: %v, the last action %d, %d waits instead of %d", b.name, refused, action, waits, b.waits)
	}
}
