package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/authz/secret/redisauth"
	"gatehouse/authz/session"
	"gatehouse/control/store"
)

// sessionWithin bounds what a command asks of Redis.
const sessionWithin = 10 * time.Second

type sessionFlags struct {
	redis    commonFlags
	store    string
	byID     bool
	replicas int
}

func newSessionCommand(app *App) *cobra.Command {
	var f sessionFlags
	cmd := &cobra.Command{
		Use:   "session",
		Short: "List and end people's sessions",
		Long: "List and end sessions, in Redis itself: every authz hears of it at once. USER is a name, or with --id an id.\n" +
			"The tokens of sessions are nowhere: a session is named by the ID of the list.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	addStoreFlag(flags, &f.store, defaultStore(), "the users")
	flags.StringVar(&f.redis.redis, "redis", "", "redis://HOST:PORT/DB, unix:///PATH, redis-cluster:// or redis-sentinel://, without a password (REDIS_PASSWORD_FILE)")
	flags.StringVar(&f.redis.redisURLFile, "redis-url-file", "", "file that holds the URL of Redis")
	flags.BoolVar(&f.byID, "id", false, "USER is an id: no store is needed")
	flags.IntVar(&f.replicas, "confirmed-by", 0, "how many replicas of Redis must have what is ended before it counts")
	cmd.AddCommand(newSessionList(app, &f), newSessionShow(app, &f), newSessionRevoke(app, &f), newSessionEpoch(app, &f))
	return cmd
}

// with opens Redis for as long as run takes.
func (f *sessionFlags) with(app *App, run func(context.Context, *sessionDesk, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		if f.replicas < 0 || f.replicas > session.MaxReplicas {
			return misuse("--confirmed-by is 0 to %d", session.MaxReplicas)
		}
		log, err := app.logger("text", "warn")
		if err != nil {
			return err
		}
		defer log.close()
		desk, err := f.open(app, log)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), sessionWithin)
		defer cancel()
		err = asWrong(run(ctx, desk, args))
		return errors.Join(err, desk.close(ctx))
	}
}

// sessionDesk is what the commands work with.
type sessionDesk struct {
	*session.Manager
	app    *App
	flags  *sessionFlags
	client redis.UniversalClient
	events *event.Writer
	names  *event.Pseudonymizer
}

func (f *sessionFlags) open(app *App, log *serviceLog) (*sessionDesk, error) {
	client, err := f.client(app, log.Logger)
	if err != nil {
		return nil, err
	}
	desk := &sessionDesk{app: app, flags: f, client: client}
	desk.Manager = session.NewWith(client, time.Now, rand.Reader, session.Settings{
		Log: log.Logger, Rules: func() session.Rules {
			return session.Rules{Durability: session.Durability{Replicas: f.replicas, Within: time.Second}}
		},
	})
	key, err := secret.Load(app.Env, "GATEHOUSE_PSEUDONYM_KEY")
	switch {
	case err == nil:
		if desk.names, err = event.NewPseudonymizer(key.Reveal()); err != nil {
			return nil, errors.Join(wrong("%w", err), client.Close())
		}
	case !errors.Is(err, secret.ErrNotSet):
		return nil, errors.Join(wrong("%w", err), client.Close())
	}
	desk.events, err = event.NewWriter(event.Options{Redis: client, Source: "control", Logger: log.Logger, Guard: log.guard})
	if err != nil {
		return nil, errors.Join(wrong("%w", err), client.Close())
	}
	return desk, nil
}

func (f *sessionFlags) client(app *App, log *slog.Logger) (redis.UniversalClient, error) {
	url, err := app.redisURL(&f.redis, log)
	if err != nil {
		return nil, err
	}
	if url == nil {
		return nil, misuse("sessions are in Redis: pass --redis, --redis-url-file or REDIS_URL_FILE")
	}
	password, err := app.live("REDIS_PASSWORD", log)
	if err != nil {
		return nil, wrong("%w", err)
	}
	client, err := redisauth.Options{URL: url.Value(), Password: password.Value()}.Open(redisauth.Tuning{
		Name: "gatehouse-session", PoolSize: 2, Dial: time.Second, Read: 2 * time.Second, Write: 2 * time.Second,
	})
	if err != nil {
		return nil, wrong("%w", err)
	}
	return client, nil
}

func (d *sessionDesk) close(ctx context.Context) error {
	return errors.Join(d.events.Close(ctx), d.client.Close())
}

// user is the id of a USER.
func (d *sessionDesk) user(ctx context.Context, name string) (id string, err error) {
	if d.flags.byID {
		return name, nil
	}
	err = d.app.withStore(ctx, d.flags.store, func(s *store.Store) error {
		u, err := s.UserByName(ctx, name)
		if errors.Is(err, login.ErrNoUser) {
			return fmt.Errorf("no user is called %.128q: see `gatehouse user list`, or pass --id with an id", name)
		}
		id = u.ID
		return err
	})
	return id, err
}

// tell records what was ended, and why.
func (d *sessionDesk) tell(s session.Session, detail map[string]string) {
	e := event.Event{
		Type: event.SessionRevoked, Severity: event.Info, Outcome: event.Success, Feature: "session",
		Rule: "ended_by_operator", Reason: "ended with gatehouse session", Detail: detail,
	}
	if s.User.ID != "" && d.names != nil {
		e.Subject = d.names.Subject(s.User.ID)
	}
	d.events.Append(e)
}

type sessionLine struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	UserID   string    `json:"user_id"`
	Tenant   string    `json:"tenant,omitempty"`
	Created  time.Time `json:"created_at"`
	LastSeen time.Time `json:"last_seen_at"`
	Expires  time.Time `json:"expires_at"`
	SignedIn time.Time `json:"auth_time"`
	Methods  []string  `json:"methods,omitempty"`
	Device   string    `json:"device,omitempty"`
	Network  string    `json:"network,omitempty"`
	Bound    string    `json:"bound_to,omitempty"`
}

func lineOf(s session.Session) sessionLine {
	return sessionLine{
		ID: s.ID, User: s.User.Name, UserID: s.User.ID, Tenant: s.User.Tenant, Created: s.Created.UTC(), LastSeen: s.LastSeen.UTC(),
		Expires: s.ExpiresAt().UTC(), SignedIn: s.AuthTime.UTC(), Methods: s.AMR, Device: s.Device, Network: s.Network, Bound: string(s.Bound),
	}
}

func newSessionList(app *App, f *sessionFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list USER", Short: "List a user's sessions: since when, last seen, device, network", Args: cobra.ExactArgs(1)}
	format := addOutputFlag(cmd)
	cmd.RunE = f.with(app, func(ctx context.Context, d *sessionDesk, args []string) error {
		id, err := d.user(ctx, args[0])
		if err != nil {
			return err
		}
		list, err := d.List(ctx, id)
		if err != nil {
			return err
		}
		lines := make([]sessionLine, len(list))
		for i, s := range list {
			lines[i] = lineOf(s)
		}
		if *format == outputJSON {
			return writeJSON(app.Stdout, lines)
		}
		w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "ID\tCREATED\tLAST SEEN\tENDS\tDEVICE\tNETWORK")
		for _, l := range lines {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Created.Format(time.RFC3339),
				l.LastSeen.Format(time.RFC3339), l.Expires.Format(time.RFC3339), dash(l.Device), dash(l.Network))
		}
		return w.Flush()
	})
	return cmd
}

func newSessionShow(app *App, f *sessionFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "show USER ID", Short: "Show all that is known of a session", Args: cobra.ExactArgs(2)}
	format := addOutputFlag(cmd)
	cmd.RunE = f.with(app, func(ctx context.Context, d *sessionDesk, args []string) error {
		id, err := d.user(ctx, args[0])
		if err != nil {
			return err
		}
		s, err := d.Find(ctx, id, args[1])
		if errors.Is(err, session.ErrNone) {
			return fmt.Errorf("the user has no live session %.32q: see `gatehouse session list`", args[1])
		}
		if err != nil {
			return err
		}
		l := lineOf(s)
		if *format == outputJSON {
			return writeJSON(app.Stdout, l)
		}
		w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
		for _, pair := range [][2]string{
			{"id", l.ID}, {"user", l.User}, {"user id", l.UserID}, {"tenant", l.Tenant}, {"created", l.Created.Format(time.RFC3339)},
			{"signed in", l.SignedIn.Format(time.RFC3339)}, {"methods", strings.Join(l.Methods, " ")},
			{"last seen", l.LastSeen.Format(time.RFC3339)}, {"ends", l.Expires.Format(time.RFC3339)},
			{"device", l.Device}, {"network", l.Network}, {"bound to", l.Bound},
		} {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", pair[0], dash(pair[1]))
		}
		return w.Flush()
	})
	return cmd
}
