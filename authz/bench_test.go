package authz

import (
	"crypto/rand"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"gatehouse/authz/internal/redistest"
	"gatehouse/authz/session"
)

const benchPolicy = `{
  "version": "v1",
  "policies": {
    "open": {"session": {}},
    "members": {"session": {"require": "required"}},
    "limited": {"session": {"require": "required"}, "limits": [
      {"name": "ip", "by": ["ip"], "requests": 1000000, "window_ms": 1000, "algorithm": "gcra"},
      {"name": "user", "by": ["user"], "requests": 1000000, "window_ms": 1000, "algorithm": "gcra"}]}
  },
  "sign_in": {}
}`

// BenchmarkCheck is a Check over gRPC on the loopback with a real Redis, 16
// callers a processor.
func BenchmarkCheck(b *testing.B) {
	client := redistest.Start(b).Client()
	publish(b, client, benchPolicy)
	s := start(b, options(b, client))
	manager := session.New(client, time.Now, rand.Reader)
	token, _, err := manager.Create(b.Context(), session.User{ID: "user-1"}, session.Grant{Idle: time.Hour, Absolute: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"open", "members", "limited"} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				client := authv3.NewAuthorizationClient(s.conn)
				in := request(name, map[string]string{"authorization": "Bearer " + token})
				for pb.Next() {
					out, err := client.Check(b.Context(), in)
					if err != nil || out.GetOkResponse() == nil {
						b.Errorf("%v, %v", out, err)
						return
					}
				}
			})
		})
	}
}
