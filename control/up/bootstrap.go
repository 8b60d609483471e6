package up

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
)

// bootstrap is Envoy's configuration at start: where its admin interface
// listens and where it gets everything else. It says what envoy/bootstrap.yaml
// says, with the pack's own ports; a test holds the two together.
func bootstrap(adminAddress, xdsAddress string) ([]byte, error) {
	admin, err := socketAddress(adminAddress)
	if err != nil {
		return nil, err
	}
	xds, err := socketAddress(xdsAddress)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(object{
		"node":  object{"id": "gatehouse", "cluster": "gatehouse"},
		"admin": object{"address": admin},
		"dynamic_resources": object{
			"lds_config": viaADS(),
			"cds_config": viaADS(),
			"ads_config": object{
				"api_type":              "GRPC",
				"transport_api_version": "V3",
				"grpc_services":         []any{object{"envoy_grpc": object{"cluster_name": xdsCluster}}},
			},
		},
		"static_resources": object{"clusters": []any{xdsClusterConfig(xds)}},
	}, "", "  ")
}

const xdsCluster = "gatehouse_xds"

type object = map[string]any

func viaADS() object {
	return object{"ads": object{}, "resource_api_version": "V3"}
}

func xdsClusterConfig(address object) object {
	return object{
		"name":            xdsCluster,
		"type":            "STATIC",
		"connect_timeout": "1s",
		"typed_extension_protocol_options": object{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
				"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": object{"http2_protocol_options": object{
					// Envoy notices a control that hangs, not only one that is gone.
					"connection_keepalive": object{"interval": "10s", "timeout": "5s"},
				}},
			},
		},
		"load_assignment": object{
			"cluster_name": xdsCluster,
			"endpoints": []any{object{
				"lb_endpoints": []any{object{"endpoint": object{"address": address}}},
			}},
		},
	}
}

func socketAddress(address string) (object, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return object{"socket_address": object{"address": host, "port_value": number}}, nil
}
