package up

import (
	"fmt"
	"slices"
	"time"
)

// envoyConcurrency is the number of Envoy's workers. Each runs a Wasm VM of its
// own; two are enough for one person.
const envoyConcurrency = "2"

// services lists what runs, in stages: a stage starts when the one before it
// serves. They are stopped from the last to the first, so that no request meets
// a stopped neighbour.
func (p *pack) services() ([][]*service, error) {
	envoy, err := p.envoyService()
	if err != nil {
		return nil, err
	}
	env, err := p.secretEnvironment()
	if err != nil {
		return nil, err
	}
	if p.adminTokenFile, err = p.state.secretFile("admin_token"); err != nil {
		return nil, err
	}
	var stages [][]*service
	if p.redis.service != nil {
		stages = append(stages, []*service{p.redis.service})
	}
	assertion, err := p.state.secretFile("assertion_key")
	if err != nil {
		return nil, err
	}
	rooms := []*service{
		p.controlService(env),
		p.authzService(append(slices.Clone(env), "GATEHOUSE_ASSERTION_KEY_FILE="+assertion)), // control cannot vouch for anybody
	}
	if p.demo() {
		rooms = append(rooms, p.demoService())
	}
	return append(stages, rooms, []*service{envoy}), nil
}

// secretEnvironment names files; no secret is in a child's environment or arguments.
func (p *pack) secretEnvironment() ([]string, error) {
	key, err := p.state.secretFile("pseudonym_key")
	if err != nil {
		return nil, err
	}
	master, err := p.state.secretFile("master_key")
	if err != nil {
		return nil, err
	}
	audit, err := p.state.auditKeyFile()
	if err != nil {
		return nil, err
	}
	return []string{
		"REDIS_PASSWORD_FILE=" + p.redis.passwordFile,
		"GATEHOUSE_PSEUDONYM_KEY_FILE=" + key,
		"GATEHOUSE_AUDIT_KEY_FILE=" + audit,
		"GATEHOUSE_MASTER_KEY_FILE=" + master,
	}, nil
}

func (p *pack) controlService(env []string) *service {
	args := []string{
		"serve", "control", "--instance", "control", // the same after a restart
		"--config", p.policyFile,
		"--xds-listen", address(p.Ports.XDS),
		"--http-listen", address(p.Ports.Control),
		"--redis", p.redis.url,
		"--state-dir", p.state.path("control"),
		"--wasm", p.tools.wasm,
		"--authz-address", address(p.Ports.Authz),
		"--store", p.storeURL(),
		"--admin-token-file", p.adminTokenFile,
	}
	if p.listen.overridden {
		args = append(args, "--envoy-listen", p.listen.http)
		if p.listen.https != "" {
			args = append(args, "--envoy-tls-listen", p.listen.https)
		}
	}
	return p.room("control", args, env, "http://"+address(p.Ports.Control)+"/readyz")
}

func (p *pack) authzService(env []string) *service {
	return p.room("authz", []string{
		"serve", "authz", "--instance", "authz",
		"--listen", address(p.Ports.Authz),
		"--metrics-listen", address(p.Ports.Metrics),
		"--redis", p.redis.url,
		"--state-dir", p.state.path("authz"),
		"--store", p.storeURL(),
	}, env, "http://"+address(p.Ports.Authz)+"/readyz")
}

func (p *pack) demoService() *service {
	return p.room("demo", []string{"up", "demo", "--listen", address(p.Ports.Demo)}, nil, "http://"+address(p.Ports.Demo)+"/healthz")
}

func (p *pack) room(name string, args, env []string, readyURL string) *service {
	return &service{
		name: name,
		command: command{
			path: p.tools.gatehouse, args: args, env: env,
			dir: p.state.dir, log: p.state.path("logs", name+".log"),
		},
		ready: httpReady(probeClient(), readyURL),
		grace: 10 * time.Second,
	}
}

func (p *pack) envoyService() (*service, error) {
	config, err := bootstrap(address(p.Ports.Admin), address(p.Ports.XDS))
	if err != nil {
		return nil, fmt.Errorf("make Envoy's bootstrap: %w", err)
	}
	path := p.state.path("run", "envoy.json")
	if err := writeFile(path, config); err != nil {
		return nil, err
	}
	return &service{
		name: "envoy",
		command: command{
			path: p.tools.envoy,
			// Without hot restart there is neither shared memory nor a socket that
			// a killed Envoy could leave behind or share with another.
			args: []string{"--config-path", path, "--disable-hot-restart", "--concurrency", envoyConcurrency, "--log-level", "warning"},
			dir:  p.state.dir, log: p.state.path("logs", "envoy.log"),
		},
		ready: envoyReady(probeClient(), "http://"+address(p.Ports.Admin), "http://"+reachable(p.listen.http)+"/"),
		grace: 10 * time.Second,
	}, nil
}
