package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Host is where everything listens: nothing of a pack is reachable from
// another machine.
const Host = "127.0.0.1"

// Ports are the TCP ports of a pack, 1 to 65535. HTTP and HTTPS may be 0, which
// leaves the addresses that the policy file names.
type Ports struct {
	HTTP, HTTPS, Admin, Authz, XDS, Control, Metrics, Demo int
}

// DefaultPorts are those of the documentation.
func DefaultPorts() Ports {
	return Ports{HTTP: 8080, HTTPS: 8443, Admin: 9901, Authz: 9001, XDS: 9002, Control: 8081, Metrics: 9090, Demo: 9000}
}

// PortsFrom lays all ports side by side from base on, so that several packs fit
// on one machine. base is at most 65528.
func PortsFrom(base int) (Ports, error) {
	var ports Ports
	all := ports.named()
	if base < 1 || base+len(all)-1 > 65535 {
		return Ports{}, fmt.Errorf("port base %d: must be between 1 and %d", base, 65536-len(all))
	}
	for i, port := range all {
		*port.number = base + i
	}
	return ports, nil
}

// NamedPort ties a port to its command-line flag.
type NamedPort struct {
	number *int
	// Flag is the flag without dashes, also the variable in lower case:
	// "http-port" for GATEHOUSE_HTTP_PORT.
	Flag string
	// Use says what listens there.
	Use string
}

// Number is where the port's number lives, for a flag to be bound to.
func (p NamedPort) Number() *int { return p.number }

// Named lists the ports in the order of the port base.
func (p *Ports) Named() []NamedPort { return p.named() }

func (p *Ports) named() []NamedPort {
	return []NamedPort{
		{&p.HTTP, "http-port", "Envoy's HTTP listener"},
		{&p.HTTPS, "https-port", "Envoy's HTTPS listener"},
		{&p.Admin, "admin-port", "Envoy's admin interface"},
		{&p.Authz, "authz-port", "authz (gRPC and sign-in)"},
		{&p.XDS, "xds-port", "control's xDS server"},
		{&p.Control, "control-port", "control's HTTP API"},
		{&p.Metrics, "metrics-port", "metrics"},
		{&p.Demo, "demo-port", "the demo application"},
	}
}

func address(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

// listenSpot is one address that must be free before the pack starts.
type listenSpot struct {
	address string
	use     string
	fix     string
}

// checkFree tries to listen on each address and reports every one that is
// taken. Somebody else may still take one afterwards; then the child says so.
func checkFree(ctx context.Context, spots []listenSpot) error {
	var errs []error
	seen := map[string]string{}
	for _, spot := range spots {
		if other, twice := seen[spot.address]; twice {
			errs = append(errs, fmt.Errorf("%s is meant for both %s and %s: %s", spot.address, other, spot.use, spot.fix))
			continue
		}
		seen[spot.address] = spot.use
		if err := tryListen(ctx, spot.address); err != nil {
			errs = append(errs, fmt.Errorf("%s (%s) cannot be used: %w; %s", spot.address, spot.use, err, spot.fix))
		}
	}
	return errors.Join(errs...)
}

func tryListen(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return op.Err
		}
		return err
	}
	return listener.Close()
}
