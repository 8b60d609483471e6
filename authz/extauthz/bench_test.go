package extauthz

import (
	"testing"

	"gatehouse/authz/login"
)

// BenchmarkCheck is what a Check with a good session costs beside Redis and gRPC,
// with its answer written.
func BenchmarkCheck(b *testing.B) {
	h := newHarness(b)
	in := ask{policy: "members", version: "v1", headers: map[string]string{
		":method": "GET", ":path": "/api/things?page=2", ":authority": "app.example.com",
		"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "accept": "*/*",
		"accept-language": "en", "x-request-id": "018f2b6e-7c1a-7f3e-9d52-000000000001",
		"cookie": "theme=dark; " + login.CookieName + "=" + validToken,
	}}.request()
	codec := Codec()
	b.ReportAllocs()
	for b.Loop() {
		out, err := h.Check(b.Context(), in)
		if err != nil || out.GetOkResponse() == nil {
			b.Fatal(out, err)
		}
		h.sessions.asked = h.sessions.asked[:0]
		data, err := codec.Marshal(out)
		if err != nil {
			b.Fatal(err)
		}
		data.Free()
	}
}
