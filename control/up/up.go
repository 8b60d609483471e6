package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Options say what to run and where. The zero value of a path means: look for it.
type Options struct {
	// Executable is the gatehouse command that the children run.
	Executable string
	// Config is the user's gatehouse.yaml; empty for the demo with its own.
	Config string
	// StateDir keeps everything that the pack writes; made if absent.
	StateDir string
	// Envoy, Wasm and RedisServer name files. RedisServer may be Embedded.
	Envoy, Wasm, RedisServer string
	Ports                    Ports
	// Stdout gets the panel, or up.json's content when JSON is set; Stderr what
	// happens along the way.
	Stdout, Stderr io.Writer
	JSON           bool
	// Kill, when closed, ends patience: children are killed, not asked.
	Kill <-chan struct{}
}

// Run runs a pack until ctx ends (nil) or the pack cannot go on (why). Whatever
// it returns, none of its children is left.
func Run(ctx context.Context, o Options) error {
	s, err := openState(o.StateDir)
	if err != nil {
		return err
	}
	held, err := acquireLock(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = held.release() }()
	if err := os.Remove(s.path("up.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what a killed pack left: %w", err)
	}
	p := &pack{Options: o, state: s, timing: defaultTiming(), say: speaker(o.Stderr)}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	return p.run(ctx)
}

// speaker writes whole lines, whoever speaks at the same time.
func speaker(out io.Writer) func(string, ...any) {
	var mu sync.Mutex
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(out, "gatehouse: "+format+"\n", args...)
	}
}

// pack is one run of `gatehouse up`.
type pack struct {
	Options
	state  state
	timing timing
	say    func(string, ...any)

	tools      tools
	policyFile string
	listen     listeners
	login      *Credentials // nil without the demo
	redis      *redisPlace
	stages     [][]*service
	// adminTokenFile holds the token of the API's administrator.
	adminTokenFile string
}

func (p *pack) demo() bool { return p.Config == "" }

// run starts stage after stage, tells the user, and waits for the end.
func (p *pack) run(ctx context.Context) (err error) {
	redis, err := placeRedis(p.state, p.tools.redis)
	if err != nil {
		return err
	}
	p.redis = redis
	defer redis.release()
	if p.stages, err = p.services(); err != nil {
		return err
	}
	changed := make(chan struct{}, 1)
	sup := &supervisor{
		spawn: newSpawner(), timing: p.timing, say: p.say, kill: p.Kill, failed: make(chan error, 1),
		changed: func() {
			select {
			case changed <- struct{}{}:
			default: // one notice is waiting already
			}
		},
	}
	defer sup.spawn.close()
	defer sup.stopAll()
	if err := p.start(ctx, sup); err != nil {
		if ctx.Err() != nil {
			return nil // asked to end while starting
		}
		return err
	}
	defer p.forget()
	if err := p.announce(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			p.say("stopping")
			return nil
		case err := <-sup.failed:
			return fmt.Errorf("the pack was stopped: %w", err)
		case <-changed:
			if err := p.report().write(p.state.path("up.json")); err != nil {
				return err
			}
		}
	}
}

// forget removes what lets somebody in: the password, and the session that the
// panel's commands leave.
func (p *pack) forget() {
	for _, file := range []string{p.state.path("up.json"), p.state.path("run", "cookies")} {
		_ = os.Remove(file)
	}
}

func (p *pack) start(ctx context.Context, sup *supervisor) error {
	if p.redis.service == nil {
		p.say("no redis-server found: sessions and limits live in this process' memory and end with it; install redis-server for the real thing")
	}
	begin := time.Now()
	for _, stage := range p.stages {
		for _, svc := range stage {
			if err := sup.launch(svc); err != nil {
				return err
			}
		}
		for _, svc := range stage {
			if err := sup.await(ctx, svc); err != nil {
				return err
			}
			p.say("%s is ready (%.1fs)", svc.name, time.Since(begin).Seconds())
		}
	}
	return nil
}

func (p *pack) announce() error {
	report := p.report()
	if err := report.write(p.state.path("up.json")); err != nil {
		return err
	}
	if p.JSON {
		return report.print(p.Stdout)
	}
	return report.panel(p.Stdout, p.auditCommand())
}

func (p *pack) auditCommand() string {
	return fmt.Sprintf("%s audit tail --state-dir %s", p.Executable, shellQuote(p.state.shown))
}

func (p *pack) report() Report {
	r := Report{
		Version: reportVersion,
		PID:     os.Getpid(),
		Addresses: map[string]string{
			"http":    "http://" + reachable(p.listen.http),
			"admin":   "http://" + address(p.Ports.Admin),
			"authz":   address(p.Ports.Authz),
			"xds":     address(p.Ports.XDS),
			"control": "http://" + address(p.Ports.Control),
			"console": "http://" + address(p.Ports.Control) + "/console",
			"metrics": "http://" + address(p.Ports.Metrics) + "/metrics",
		},
		Credentials: p.login,
		TokenFile:   p.adminTokenFile,
		ConfigFile:  p.policyFile,
		StateDir:    p.state.dir,
		Processes:   map[string]int{},
	}
	if p.redis.service == nil {
		r.Processes["redis"] = os.Getpid()
	}
	for _, stage := range p.stages {
		for _, svc := range stage {
			r.Processes[svc.name] = svc.current.Load().pid()
		}
	}
	if p.demo() {
		r.Addresses["https"] = fmt.Sprintf("https://localhost:%d", p.Ports.HTTPS)
		r.Addresses["demo"] = "http://" + address(p.Ports.Demo)
		r.CAFile = p.state.path("tls", "ca.pem")
		r.Commands = demoCommands(p.state, p.Ports, *p.login)
	} else if p.listen.https != "" {
		r.Addresses["https"] = "https://" + reachable(p.listen.https)
	}
	return r
}
