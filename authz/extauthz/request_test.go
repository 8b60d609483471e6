package extauthz

import (
	"context"
	"testing"

	"google.golang.org/grpc/metadata"

	"gatehouse/authz/policy"
)

func TestTheClientIsWhoEnvoySaysAndNotWhoConnected(t *testing.T) {
	t.Parallel()
	in := ask{from: "192.0.2.1", headers: map[string]string{policy.ClientMetadata: "192.0.2.66"}}.request()
	for name, test := range map[string]struct {
		metadata []string
		want     string
	}{
		"behind a proxy":            {[]string{"203.0.113.7"}, "203.0.113.7"},
		"one spelling for each":     {[]string{"2001:DB8:0:0::1"}, "2001:db8::1"},
		"no metadata":               {nil, "192.0.2.1"},
		"no address":                {[]string{"-"}, "192.0.2.1"},
		"more than Envoy would say": {[]string{"203.0.113.7", "203.0.113.8"}, "192.0.2.1"},
	} {
		md := metadata.MD{policy.ClientMetadata: test.metadata}
		if got := read(metadata.NewIncomingContext(context.Background(), md), in).clientIP; got != test.want {
			t.Errorf("%s: client %q, want %q", name, got, test.want)
		}
	}
}
