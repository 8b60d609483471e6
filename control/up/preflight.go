package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/control/policy"
)

// listeners are Envoy's addresses (host:port); https is empty without TLS.
type listeners struct {
	http, https string
	// overridden: the ports of the command line replace those of the policy file.
	overridden bool
}

// prepare checks everything that can be checked before anything starts and
// reports all that is wrong at once, then makes what the children need.
func (p *pack) prepare(ctx context.Context) error {
	found, toolsErr := findTools(ctx, p.Options)
	p.tools = found
	data, policyErr := p.readPolicy()
	var compiled *policy.Compiled
	if policyErr == nil {
		compiled, policyErr = p.compile(data)
	}
	var portsErr error
	if compiled != nil {
		p.listen = p.listeners(compiled.Envoy)
		portsErr = checkFree(ctx, p.spots())
	}
	if err := errors.Join(toolsErr, policyErr, portsErr); err != nil {
		return err
	}
	if !p.demo() {
		return nil
	}
	return p.prepareDemo(ctx, data)
}

func (p *pack) readPolicy() ([]byte, error) {
	if p.demo() {
		p.policyFile = p.state.path("gatehouse.yaml")
		return demoPolicy(p.state, p.Ports)
	}
	path, err := filepath.Abs(p.Config)
	if err != nil {
		return nil, fmt.Errorf("policy file %s: %w", p.Config, err)
	}
	p.policyFile = path
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy file: %w", err)
	}
	return data, nil
}

// compile judges the policy file as control will, and sees that the
// certificate it names is there: Envoy would only refuse every handshake.
func (p *pack) compile(data []byte) (*policy.Compiled, error) {
	compiled, err := policy.Load(p.policyFile, data)
	if err != nil {
		return nil, err
	}
	if p.demo() || compiled.Envoy.TLS == nil {
		return compiled, nil
	}
	var errs []error
	for _, file := range []string{compiled.Envoy.TLS.CertFile, compiled.Envoy.TLS.KeyFile, compiled.Envoy.TLS.ClientCAFile} {
		if file != "" && !fileExists(file) {
			errs = append(errs, fmt.Errorf("%s: envoy.tls names %s, which is not there", p.policyFile, file))
		}
	}
	return compiled, errors.Join(errs...)
}

func (p *pack) listeners(settings policy.EnvoySettings) listeners {
	l := listeners{http: settings.Listen}
	if settings.TLS != nil {
		l.https = settings.TLS.Listen
	}
	if p.Ports.HTTP != 0 {
		l.http, l.overridden = address(p.Ports.HTTP), true
	}
	if p.Ports.HTTPS != 0 && settings.TLS != nil {
		l.https, l.overridden = address(p.Ports.HTTPS), true
	}
	return l
}

// spots lists the addresses that must be free. The demo's port is not needed
// with a policy of one's own.
func (p *pack) spots() []listenSpot {
	var spots []listenSpot
	for _, port := range p.Ports.named() {
		spot := listenSpot{address: address(*port.number), use: port.Use}
		switch port.Flag {
		case "http-port":
			spot.address = p.listen.http
		case "https-port":
			spot.address = p.listen.https
		case "demo-port":
			if !p.demo() {
				continue
			}
		}
		if spot.address == "" {
			continue
		}
		variable := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(port.Flag, "-", "_"))
		spot.fix = fmt.Sprintf("stop what listens there, or choose another with --%s (%s), or move all ports with --port-base (PORT_BASE=N make up)", port.Flag, variable)
		spots = append(spots, spot)
	}
	return spots
}

func (p *pack) prepareDemo(ctx context.Context, data []byte) error {
	now := time.Now()
	_, kept, err := placeDemoPolicy(p.state, data, now)
	if err != nil {
		return err
	}
	if kept != "" {
		p.say("the policy file had been edited; the edited one is kept as %s, run it with --config", kept)
	}
	if err := errors.Join(ensureCertificate(p.state, now), writeSamples(p.state)); err != nil {
		return err
	}
	p.login, err = p.makeDemoUser(ctx)
	return err
}

// reachable turns an address to listen on into one to connect to.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort(Host, port)
	}
	return address
}
