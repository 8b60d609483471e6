package xds

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
)

// dialogue is what one Envoy and the server say to each other about routes.
type dialogue struct {
	t       *testing.T
	tracker *tracker
	stream  int64
	node    string
}

func (d dialogue) open() dialogue {
	d.t.Helper()
	if err := d.tracker.opened(context.Background(), d.stream, ""); err != nil {
		d.t.Fatal(err)
	}
	d.say("", "", "")
	return d
}

func (d dialogue) send(version, nonce string) {
	d.tracker.responded(context.Background(), d.stream, nil, &discoveryv3.DiscoveryResponse{
		TypeUrl: resourcev3.RouteType, VersionInfo: version, Nonce: nonce,
	})
}

// say is an Envoy's request: with the version that it has, in answer to a
// nonce, with its complaint if it has one.
func (d dialogue) say(has, nonce, complaint string) *discoveryv3.DiscoveryRequest {
	d.t.Helper()
	r := &discoveryv3.DiscoveryRequest{
		TypeUrl: resourcev3.RouteType, VersionInfo: has, ResponseNonce: nonce, Node: &corev3.Node{Id: d.node},
	}
	if complaint != "" {
		r.ErrorDetail = &rpcstatus.Status{Message: complaint}
	}
	if err := d.tracker.requested(d.stream, r); err != nil {
		d.t.Fatal(err)
	}
	return r
}

func routesAt(version string) map[string]string {
	return map[string]string{resourcev3.RouteType: version}
}

func TestAwaitEndsWhenEveryEnvoyHasAnswered(t *testing.T) {
	tr := newTracker(nil)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := tr.await(ctx, routesAt("v1")); err != nil {
		t.Errorf("without an Envoy: %v", err)
	}
	first, second := dialogue{t, tr, 1, "one"}.open(), dialogue{t, tr, 2, "two"}.open()
	first.send("v1", "n1")
	second.send("v1", "n1")
	done := make(chan error)
	go func() { done <- tr.await(ctx, routesAt("v1")) }()
	first.say("v1", "n1", "")
	second.say("", "n0", "") // an answer to something older
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the second: %v", err)
	default:
	}
	tr.closed(2, nil) // gone: nobody waits for it
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestARefusalIsToldAndNotSentAgain(t *testing.T) {
	var told []Rejection
	tr := newTracker(func(r Rejection) { told = append(told, r) })
	d := dialogue{t, tr, 1, "one"}.open()
	d.send("policy1/a", "n1")
	d.say("policy1/a", "n1", "")
	d.send("policy2/b", "n2")
	request := d.say("policy1/a", "n2", "no such cluster "+strings.Repeat("x", maxDetail))
	if request.GetVersionInfo() != "policy2/b" {
		t.Errorf("the cache would answer version %q at once with what was refused", request.GetVersionInfo())
	}
	var rejection *Rejection
	err := tr.await(context.Background(), routesAt("policy2/b"))
	if !errors.As(err, &rejection) || len(told) != 1 || *rejection != told[0] {
		t.Fatalf("await says %v, told was %v", err, told)
	}
	if rejection.Node != "one" || rejection.Type != "RouteConfiguration" || len(rejection.Detail) > maxDetail+len("…") {
		t.Errorf("%+v", rejection)
	}
	nodes := tr.nodes()
	if len(nodes) != 1 || nodes[0].Version != "policy1" || !strings.HasPrefix(nodes[0].Rejected, "RouteConfiguration: no such cluster") {
		t.Errorf("%+v", nodes)
	}
	d.send("policy3/c", "n3")
	d.say("policy3/c", "n3", "")
	if nodes := tr.nodes(); nodes[0] != (Node{ID: "one", Version: "policy3"}) {
		t.Errorf("%+v", nodes)
	}
}

func TestAwaitGivesUpWithWhoDidNotAnswer(t *testing.T) {
	tr := newTracker(nil)
	dialogue{t, tr, 1, "slow"}.open().send("v1", "n1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := tr.await(ctx, routesAt("v1"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `"slow"`) {
		t.Errorf("%v", err)
	}
	if err := tr.await(ctx, map[string]string{resourcev3.SecretType: "v1"}); err != nil {
		t.Errorf("an Envoy that never asked for secrets is waited for: %v", err)
	}
}

func TestMergeKnowsThePoliciesOfBothAndPrefersTheNew(t *testing.T) {
	former, next := compiled(), compiled()
	delete(next.Filter.Policies, "cors")
	delete(next.Authz.Policies, "cors")
	next.Version = "new"
	merged := Merge(next, former)
	if _, ok := merged.Filter.Policies["cors"]; !ok || merged.Version != "new" || len(merged.Authz.Policies) != len(former.Authz.Policies) {
		t.Errorf("%+v", merged)
	}
	if _, ok := next.Filter.Policies["cors"]; ok {
		t.Error("next was changed")
	}
}
