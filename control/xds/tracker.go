package xds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// maxDetail bounds what of an Envoy's explanation is kept, in bytes.
const maxDetail = 2000

// Rejection is an Envoy's refusal of what it was sent. Envoy goes on with what
// it had.
type Rejection struct {
	Node string
	// Type is the short name of the resource type: "Listener".
	Type    string
	Version string
	Detail  string // Envoy's own words
}

func (r *Rejection) Error() string {
	return fmt.Sprintf("Envoy %q refuses the new %s: %s", r.Node, r.Type, r.Detail)
}

// Node is a connected Envoy.
type Node struct {
	ID string `json:"id"`
	// Version of the policy whose routes it has accepted; empty before the first.
	Version string `json:"version,omitempty"`
	// Rejected is why it refused something newer, in its own words.
	Rejected string `json:"rejected,omitempty"`
}

// tracker knows what each stream was sent, and what it said to that.
type tracker struct {
	rejected func(Rejection)

	mu      sync.Mutex
	streams map[int64]*streamState
	// changed is closed, and replaced, whenever something here changes.
	changed chan struct{}
}

type streamState struct {
	node  string
	types map[string]*typeState
}

type typeState struct {
	sent                map[string]string // nonce -> version
	accepted            string            // version
	refused, refusedWhy string            // version and detail of the last refusal since
}

func newTracker(rejected func(Rejection)) *tracker {
	return &tracker{rejected: rejected, streams: map[int64]*streamState{}, changed: make(chan struct{})}
}

// announce wakes whoever waits. mu is held.
func (t *tracker) announce() {
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *tracker) opened(_ context.Context, stream int64, _ string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.streams[stream] = &streamState{types: map[string]*typeState{}}
	t.announce()
	return nil
}

func (t *tracker) closed(stream int64, _ *corev3.Node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, stream)
	t.announce()
}

// requested takes an Envoy's request, which is also its answer to what it was
// sent last. A refusal carries the version that Envoy still has; the cache
// would take that for somebody who lags behind and send the same again, at
// once and for ever. So the request is made to name the version that was
// refused: the cache then waits for another one.
func (t *tracker) requested(stream int64, r *discoveryv3.DiscoveryRequest) error {
	rejection := t.answered(stream, r)
	if rejection != nil && t.rejected != nil {
		t.rejected(*rejection)
	}
	return nil
}

func (t *tracker) answered(stream int64, r *discoveryv3.DiscoveryRequest) *Rejection {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.streams[stream]
	if !ok {
		return nil
	}
	if r.GetNode().GetId() != "" {
		s.node = r.GetNode().GetId()
	}
	state := s.of(r.GetTypeUrl())
	version, known := state.sent[r.GetResponseNonce()]
	if !known {
		return nil
	}
	defer t.announce()
	if r.GetErrorDetail() == nil {
		state.accepted, state.refused, state.refusedWhy = version, "", ""
		return nil
	}
	state.refused, state.refusedWhy = version, bounded(r.GetErrorDetail().GetMessage(), maxDetail)
	r.VersionInfo = version
	return &Rejection{Node: s.node, Type: shortType(r.GetTypeUrl()), Version: version, Detail: state.refusedWhy}
}

func (t *tracker) responded(_ context.Context, stream int64, _ *discoveryv3.DiscoveryRequest, r *discoveryv3.DiscoveryResponse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.streams[stream]; ok {
		// Only the last response of a type can still be answered.
		s.of(r.GetTypeUrl()).sent = map[string]string{r.GetNonce(): r.GetVersionInfo()}
	}
}

func (s *streamState) of(typeURL string) *typeState {
	state, ok := s.types[typeURL]
	if !ok {
		state = &typeState{}
		s.types[typeURL] = state
	}
	return state
}

// await returns once every Envoy that asked for these types has accepted these
// versions, with a *Rejection as soon as one refuses, or with ctx's error. An
// Envoy that goes away is not waited for.
func (t *tracker) await(ctx context.Context, versions map[string]string) error {
	for {
		pending, rejection, changed := t.pending(versions)
		if rejection != nil {
			return rejection
		}
		if len(pending) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("no answer from Envoy %s: %w", strings.Join(pending, ", "), ctx.Err())
		}
	}
}

func (t *tracker) pending(versions map[string]string) ([]string, *Rejection, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var pending []string
	for _, s := range t.streams {
		for typeURL, version := range versions {
			state, asked := s.types[typeURL]
			switch {
			case !asked:
			case state.refused == version:
				return nil, &Rejection{Node: s.node, Type: shortType(typeURL), Version: version, Detail: state.refusedWhy}, nil
			case state.accepted != version:
				pending = append(pending, fmt.Sprintf("%q (%s)", s.node, shortType(typeURL)))
			}
		}
	}
	slices.Sort(pending)
	return pending, nil, t.changed
}

// nodes lists the connected Envoys.
func (t *tracker) nodes() []Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	nodes := make([]Node, 0, len(t.streams))
	for _, s := range t.streams {
		if len(s.types) == 0 {
			continue // connected, and has not said anything yet
		}
		n := Node{ID: s.node}
		if routes, ok := s.types[resourcev3.RouteType]; ok {
			n.Version = policyOf(routes.accepted)
		}
		for typeURL, state := range s.types {
			if state.refused != "" {
				n.Rejected = shortType(typeURL) + ": " + state.refusedWhy
			}
		}
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

func shortType(typeURL string) string { return typeURL[strings.LastIndexByte(typeURL, '.')+1:] }

func bounded(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
