package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/session"
)

func newSessionRevoke(app *App, f *sessionFlags) *cobra.Command {
	var all, everything bool
	var tenant string
	cmd := &cobra.Command{
		Use:   "revoke (USER ID | USER --all | --tenant TENANT | --everything)",
		Short: "End one session, a user's, a tenant's, or all of everybody",
		Args:  cobra.MaximumNArgs(2),
	}
	cmd.Flags().BoolVar(&all, "all", false, "end all sessions of USER")
	cmd.Flags().StringVar(&tenant, "tenant", "", "end all sessions of the tenant's users")
	cmd.Flags().BoolVar(&everything, "everything", false, "end all sessions of everybody, with the next request of each")
	cmd.RunE = f.with(app, func(ctx context.Context, d *sessionDesk, args []string) error {
		switch {
		case len(args) == 2 && !all && tenant == "" && !everything:
			return d.revokeOne(ctx, args[0], args[1])
		case len(args) == 1 && all && tenant == "" && !everything:
			return d.revokeUser(ctx, args[0])
		case len(args) == 0 && !all && tenant != "" && !everything:
			if err := d.RevokeTenant(ctx, tenant); err != nil {
				return err
			}
			d.tell(session.Session{}, map[string]string{"tenant": tenant})
			return d.say("ended all sessions of tenant %s", tenant)
		case len(args) == 0 && !all && tenant == "" && everything:
			if err := d.RevokeEverything(ctx); err != nil {
				return err
			}
			d.tell(session.Session{}, map[string]string{"sessions": "everything"})
			return d.say("ended all sessions of everybody")
		}
		return misuse("say which: USER ID, USER --all, --tenant TENANT, or --everything")
	})
	return cmd
}

func (d *sessionDesk) revokeOne(ctx context.Context, name, sessionID string) error {
	id, err := d.user(ctx, name)
	if err != nil {
		return err
	}
	s, err := d.RevokeID(ctx, id, sessionID)
	if errors.Is(err, session.ErrNone) {
		return fmt.Errorf("the user has no live session %.32q: see `gatehouse session list`", sessionID)
	}
	if err != nil {
		return err
	}
	d.tell(s, map[string]string{"session": s.ID})
	return d.say("ended session %s", s.ID)
}

func (d *sessionDesk) revokeUser(ctx context.Context, name string) error {
	id, err := d.user(ctx, name)
	if err != nil {
		return err
	}
	ended, err := d.RevokeAll(ctx, id)
	if err != nil {
		return err
	}
	for _, s := range ended {
		d.tell(s, map[string]string{"session": s.ID})
	}
	return d.say("ended %d sessions", len(ended))
}

func (d *sessionDesk) say(format string, args ...any) error {
	_, err := fmt.Fprintf(d.app.Stdout, format+"\n", args...)
	return err
}

func newSessionEpoch(app *App, f *sessionFlags) *cobra.Command {
	return &cobra.Command{
		Use: "epoch", Short: "Tell when everything was last revoked", Args: cobra.NoArgs,
		RunE: f.with(app, func(ctx context.Context, d *sessionDesk, _ []string) error {
			at, err := d.Epoch(ctx)
			if err != nil {
				return err
			}
			if at.IsZero() {
				return d.say("never")
			}
			return d.say("%s", at.UTC().Format(time.RFC3339Nano))
		}),
	}
}
