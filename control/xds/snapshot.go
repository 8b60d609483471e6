package xds

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// typeURLs are those that are served.
var typeURLs = [...]string{
	resourcev3.ClusterType, resourcev3.ExtensionConfigType, resourcev3.SecretType,
	resourcev3.ListenerType, resourcev3.RouteType,
}

// content is what is served at one moment. It is not changed once it is served.
type content struct {
	// policy is the version of the policy that the routes are of.
	policy string
	byType map[string][]types.Resource
}

func contentOf(r *Resources) content {
	return content{policy: r.Version, byType: map[string][]types.Resource{
		resourcev3.ClusterType:         resources(r.Clusters),
		resourcev3.ExtensionConfigType: resources(r.Extensions),
		resourcev3.SecretType:          resources(r.Secrets),
		resourcev3.ListenerType:        resources(r.Listeners),
		resourcev3.RouteType:           {r.Routes},
	}}
}

func resources[R types.Resource](list []R) []types.Resource {
	out := make([]types.Resource, len(list))
	for i, r := range list {
		out[i] = r
	}
	return out
}

// prepare is c with what next will need beside it: the filter's policies of
// both, the clusters and the certificate of both. Nothing refers to it yet.
func (c content) prepare(transition, next *Resources) content {
	prepared := content{policy: c.policy, byType: maps.Clone(c.byType)}
	prepared.byType[resourcev3.ExtensionConfigType] = resources(transition.Extensions)
	prepared.byType[resourcev3.ClusterType] = union(resources(next.Clusters), c.byType[resourcev3.ClusterType],
		func(r types.Resource) string { return r.(*clusterv3.Cluster).GetName() })
	prepared.byType[resourcev3.SecretType] = union(resources(next.Secrets), c.byType[resourcev3.SecretType],
		func(r types.Resource) string { return r.(*tlsv3.Secret).GetName() })
	return prepared
}

// turn is c with the listeners and routes of next.
func (c content) turn(next *Resources) content {
	turned := content{policy: next.Version, byType: maps.Clone(c.byType)}
	turned.byType[resourcev3.ListenerType] = resources(next.Listeners)
	turned.byType[resourcev3.RouteType] = []types.Resource{next.Routes}
	return turned
}

// union is first, and what only second has.
func union(first, second []types.Resource, name func(types.Resource) string) []types.Resource {
	out := slices.Clone(first)
	for _, r := range second {
		if !slices.ContainsFunc(first, func(f types.Resource) bool { return name(f) == name(r) }) {
			out = append(out, r)
		}
	}
	return out
}

// versions gives each type a version by its content, so that what has not
// changed is not sent again. That of the routes begins with the policy's.
func (c content) versions() (map[string]string, error) {
	versions := make(map[string]string, len(typeURLs))
	for _, typeURL := range typeURLs {
		sum := sha256.New()
		for _, r := range c.byType[typeURL] {
			b, err := cachev3.MarshalResource(r)
			if err != nil {
				return nil, fmt.Errorf("marshal a %s: %w", shortType(typeURL), err)
			}
			fmt.Fprintf(sum, "%d:", len(b))
			sum.Write(b)
		}
		versions[typeURL] = hex.EncodeToString(sum.Sum(nil)[:8])
	}
	versions[resourcev3.RouteType] = c.policy + versionMark + versions[resourcev3.RouteType]
	return versions, nil
}

const versionMark = "/"

func policyOf(routesVersion string) string {
	policy, _, _ := strings.Cut(routesVersion, versionMark)
	return policy
}

func (c content) snapshot(versions map[string]string) *cachev3.Snapshot {
	s := &cachev3.Snapshot{}
	for _, typeURL := range typeURLs {
		s.Resources[cachev3.GetResponseType(typeURL)] = cachev3.NewResources(versions[typeURL], c.byType[typeURL])
	}
	return s
}
