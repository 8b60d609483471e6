package authz

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	quotav3 "github.com/envoyproxy/go-control-plane/envoy/service/rate_limit_quota/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"gatehouse/authz/accesslog"
	"gatehouse/authz/assertion"
	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/authz/extauthz"
	"gatehouse/authz/extauthz/store"
	"gatehouse/authz/limit"
	"gatehouse/authz/login"
	"gatehouse/authz/policy"
	"gatehouse/authz/ratelimit"
	"gatehouse/authz/ratelimit/quota"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
)

// server is authz put together: everything bound and opened, nothing served.
type server struct {
	o                         Options
	listener, metricsListener net.Listener
	owned                     []io.Closer
	redis, redisBehind        redis.UniversalClient // for requests, for the rest

	names     *event.Pseudonymizer
	events    *event.Writer
	deaf      func() // ends the listening to detections
	policy    *policy.Source
	sessions  *session.Manager
	domains   rateLimitSource // nil: no RateLimitService
	windows   *limit.Windows  // of the RateLimitService; they know all replicas
	releases  *ratelimit.Releases
	statsd    *ratelimit.Statsd // nil: none is told
	refusals  *limit.Refusals
	store     *store.Store
	watcher   *watcher
	counts    *counts
	accessLog *accesslog.Service
	site      *login.Site // nil: nobody signs in here
	// assertions is nil without a key.
	assertions *assertion.Issuer
	health     *health.Server
	grpc       *grpc.Server
	http       *http.Server
	metrics    *http.Server
}

// assemble binds first: a port in use is told before anything else is touched.
// After an error nothing is left open.
func assemble(ctx context.Context, o Options) (*server, error) {
	s := &server{o: o, listener: o.Listener, metricsListener: o.MetricsListener}
	for _, step := range []func(context.Context) error{
		s.bind, s.openRedis, s.openEvents, s.openPolicy, s.serveGRPC, s.serveHTTP,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.abandon())
		}
	}
	return s, nil
}

func (s *server) abandon() error {
	var errs []error
	if s.events != nil {
		s.deaf()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it has just begun: there is nothing to wait for
		errs = append(errs, s.events.Close(ctx))
	}
	for _, l := range []net.Listener{s.listener, s.metricsListener} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	for _, c := range s.owned {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (s *server) bind(ctx context.Context) (err error) {
	if s.listener == nil {
		if s.listener, err = listen(ctx, "--listen", s.o.Listen); err != nil {
			return err
		}
	}
	if s.metricsListener == nil && s.o.MetricsListen != "" {
		s.metricsListener, err = listen(ctx, "--metrics-listen", s.o.MetricsListen)
	}
	return err
}

func (s *server) openRedis(ctx context.Context) error {
	redis.SetLogger(redisLog{s.o.Log}) // go-redis knows one logger for the whole process
	s.redis, s.redisBehind = s.o.RedisClient, s.o.RedisClient
	if s.redis == nil {
		var err error
		if s.redis, err = OpenRedis(s.o.Redis); err != nil {
			return err
		}
		s.owned = append(s.owned, s.redis)
		if s.redisBehind, err = openBackground(s.o.Redis); err != nil {
			return err
		}
		s.owned = append(s.owned, s.redisBehind)
	}
	s.watcher = newWatcher(ctx, s.redisBehind, s.o.Now, s.o.Log)
	s.sessions = session.NewWith(s.redis, s.o.Now, rand.Reader, session.Settings{
		Rules: s.sessionRules, CacheSize: s.o.sessionCache(), Registerer: s.o.Registry, Log: s.o.Log,
	})
	return nil
}

func (s *server) openEvents(context.Context) (err error) {
	if s.names, err = s.pseudonymizer(); err != nil {
		return err
	}
	var transit *event.Transit // without a key that control knows, too, personal fields are dropped
	if !s.o.PseudonymKey.Empty() {
		if transit, err = event.NewTransit(s.o.PseudonymKey.Reveal()); err != nil {
			return err
		}
	}
	s.counts = newCounts(s.o.Registry)
	s.events, err = event.NewWriter(event.Options{
		Redis: s.redisBehind, Source: "authz", Instance: s.o.Instance, Transit: transit,
		Registerer: s.o.Registry, Logger: s.o.Log, Now: s.o.Now, Guard: s.o.Guard,
	})
	if err == nil {
		s.deaf = s.o.Guard.Listen(func(d secret.Detection) { s.events.Append(event.OfSecret(d)) })
	}
	return err
}

// pseudonymizer takes the key as it is now, for the whole run: with another key
// one person would be two, and limits, alerts and erasure would miss half.
func (s *server) pseudonymizer() (*event.Pseudonymizer, error) {
	if !s.o.PseudonymKey.Empty() {
		return event.NewPseudonymizer(s.o.PseudonymKey.Reveal())
	}
	s.o.Log.Warn("no pseudonym key is set: events of this run cannot be linked to others and lose what names people; set GATEHOUSE_PSEUDONYM_KEY_FILE")
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return event.NewPseudonymizer(key)
}

// issuer is nil without a key: an upstream that relies on assertions then refuses
// by itself.
func (s *server) issuer() (*assertion.Issuer, error) {
	if s.o.AssertionKey.Empty() {
		if s.o.RateLimitConfig == "" && s.o.RateLimitXDS == nil {
			s.o.Log.Warn("no assertion key is set: upstreams get no x-gatehouse-assertion; set GATEHOUSE_ASSERTION_KEY_FILE")
		}
		return nil, nil
	}
	return assertion.New(cmp.Or(s.o.AssertionIssuer, "gatehouse"), s.o.AssertionKey.Reveal(), s.o.Now)
}

func (s *server) openPolicy(ctx context.Context) (err error) {
	lastGood := ""
	if s.o.StateDir != "" {
		if err := os.MkdirAll(s.o.StateDir, 0o700); err != nil {
			return fmt.Errorf("make the state folder: %w: choose another with --state-dir", err)
		}
		lastGood = filepath.Join(s.o.StateDir, "policy.json")
	}
	s.policy, err = policy.NewSource(ctx, policy.SourceOptions{
		Redis: s.redisBehind, File: s.o.PolicyFile, LastGood: lastGood, SignInPage: s.signInPage(),
		Log: s.o.Log, Now: s.o.Now, Rejected: s.rejected,
	})
	if err != nil {
		return err
	}
	s.domains, err = s.rateLimits()
	return err
}

// rateLimitSource keeps the RateLimitService's configuration: a folder, or a
// management server.
type rateLimitSource interface {
	Current() *ratelimit.Config
	Run(ctx context.Context)
}

func (s *server) rateLimits() (rateLimitSource, error) {
	switch {
	case s.o.RateLimitConfig != "" && s.o.RateLimitXDS != nil:
		return nil, errors.New("rate limits are configured by a folder and over xDS: choose one")
	case s.o.RateLimitConfig != "" && s.o.RateLimit.Merge:
		return ratelimit.OpenMergedDirectory(s.o.RateLimitConfig, s.o.Log)
	case s.o.RateLimitConfig != "":
		return ratelimit.OpenDirectory(s.o.RateLimitConfig, s.o.Log)
	case s.o.RateLimitXDS != nil:
		o := *s.o.RateLimitXDS
		o.Log, o.Merge = s.o.Log, s.o.RateLimit.Merge
		return ratelimit.OpenXDS(o)
	default:
		return nil, nil //nolint:nilnil // there is no such service
	}
}

func (s *server) rejected(err error) {
	s.events.Append(event.Event{
		Type: event.PolicyRejected, Severity: event.Critical, Outcome: event.Failure,
		Feature: "policy", Rule: "policy_rejected", Reason: err.Error(),
	})
}

func (s *server) disagreed(loaded, foreign string) {
	s.events.Append(event.Event{
		Type: event.PolicyDisagreement, Severity: event.Critical, Outcome: event.Failure,
		Feature: "policy", Rule: "policy_disagreement", PolicyVersion: loaded,
		Reason: "Envoy has been working by another version for more than five seconds",
		Detail: map[string]string{"envoy_version": foreign},
	})
}

func (s *server) serveGRPC(context.Context) error {
	s.grpc = newGRPC(s.o.Log, s.counts.panics)
	var err error
	if s.assertions, err = s.issuer(); err != nil {
		return err
	}
	line := limit.NewLine(s.redis, redisWithin)
	s.windows = limit.NewWindowsOn(line, nil)
	s.refusals = limit.NewRefusals(s.redisBehind, nil)
	s.releases = ratelimit.NewReleases(s.windows, s.o.Log)
	s.store = store.New(s.sessions, line, nil)
	extauthz.Register(s.grpc, extauthz.New(extauthz.Options{
		Policy: s.policy, Keys: s.keys(), Consents: consent.New(s.redis), Assertions: s.assertions,
		Store: s.store,
		Local: limit.NewLocal(limit.DefaultLocalBudget, s.o.Now), Members: s.windows.Members,
		Subject: s.names.Subject, Now: s.o.Now, Log: s.o.Log,
		Metrics: extauthz.NewMetrics(s.o.Registry), Disagreed: s.disagreed, Refusals: s.refusals, GiveBack: s.releases.GiveBack,
	}))
	log := accesslog.Options{
		Append: s.events.Append, Client: s.names.Client, Now: s.o.Now, Log: s.o.Log, Count: s.counts.entry,
		Ended: s.releases.Ended,
	}
	if s.domains != nil {
		limiting, err := s.rateLimiting()
		if err != nil {
			return err
		}
		ratelimitv3.RegisterRateLimitServiceServer(s.grpc, ratelimit.New(limiting))
		quotav3.RegisterRateLimitQuotaServiceServer(s.grpc, quota.New(s.domains.Current, quota.NewShares(s.redis, nil), s.o.Log))
	}
	s.accessLog = accesslog.New(log)
	accesslogv3.RegisterAccessLogServiceServer(s.grpc, s.accessLog)
	s.health = health.NewServer()
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.reportHealth()
	return nil
}

// rateLimiting is what the drop-in for envoyproxy/ratelimit works with.
func (s *server) rateLimiting() (ratelimit.Options, error) {
	var compat *ratelimit.Compat
	if s.o.RateLimit.Compat || s.o.RateLimit.Statsd != "" {
		compat = ratelimit.NewCompat(s.o.Registry, s.o.RateLimit.NearRatio)
	}
	if at := s.o.RateLimit.Statsd; at != "" {
		var err error
		if s.statsd, err = ratelimit.NewStatsd(at, compat, s.o.Log); err != nil {
			return ratelimit.Options{}, fmt.Errorf("--ratelimit-statsd: %w", err)
		}
	}
	return ratelimit.Options{
		Compat: compat, Refusals: s.refusals, Current: s.domains.Current, Limits: s.windows, Log: s.o.Log, Metrics: ratelimit.NewMetrics(s.o.Registry),
		OnError: s.o.RateLimit.OnError, Headers: s.o.RateLimit.Headers,
		Shadow: s.o.RateLimit.Shadow, Quota: s.o.RateLimit.Quota, Metadata: s.o.RateLimit.Metadata,
		Local: &ratelimit.Local{
			Limiter: limit.NewLocal(limit.DefaultLocalBudget, s.o.Now), Members: s.windows.Members,
		},
	}, nil
}

func (s *server) serveHTTP(context.Context) error {
	site, err := s.signIn()
	if err != nil {
		return err
	}
	var auth http.Handler
	if site != nil {
		auth, s.site = site, site
	}
	s.http = newHTTP(routes(auth, s.jwks(), s.readiness), s.o.Log)
	s.metrics = newHTTP(metricsRoutes(s.o.Registry), s.o.Log)
	s.counts.watch(s.o.Registry, s.readiness)
	return nil
}

// background are the loops that run beside the servers until they have stopped.
func (s *server) background() []func(context.Context) {
	loops := []func(context.Context){s.policy.Run, s.sessions.Run, s.watcher.run, s.followHealth, s.windows.Run, s.refusals.Run, s.store.Run, s.releases.Run}
	if s.site != nil {
		loops = append(loops, s.site.Run)
	}
	if s.statsd != nil {
		loops = append(loops, s.statsd.Run)
	}
	if s.domains != nil {
		loops = append(loops, s.domains.Run)
	}
	return loops
}
