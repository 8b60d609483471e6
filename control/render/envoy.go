package render

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"

	"gatehouse/control/policy"
	"gatehouse/control/xds"
)

// Options are what the policy file does not say.
type Options struct {
	// WasmPath is the filter's module, as Envoy sees it.
	WasmPath string
	// AuthzAddress is authz's listener: host:port, or unix:///path.
	AuthzAddress string
	// ScanAddress is where a control serves scans: host:port, or unix:///path.
	ScanAddress string
	// AdminListen is the IP address and port of Envoy's admin interface; it has
	// no authentication and belongs to the loopback interface.
	AdminListen string
}

// Envoy writes the static configuration that Envoy can be started with. The
// errors are those of xds.Build and of the options.
func Envoy(c *policy.Compiled, o Options) ([]byte, error) {
	admin, err := adminAddress(o.AdminListen)
	if err != nil {
		return nil, err
	}
	resources, err := xds.Build(c, xds.Options{Static: true, WasmPath: o.WasmPath, AuthzAddress: o.AuthzAddress, ScanAddress: o.ScanAddress})
	if err != nil {
		return nil, fmt.Errorf("make Envoy's resources: %w", err)
	}
	text, err := toYAML(&bootstrapv3.Bootstrap{
		Node:  &corev3.Node{Id: "gatehouse", Cluster: "gatehouse"},
		Admin: &bootstrapv3.Admin{Address: admin},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Listeners: resources.Listeners,
			Clusters:  resources.Clusters,
		},
	})
	if err != nil {
		return nil, err
	}
	return append([]byte(heading(c)), text...), nil
}

// heading says where the file comes from, so that nobody edits the copy.
func heading(c *policy.Compiled) string {
	source := strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, c.Source)
	return fmt.Sprintf("# Rendered by `gatehouse render envoy` from %s, version %s. Change that file and render anew.\n", source, c.Version)
}

func adminAddress(listen string) (*corev3.Address, error) {
	at, err := netip.ParseAddrPort(listen)
	if err != nil || at.Port() == 0 {
		return nil, fmt.Errorf("admin address %q: write IP:port, like 127.0.0.1:9901", listen)
	}
	if !at.Addr().IsLoopback() {
		return nil, errors.New("the admin interface has no authentication: give it a loopback address, like 127.0.0.1:9901")
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       at.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(at.Port())},
	}}}, nil
}

// toYAML goes through protojson, whose names and forms Envoy reads in YAML too.
func toYAML(b *bootstrapv3.Bootstrap) ([]byte, error) {
	json, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("write Envoy's configuration as JSON: %w", err)
	}
	text, err := yaml.JSONToYAML(json)
	if err != nil {
		return nil, fmt.Errorf("write Envoy's configuration as YAML: %w", err)
	}
	return text, nil
}
