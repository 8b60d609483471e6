package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/api"
	"gatehouse/control/audit"
	"gatehouse/control/audit/verify"
	"gatehouse/control/console"
	"gatehouse/control/policy"
	"gatehouse/control/privacy"
	"gatehouse/control/store"
)

// web is what people and programs see of control: the API and the console. It
// is nil where there is no store: then nobody could be told apart.
type web struct {
	api     *api.Server
	console http.Handler
	reports http.Handler
	hub     *api.Hub
}

// openStore opens what must outlive Redis, if it is named.
func (c *control) openStore(ctx context.Context) (err error) {
	if c.o.Store.URL == "" {
		c.o.Log.Warn("no store is named (--store): neither API nor console is served, and the audit log cannot be searched")
		return nil
	}
	if c.store, err = store.Open(ctx, c.o.Store); err != nil {
		return err
	}
	c.owned = append(c.owned, c.store)
	return nil
}

// openWeb makes API and console; it comes after all that they ask.
func (c *control) openWeb(context.Context) error {
	if c.store == nil {
		return nil
	}
	names, err := c.pseudonymizer()
	if err != nil {
		return err
	}
	server, err := api.New(api.Options{
		Version: c.o.Version, Events: c.events, Pseudonyms: names,
		Sessions: session.New(c.redis, c.o.Now, rand.Reader), Users: c.store,
		SignIn:        login.NewAuthenticator(c.store, login.NewHasher(login.DefaultParams(), login.DefaultHashMemoryKiB)),
		TokenSessions: api.RedisTokenSessions{Redis: c.redis}, Idempotency: c.store,
		Log: c.o.Log, Now: c.o.Now,
	})
	if err != nil {
		return fmt.Errorf("make the API: %w", err)
	}
	if err := server.Configure(c.o.apiSettings(c.first.compiled)); err != nil {
		return err
	}
	verifier, err := c.auditVerifier()
	if err != nil {
		return err
	}
	found := evidence{dir: c.auditDir(), log: c.log, store: c.store, verifier: verifier, now: c.o.Now}
	server.Serve(api.Sources{Events: found, Verifier: found, Hub: c.web.hub, Alerts: alertList{c.store}, State: c, Reports: cspReports{c.store}, Uploads: c.uploads,
		Limits: limiting{c.redis, c.store, c.o.Now}})
	if c.rights != nil {
		privacy.Register(server.API(), c.rights)
	}
	pages, err := console.New(console.Options{API: server.Handler(), Now: c.o.Now, Log: c.o.Log})
	if err != nil {
		return err
	}
	c.web.api, c.web.console = server, pages
	c.web.reports = api.CSPIntake(cspReports{c.store}, c.o.Now, c.o.Log)
	return nil
}

// auditVerifier is the public half of the key that signs the log.
func (c *control) auditVerifier() (note.Verifier, error) {
	public, err := audit.Verifier(c.o.AuditKey)
	if err != nil {
		return nil, err
	}
	return verify.ParseKey(public)
}

// pseudonymizer gives a person the same pseudonym as authz does; without the
// key, as authz without it, one of this run alone.
func (c *control) pseudonymizer() (*event.Pseudonymizer, error) {
	key := c.o.PseudonymKey.Reveal()
	if len(key) == 0 {
		c.o.Log.Warn("no pseudonym key is set: the callers of this run's API cannot be linked to others; set GATEHOUSE_PSEUDONYM_KEY_FILE")
		key = make([]byte, 2*event.MinPseudonymKey)
		_, _ = rand.Read(key) // never fails: it ends the process instead
	}
	return event.NewPseudonymizer(key)
}

// apiSettings are those of the policy file, and the token that the command line
// names.
func (o *Options) apiSettings(compiled *policy.Compiled) api.Settings {
	var s api.Settings
	if o.AdminTokenFile != "" {
		s.Tokens = append(s.Tokens, api.TokenSetting{Name: adminToken, Role: api.Admin, File: o.AdminTokenFile})
	}
	for _, t := range compiled.Control.API.Tokens {
		s.Tokens = append(s.Tokens, api.TokenSetting{Name: t.Name, Role: api.Role(t.Role), File: t.TokenFile})
	}
	if from := compiled.Control.API.OIDC; from != nil {
		s.OIDC = &api.OIDCSettings{Issuer: from.Issuer, Audience: from.Audience, RoleClaim: from.RoleClaim, Roles: map[string]api.Role{}}
		for theirs, ours := range from.Roles {
			s.OIDC.Roles[theirs] = api.Role(ours)
		}
	}
	return s
}

// adminToken is the name of the caller whose token the command line names. No
// caller of the policy file may have it: names there do not begin so.
const adminToken = "gatehouse-admin"

// prepare makes what the callers of an edited policy file need.
func (w *web) prepare(s api.Settings) (apply func(), err error) {
	if w.api == nil {
		return func() {}, nil
	}
	return w.api.Prepare(s)
}

// routes adds what the web serves to the operator's endpoints.
func (w *web) routes(mux *http.ServeMux) {
	if w.api == nil {
		return
	}
	for _, path := range []string{"/v1/", "/openapi.json", "/openapi.yaml"} {
		mux.Handle(path, w.api.Handler())
	}
	mux.Handle(api.CSPReportsPath, w.reports)
	mux.Handle(api.CSPReportsPath+"/", w.reports)
	mux.Handle(console.Root, w.console)
	mux.Handle(console.Root+"/", w.console)
	mux.Handle("GET /{$}", http.RedirectHandler(console.Root, http.StatusSeeOther))
}

// Policy implements api.State.
func (c *control) Policy(context.Context) (api.Policy, error) {
	now := c.readiness()
	p := api.Policy{Live: api.PolicyVersion{Version: now.Policy.Version, Since: now.Policy.Since}}
	if now.LastError != nil {
		p.Errors, p.ErrorAt = now.LastError.Errors, now.LastError.Time
	}
	names, err := c.publisher.history.list()
	if err != nil {
		return p, err
	}
	for _, name := range slices.Backward(names) {
		stamp, version, _ := strings.Cut(strings.TrimSuffix(name, ".yaml"), "-")
		since, err := time.Parse("20060102T150405.000Z", stamp)
		if err != nil {
			continue // not a name that keep gives
		}
		p.History = append(p.History, api.PolicyVersion{Version: version, Since: since})
	}
	return p, nil
}

// Status implements api.State.
func (c *control) Status(ctx context.Context) (api.Status, error) {
	now := c.readiness()
	s := api.Status{
		Ready: now.Ready, Version: cmp.Or(c.o.Version, "devel"), Policy: now.Policy.Version,
		RedisUp: now.Redis.Reachable, StoreUp: c.storeAnswers(ctx), EventsQueue: c.events.Queued(),
	}
	for _, e := range now.Envoys {
		s.Envoys = append(s.Envoys, api.Envoy{ID: e.ID, Version: e.Version, Rejected: e.Rejected})
	}
	return s, nil
}

// storeAnswers asks for a user that there is not.
func (c *control) storeAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := c.store.UserByName(ctx, "\x00")
	return err == nil || errors.Is(err, login.ErrNoUser)
}
