package api

import (
	"cmp"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
)

const (
	// MaxBody bounds a call's body in bytes unless its operation says otherwise.
	MaxBody = 1 << 20
	// callWithin bounds a call that is not Long; writeWithin its answer, so that
	// a client that reads slowly holds nothing for ever.
	callWithin  = 20 * time.Second
	writeWithin = 60 * time.Second
	bodyWithin  = 10 * time.Second
)

// Options of New. Only Version, Events and Pseudonyms are required: what is
// missing of the rest is a way in that nobody has.
type Options struct {
	Version    string // of this program, for the OpenAPI document
	Events     Recorder
	Pseudonyms *event.Pseudonymizer

	// Sessions finds Gatehouse sessions, Users the roles of whose they are.
	Sessions Sessions
	Users    login.UserStore
	// SignIn checks a name and a password; nil lets nobody sign in here.
	SignIn SignIn
	// TokenSessions keeps the sessions of browsers that signed in with a token.
	TokenSessions TokenSessions
	// Idempotency keeps answers; nil refuses calls with an Idempotency-Key.
	Idempotency Idempotency

	Limits Limits // zero fields mean DefaultLimits
	Log    *slog.Logger
	Now    func() time.Time
}

// Recorder takes events; *event.Writer does.
type Recorder interface{ Append(event.Event) }

// Server is the API. It is safe for concurrent use once it serves; operations
// are registered before.
type Server struct {
	o       Options
	log     *slog.Logger
	now     func() time.Time
	mux     *http.ServeMux
	api     huma.API
	handler http.Handler
	limits  *limits
	// credentials are the ways in that gatehouse.yaml names.
	credentials atomic.Pointer[credentials]
}

// New returns a Server with the operations of the frame itself: who am I,
// sign-in and sign-out, and the OpenAPI document.
func New(o Options) (*Server, error) {
	s := &Server{o: o, log: o.Log, now: o.Now, mux: http.NewServeMux()}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.limits = newLimits(o.Limits, s.now)
	if err := s.Configure(Settings{}); err != nil {
		return nil, err
	}
	s.api = humago.New(s.mux, s.config())
	describeProblems(s.api.OpenAPI().Components.Schemas)
	s.api.UseMiddleware(s.report, s.admit, s.once)
	s.registerOwn()
	s.serveDocument()
	s.handler = s.guard(s.mux)
	return s, nil
}

// API is what other rooms register their operations on, before Handler serves.
func (s *Server) API() huma.API { return s.api }

// Handler serves /v1/ and the OpenAPI document.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) config() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Gatehouse", Version: cmp.Or(s.o.Version, "devel"),
				Description: "Control's API: events, alerts, policy, consent, subject requests and breaches.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					schemeBearer: {Type: "http", Scheme: "bearer", Description: "A token of gatehouse.yaml's control.api.tokens, a JWT of control.api.oidc, or a Gatehouse session's token."},
					schemeCookie: {Type: "apiKey", In: "cookie", Name: login.CookieName, Description: "A Gatehouse session; only from pages of this origin."},
				},
			},
		},
		// "json" is what huma looks up for application/problem+json.
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.shown},
		// huma serves the document without a lock; serveDocument has one.
		OpenAPIPath: "", DocsPath: "", SchemasPath: "",
		RejectUnknownQueryParameters: true,
	}
}

// serveDocument serves what the API says about itself. It is no secret: it is
// the same for every Gatehouse of one version.
func (s *Server) serveDocument() {
	serve := func(path, contentType string, make func() ([]byte, error)) {
		document := sync.OnceValues(make)
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := document()
			if err != nil {
				s.log.ErrorContext(r.Context(), "the OpenAPI document cannot be written", "error", err)
				writeProblem(w, r, NewProblem(http.StatusInternalServerError, "", ""))
				return
			}
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(body) // the client has gone, then
		})
	}
	serve("/openapi.json", "application/openapi+json", func() ([]byte, error) { return s.api.OpenAPI().MarshalJSON() })
	serve("/openapi.yaml", "application/openapi+yaml", func() ([]byte, error) { return s.api.OpenAPI().YAML() })
}
