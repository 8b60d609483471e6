package e2e

import (
	"net/http"
	"testing"

	"gatehouse/e2e/pack"
)

// preamble begins every configuration of these tests. One trusted hop lets a
// test choose its client address, so that tests do not share a limit.
const preamble = `
version: 1
envoy:
  listen: ${LISTEN}
  trusted_hops: 1
upstreams:
  app: {url: "${APP}"}
`

// protocols are the two ways in which a client may talk to Envoy.
var protocols = []struct {
	name   string
	client func() *http.Client
}{
	{"HTTP/1.1", pack.HTTP1},
	{"HTTP/2", pack.HTTP2},
}

// overEach runs test once for each protocol.
func overEach(t *testing.T, test func(t *testing.T, c *http.Client)) {
	t.Helper()
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			c := p.client()
			defer c.CloseIdleConnections()
			test(t, c)
		})
	}
}
