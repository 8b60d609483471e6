package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/alert"
	"gatehouse/control/api"
	"gatehouse/control/audit"
	"gatehouse/control/audit/seal"
	"gatehouse/control/intake"
	"gatehouse/control/privacy"
	"gatehouse/control/scan"
	"gatehouse/control/store"
	"gatehouse/control/xds"
)

const (
	answerWithin  = 2 * time.Second
	deliverWithin = 2 * time.Second
	headersWithin = 5 * time.Second
	idleFor       = time.Minute
)

// control is everything bound and opened, with nothing served yet.
type control struct {
	o       Options
	owned   []io.Closer // closed from the last to the first
	first   edition
	redis   redis.UniversalClient
	xds     *xds.Server
	authz   *authzPolicy
	events  *event.Writer
	intake  *intake.Intake
	scans   *scan.Service
	uploads *uploads
	status  *status

	publisher *publisher
	store     *store.Store // nil if none is named
	log       *audit.Tlog
	transit   *event.Transit   // nil without a pseudonym key
	keys      *seal.Keyring    // nil without a store or a master key
	rights    *privacy.Service // nil without the keys
	systems   systemsInForce   // of rights
	alerts    *alert.Engine    // nil without a store
	web       web
}

// Run serves until ctx ends, or something on which all depends fails. It
// returns nil after a stop that was asked for. A policy file that is wrong at
// the start is an error with everything that is wrong with it.
func Run(ctx context.Context, o Options) error {
	o.fill()
	if err := o.validate(); err != nil {
		return err
	}
	redis.SetLogger(redisLog{o.Log})
	audit.CaptureLog(o.Log)
	c := &control{o: o, status: &status{}, scans: scan.NewService(o.Log)}
	c.uploads = &uploads{scans: c.scans}
	if err := c.assemble(ctx); err != nil {
		return errors.Join(err, c.close())
	}
	return errors.Join(c.run(ctx), c.close())
}

// assemble binds first: a port in use is told before anything else is touched.
func (c *control) assemble(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		c.bind, c.load, c.openStore, c.openKeys, c.openRedis, c.openEvents, c.openAudit, c.openAlerts, c.openPublisher, c.openRights, c.openWeb,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *control) load(context.Context) (err error) {
	c.first, err = c.o.load()
	return err
}

func (c *control) openRedis(context.Context) error {
	client, err := openRedis(c.o.Redis, c.first.compiled.Redis, c.o.Log)
	if err != nil {
		return err
	}
	c.redis = client
	c.owned = append(c.owned, client)
	return nil
}

func (c *control) openEvents(context.Context) (err error) {
	c.events, err = event.NewWriter(event.Options{
		Redis: c.redis, Source: "control", Instance: c.o.Instance, Transit: c.transit,
		Registerer: c.o.Registry, Logger: c.o.Log, Now: c.o.Now, Guard: c.o.Guard,
	})
	if err == nil {
		deaf := c.o.Guard.Listen(func(d secret.Detection) { c.events.Append(event.OfSecret(d)) })
		c.owned = append(c.owned, closer(func() error {
			deaf()
			ctx, cancel := context.WithTimeout(context.Background(), deliverWithin)
			defer cancel()
			return c.events.Close(ctx)
		}))
	}
	return err
}

type closer func() error

func (f closer) Close() error { return f() }

func (c *control) auditDir() string { return filepath.Join(c.o.StateDir, "audit") }

func (c *control) openAudit(context.Context) error {
	o := audit.Options{Key: c.o.AuditKey, Registerer: c.o.Registry, Log: c.o.Log}
	if c.store != nil {
		o.Index = c.store
	}
	log, err := audit.Open(c.auditDir(), o)
	if err != nil {
		return err
	}
	c.owned, c.log = append(c.owned, log), log
	c.web.hub = api.NewHub()
	from := intake.Options{
		Redis: c.redis, Log: log, Transit: c.transit, Observe: c.observe, Consumer: c.o.Instance,
		DeadLetters: filepath.Join(c.o.StateDir, "dead-letters.jsonl"),
		Registerer:  c.o.Registry, Logger: c.o.Log, Now: c.o.Now, Guard: c.o.Guard,
	}
	if c.keys != nil {
		from.Seal = c.keys
	}
	c.intake, err = intake.New(from)
	return err
}

func (c *control) openPublisher(context.Context) error {
	counts, err := newMetrics(c.o.Registry)
	if err != nil {
		return fmt.Errorf("register control's metrics: %w", err)
	}
	c.authz = &authzPolicy{redis: c.redis, log: c.o.Log, every: c.o.timing.republic}
	c.publisher = &publisher{
		o: &c.o, authz: c.authz, events: c.events, status: c.status, metrics: counts, log: c.o.Log,
		prepare: func(e edition) (prepared, error) { return c.prepare(e.compiled) },
		history: history{dir: filepath.Join(c.o.StateDir, "policies")},
	}
	c.xds = xds.NewServer(c.o.Log, c.publisher.refused)
	c.publisher.xds = c.xds
	return c.watchState(c.o.Registry)
}

// run serves until ctx ends, and then ends what is under way.
func (c *control) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var behind sync.WaitGroup
	defer behind.Wait()
	defer stop()
	c.useScanner(c.first.compiled)
	c.useUploads(c.first.compiled)
	c.publisher.first(ctx, c.first)
	changed := make(chan struct{}, 1)
	files := &watcher{paths: c.paths, known: c.first.files(c.o.Config), poll: c.o.timing.poll, settle: c.o.timing.settle, log: c.o.Log}
	for _, work := range []func(context.Context){
		c.authz.run, c.intake.Run, c.expireKeys, c.runAlerts, c.runRights,
		func(ctx context.Context) { files.run(ctx, changed) },
		func(ctx context.Context) { c.publisher.run(ctx, changed) },
	} {
		behind.Go(func() { secret.ContainLoop("control", fail, func() { work(background) }) })
	}

	defer context.AfterFunc(ctx, c.web.hub.Close)()
	group, serving := errgroup.WithContext(ctx)
	group.Go(func() error { return c.xds.Serve(serving, c.o.XDSListener, c.scans.Register) })
	group.Go(func() error { return serveHTTP(serving, c.o.HTTPListener, c.handler(), c.o.Log) })
	if c.o.MetricsListener != nil {
		group.Go(func() error { return serveHTTP(serving, c.o.MetricsListener, metricsHandler(c.o.Metrics), c.o.Log) })
	}
	c.o.Log.Info("control serves", "xds", c.o.XDSListener.Addr().String(), "http", c.o.HTTPListener.Addr().String(), "instance", c.o.Instance)
	err := errors.Join(group.Wait(), secret.Crash(ctx))
	c.o.Log.Info("control stops")
	return err
}

// paths are the files whose content matters: those of the live policy.
func (c *control) paths() []string { return slices.Sorted(maps.Keys(*c.publisher.watched.Load())) }

func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: headersWithin, ReadTimeout: headersWithin, IdleTimeout: idleFor, MaxHeaderBytes: 16 << 10,
		// Without it a handler's panic would go to standard error as it is.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // what is left has had its time
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve HTTP: %w", err)
}

func (c *control) close() error {
	var errs []error
	for i := len(c.owned) - 1; i >= 0; i-- {
		if err := c.owned[i].Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
