package pack

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Fleet is several replicas of authz that serve rate limits from one Redis behind one
// Envoy, which spreads its questions over them.
type Fleet struct {
	Redis    *Process // its data survive a crash: each write is on disk before its answer
	Slow     *SlowProxy
	Replicas []*Process
	Envoy    *Process
	App      *Upstream

	url string
}

// URL is Envoy's listener with a path.
func (f *Fleet) URL(path string) string { return f.url + path }

// StartFleet runs n replicas on the limits in that folder. In the Envoy configuration
// ${LISTEN_PORT}, ${ADMIN_PORT} and ${APP_PORT} are replaced, and ${REPLICAS} by the
// replicas' endpoints.
func StartFleet(t TB, n int, limits, envoyConfig string, app *Upstream) *Fleet {
	t.Helper()
	p := &Pack{Ports: ReservePorts(t), Dir: t.TempDir()}
	p.writeSecrets(t)
	f := &Fleet{App: app, url: "http://" + p.Addr()}
	f.Redis = p.durableRedis(t)
	f.Redis.Start(t)
	f.Slow = StartSlowProxy(t, p.Ports.Addr(portRedis))
	ports, endpoints := ReservePorts(t), make([]string, n)
	for i := range n {
		addr := ports.Addr(i)
		policyFile := filepath.Join(p.Dir, "policy.json")
		writeFile(t, policyFile, `{"version": "v1", "policies": {}, "sign_in": {}}`)
		f.Replicas = append(f.Replicas, newProcess(t, p.Dir, fmt.Sprintf("authz%d", i), []string{
			Gatehouse(t), "serve", "authz", "--listen", addr, "--policy-file", policyFile,
			"--state-dir", filepath.Join(p.Dir, fmt.Sprintf("state%d", i)),
			"--redis", "redis://" + f.Slow.Addr + "/0", "--ratelimit-config", limits,
		}, p.secretsEnv(), readyz(addr)))
		f.Replicas[i].Launch(t)
		endpoints[i] = "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: " + port(addr) + "}}}}"
	}
	for _, replica := range f.Replicas {
		replica.AwaitReady(t, startWithin)
	}
	file := filepath.Join(p.Dir, "envoy.yaml")
	writeFile(t, file, strings.NewReplacer("${LISTEN_PORT}", port(p.Addr()), "${ADMIN_PORT}", port(p.Ports.Addr(portAdmin)),
		"${APP_PORT}", port(strings.TrimPrefix(app.URL, "http://")), "${REPLICAS}", "["+strings.Join(endpoints, ", ")+"]").Replace(envoyConfig))
	f.Envoy = EnvoyOn(t, p.Dir, file, p.Ports.Addr(portAdmin), p.Addr())
	f.Envoy.Start(t)
	return f
}

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// durableRedis is like redis, and loses nothing that it has answered.
func (p *Pack) durableRedis(t TB) *Process {
	process := p.redis(t)
	conf := filepath.Join(p.Dir, "redis", "redis.conf")
	text, err := os.ReadFile(conf) //nolint:gosec // written just now
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, conf, strings.Replace(string(text), "appendfsync everysec", "appendfsync always", 1))
	return process
}
