// Package xds turns a compiled gatehouse.yaml into Envoy's resources and serves
// them over the aggregated discovery service.
//
// Build promises that every request through a listener it makes passes the
// filter and ext_authz, whatever route matches: no route, also not the one that
// answers 404, leaves one of them out, and nothing passes before the filter has
// its configuration. Routes keep the order of the file for each host.
//
// Server promises that a route never names a policy that the filter has not
// accepted (see Publish), that what an Envoy refuses is taken back, and that a
// refusal is reported with Envoy's own words. It follows the state-of-the-world
// protocol, which is what envoy/bootstrap.yaml asks for, and refuses the
// incremental one. It does not authenticate Envoys: whoever reaches the
// listener is given the configuration, private key included, so it belongs on
// loopback or on a network of its own.
package xds
