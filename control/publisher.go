package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/policy"
	"gatehouse/control/xds"
)

// publisher turns the policy file into what Envoy and authz use. Its methods
// are called by one goroutine.
type publisher struct {
	o       *Options
	xds     *xds.Server
	authz   *authzPolicy
	events  *event.Writer
	history history
	status  *status
	metrics *metrics
	log     *slog.Logger
	// prepare makes what a policy says of control itself.
	prepare func(edition) (prepared, error)

	live edition // zero before the first
	// known is live's policy with the policies of earlier ones beside its own,
	// which requests may still refer to; nil once they are dropped.
	known *policy.Compiled
	// watched are the files that the live edition was made of.
	watched atomic.Pointer[content]
}

// prepared is what a policy says of control itself: apply brings it into force
// once Envoy and authz have the rest, drop forgets it.
type prepared struct{ apply, drop func() }

// edition is a policy file as it was read, with all that belongs to it.
type edition struct {
	source      []byte
	compiled    *policy.Compiled
	certificate *xds.Certificate
	resources   *xds.Resources
}

// load reads and compiles; nothing is changed by it.
func (o *Options) load() (edition, error) {
	source, err := os.ReadFile(o.Config)
	if err != nil {
		return edition{}, fmt.Errorf("read the policy file: %w", err)
	}
	e := edition{source: source}
	if e.compiled, err = policy.Load(o.Config, source); err != nil {
		return edition{}, err
	}
	if e.certificate, err = readCertificate(e.compiled.Envoy.TLS); err != nil {
		return edition{}, err
	}
	e.resources, err = o.build(e.compiled, e.certificate)
	return e, err
}

// files are what e was read from.
func (e edition) files(config string) content {
	c := content{config: e.source}
	if e.certificate != nil {
		c[e.compiled.Envoy.TLS.CertFile], c[e.compiled.Envoy.TLS.KeyFile] = e.certificate.Chain, e.certificate.Key
		if path := e.compiled.Envoy.TLS.ClientCAFile; path != "" {
			c[path] = e.certificate.Clients
		}
	}
	return c
}

func (o *Options) build(c *policy.Compiled, certificate *xds.Certificate) (*xds.Resources, error) {
	return xds.Build(c, xds.Options{
		WasmPath: o.WasmPath, AuthzAddress: o.AuthzAddress, ScanAddress: o.ScanAddress,
		Listen: o.EnvoyListen, TLSListen: o.EnvoyTLSListen, Certificate: certificate,
	})
}

// first publishes what Run has loaded at its start. Envoys may still be on the
// policy of an earlier run: what that one knew stays known for a while.
func (p *publisher) first(ctx context.Context, e edition) {
	p.watch(e)
	former, source, err := p.history.newest()
	if err != nil {
		p.log.Warn("it is not known which policy was live before", "error", err)
	}
	if former != "" && former != e.compiled.Version {
		if p.known, err = policy.Load(p.o.Config, source); err != nil {
			p.log.Warn("the policy that was live before is not understood any more", "error", err)
		}
	}
	if err := p.publish(ctx, e); err != nil {
		p.reject(err) // an Envoy that was there first has refused it
		return
	}
	p.accept(e, former, func() {}) // control was made for it
}

// edited takes the file as it is now. Whatever is wrong with it changes nothing.
func (p *publisher) edited(ctx context.Context) {
	e, err := p.o.load()
	var own prepared
	if err == nil {
		if p.live.compiled != nil && e.compiled.Version == p.live.compiled.Version && sameCertificate(e, p.live) {
			p.log.Info("the policy file was edited and means the same", "version", e.compiled.Version)
			p.live.source = e.source
			p.status.accepted(e.compiled.Version, p.o.Now())
			return
		}
		if own, err = p.prepare(e); err == nil {
			if err = p.publish(ctx, e); err != nil {
				own.drop()
			}
		}
	}
	if err != nil {
		p.reject(err)
		return
	}
	former := ""
	if p.live.compiled != nil {
		former = p.live.compiled.Version
	}
	p.accept(e, former, own.apply)
}

func sameCertificate(a, b edition) bool {
	if a.certificate == nil || b.certificate == nil {
		return a.certificate == b.certificate
	}
	return string(a.certificate.Chain) == string(b.certificate.Chain) && string(a.certificate.Key) == string(b.certificate.Key) &&
		string(a.certificate.Clients) == string(b.certificate.Clients)
}

// publish brings e to Envoy and authz, in the order that xds.Server.Publish
// describes, or takes it back from both.
func (p *publisher) publish(ctx context.Context, e edition) error {
	union := e.compiled
	if p.known != nil {
		union = xds.Merge(e.compiled, p.known)
	}
	transition, err := p.o.build(union, e.certificate)
	if err != nil {
		return err
	}
	text, err := union.AuthzJSON()
	if err != nil {
		return err
	}
	err = p.xds.Publish(ctx, transition, e.resources, func(ctx context.Context) {
		p.authz.publish(ctx, text, e.compiled.Version)
	})
	if err != nil {
		return errors.Join(err, p.restoreAuthz(ctx))
	}
	p.known = union
	return nil
}

func (p *publisher) restoreAuthz(ctx context.Context) error {
	if p.known == nil {
		return nil
	}
	text, err := p.known.AuthzJSON()
	if err == nil {
		p.authz.publish(ctx, text, p.known.Version)
	}
	return err
}

// prune drops the policies that no route refers to any more.
func (p *publisher) prune(ctx context.Context) {
	text, err := p.live.compiled.AuthzJSON()
	if err == nil {
		err = p.xds.Prune(ctx, p.live.resources)
	}
	if err != nil {
		p.log.Warn("policies that are no longer in use stay where they are", "error", err)
		return
	}
	p.authz.publish(ctx, text, p.live.compiled.Version)
	p.known = p.live.compiled
}

func (p *publisher) accept(e edition, former string, apply func()) {
	now := p.o.Now()
	version := e.compiled.Version
	p.live = e
	p.watch(e)
	apply()
	p.status.accepted(version, now)
	p.metrics.accepted(now)
	for _, w := range e.compiled.Warnings {
		p.log.Warn("policy file: " + w.Error())
	}
	p.log.Info("policy is live", "version", version, "former", former)
	if err := p.history.keep(version, e.source, now); err != nil {
		p.log.Error("the policy's source is not kept", "error", err)
	}
	if version == former {
		return // the same again after a restart, or only the certificate
	}
	detail := map[string]string{"file": p.o.Config}
	if former != "" {
		detail["former_version"] = former
	}
	p.events.Append(event.Event{
		Type: event.PolicyChanged, Severity: event.Info, Outcome: event.Success,
		PolicyVersion: version, Feature: "policy", Detail: detail,
	})
}

func (p *publisher) watch(e edition) {
	files := e.files(p.o.Config)
	p.watched.Store(&files)
}

// reject tells why an edit changes nothing.
func (p *publisher) reject(err error) {
	p.status.rejected(err, p.o.Now())
	p.metrics.edits.WithLabelValues("rejected").Inc()
	var refused *xds.Rejection
	if errors.As(err, &refused) {
		p.log.Error("Envoy refuses the policy; the former one stays live", "error", err)
		return // whoever heard of the refusal has reported it
	}
	for _, line := range lines(err) {
		p.log.Error("the policy file is wrong; the policy that is live stays: " + line)
	}
	p.events.Append(event.Event{
		Type: event.PolicyRejected, Severity: event.Warning, Outcome: event.Failure,
		Feature: "policy", Rule: "policy_file", Reason: bounded(err.Error()), Detail: map[string]string{"file": p.o.Config},
	})
}

// refused reports what an Envoy did not accept. It is called by xds.
func (p *publisher) refused(r xds.Rejection) {
	p.metrics.rejections.Inc()
	p.log.Error("Envoy refuses what it was sent and goes on with what it had", "node", r.Node, "resource", r.Type, "detail", r.Detail)
	p.events.Append(event.Event{
		Type: event.PolicyRejected, Severity: event.Warning, Outcome: event.Failure,
		Feature: "policy", Rule: "envoy", Reason: bounded(r.Detail), Detail: map[string]string{"node": r.Node, "resource": r.Type},
	})
}

// lines takes an error apart that is a list of mistakes.
func lines(err error) []string {
	var mistakes policy.Errors
	if !errors.As(err, &mistakes) {
		return []string{err.Error()}
	}
	out := make([]string, len(mistakes))
	for i, m := range mistakes {
		out[i] = m.Error()
	}
	return out
}

const maxReason = 2000

func bounded(s string) string { return s[:min(len(s), maxReason)] }

// run follows edits until ctx ends.
func (p *publisher) run(ctx context.Context, changed <-chan struct{}) {
	prune := time.NewTimer(p.o.timing.prune)
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			p.edited(ctx)
			prune.Reset(p.o.timing.prune)
		case <-prune.C:
			if p.live.compiled != nil && p.known != p.live.compiled {
				p.prune(ctx)
			}
		}
	}
}
