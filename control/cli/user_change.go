package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/alert"
	"gatehouse/control/store"
)

// userCommand is a command on the one user that its argument names.
func userCommand(app *App, u *userFlags, use, short string, run func(ctx context.Context, s *store.Store, name string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	cmd.RunE = u.with(app, func(ctx context.Context, s *store.Store, args []string) error { return run(ctx, s, args[0]) })
	return cmd
}

func newUserDisable(app *App, u *userFlags) *cobra.Command {
	cmd := userCommand(app, u, "disable NAME", "Let a user sign in no longer, and end all their sessions", func(ctx context.Context, s *store.Store, name string) error {
		if err := u.sessions.check(app); err != nil {
			return err
		}
		if err := s.SetDisabled(ctx, name, true); err != nil {
			return err
		}
		if err := u.changed(ctx, s, name, "user_disabled", nil); err != nil {
			return err
		}
		// Twice: a sign-in that was under way may end in between.
		if err := errors.Join(u.sessions.end(ctx, app, s, name), u.sessions.end(ctx, app, s, name)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(app.Stdout, "disabled %s\n", name)
		return err
	})
	u.sessions.add(cmd)
	return cmd
}

func newUserEnable(app *App, u *userFlags) *cobra.Command {
	return userCommand(app, u, "enable NAME", "Let a user sign in again", func(ctx context.Context, s *store.Store, name string) error {
		if err := s.SetDisabled(ctx, name, false); err != nil {
			return err
		}
		if err := u.changed(ctx, s, name, "user_enabled", nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(app.Stdout, "enabled %s\n", name)
		return err
	})
}

func newUserDelete(app *App, u *userFlags) *cobra.Command {
	cmd := userCommand(app, u, "delete NAME", "Remove a user with all credentials, and end all their sessions", func(ctx context.Context, s *store.Store, name string) error {
		if err := u.sessions.check(app); err != nil {
			return err
		}
		user, err := s.UserByName(ctx, name)
		if err != nil {
			return err
		}
		// First disabled: nobody may sign in between the end of the sessions and that
		// of the user, and if Redis fails the command can be repeated.
		if err := s.SetDisabled(ctx, name, true); err != nil {
			return err
		}
		if err := u.sessions.endOf(ctx, app, user.ID); err != nil {
			return err
		}
		if _, err := s.DeleteUser(ctx, user.ID); err != nil {
			return err
		}
		if err := u.record.change(ctx, user, "user_deleted", nil); err != nil {
			return err
		}
		if err := u.sessions.endOf(ctx, app, user.ID); err != nil {
			return err
		}
		_, err = fmt.Fprintf(app.Stdout, "deleted %s; what other systems and the log hold of them is for `gatehouse subject`\n", name)
		return err
	})
	u.sessions.add(cmd)
	return cmd
}

func newUserSetRoles(app *App, u *userFlags) *cobra.Command {
	var roles []string
	cmd := userCommand(app, u, "set-roles NAME [--role ROLE]...", "Replace a user's roles, and end all their sessions; without --role they have none", func(ctx context.Context, s *store.Store, name string) error {
		if err := u.sessions.check(app); err != nil {
			return err
		}
		slices.Sort(roles)
		if err := checkRoles(roles); err != nil {
			return wrong("%w", err)
		}
		if err := s.SetRoles(ctx, name, slices.Compact(roles)); err != nil {
			return err
		}
		if err := u.changed(ctx, s, name, "roles_changed", map[string]string{"roles": strings.Join(roles, " ")}); err != nil {
			return err
		}
		// Sessions have the roles of their sign-in; twice, as one may be under way.
		if err := errors.Join(u.sessions.end(ctx, app, s, name), u.sessions.end(ctx, app, s, name)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(app.Stdout, "roles of %s: %s\n", name, strings.Join(roles, ", "))
		return err
	})
	cmd.Flags().StringSliceVar(&roles, "role", nil, "a role of the user; may be repeated")
	u.sessions.add(cmd)
	return cmd
}

// checkRoles refuses what no session can hold: the user would be without it, and
// a line in authz's log would be all that tells.
func checkRoles(roles []string) error {
	if _, left := session.Fitting(roles); left > 0 {
		return fmt.Errorf("%d of the roles fit into no session: write them without control characters, all together in at most %d bytes", left, session.MaxRights)
	}
	return nil
}

// newUserLink is for providers that make no users of their own: who is who is for
// an operator to say, and never for an e-mail address.
func newUserLink(app *App, u *userFlags) *cobra.Command {
	var issuer, subject string
	cmd := userCommand(app, u, "link NAME --issuer URL --subject SUB", "Let a user sign in as what an OpenID provider calls them", func(ctx context.Context, s *store.Store, name string) error {
		user, err := s.UserByName(ctx, name)
		if err != nil {
			return err
		}
		lookup := login.ProviderLookup(issuer, subject)
		switch c, err := s.Credential(ctx, login.KindOpenID, lookup); {
		case err == nil && c.UserID == user.ID:
			return nil
		case err == nil:
			return fmt.Errorf("that subject of %s is another user already: see `gatehouse user show`", issuer)
		case !errors.Is(err, login.ErrNoCredential):
			return err
		}
		if err := s.AddCredentials(ctx, login.Credential{
			ID: lookup, UserID: user.ID, Kind: login.KindOpenID, Lookup: lookup, Label: issuer[:min(len(issuer), login.MaxLabel)], Active: true,
		}); err != nil {
			return err
		}
		if err := u.record.change(ctx, user, "provider_linked", map[string]string{"issuer": issuer}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(app.Stdout, "%s signs in at %s\n", name, issuer)
		return err
	})
	cmd.Flags().StringVar(&issuer, "issuer", "", "the provider's address, as sign_in.providers has it")
	cmd.Flags().StringVar(&subject, "subject", "", "\"sub\" of its ID tokens for the user")
	for _, name := range []string{"issuer", "subject"} {
		_ = cmd.MarkFlagRequired(name) // it was defined just now
	}
	return cmd
}

func newUserUnlink(app *App, u *userFlags) *cobra.Command {
	cmd := userCommand(app, u, "unlink NAME", "Let a user sign in at no OpenID provider any more, and end all their sessions", func(ctx context.Context, s *store.Store, name string) error {
		if err := u.sessions.check(app); err != nil {
			return err
		}
		user, err := s.UserByName(ctx, name)
		if err != nil {
			return err
		}
		n, err := s.RemoveCredentials(ctx, user.ID, login.KindOpenID, "")
		if err == nil {
			err = errors.Join(u.record.change(ctx, user, "provider_removed", map[string]string{"links": strconv.FormatInt(n, 10)}),
				u.sessions.end(ctx, app, s, name), u.sessions.end(ctx, app, s, name))
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(app.Stdout, "%d links of %s are removed\n", n, name)
		return err
	})
	u.sessions.add(cmd)
	return cmd
}

func newUserSetEmail(app *App, u *userFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "set-email NAME ADDRESS", Short: "Say where mail reaches a user; an empty address forgets it", Args: cobra.ExactArgs(2)}
	cmd.RunE = u.with(app, func(ctx context.Context, s *store.Store, args []string) error {
		if err := checkEmail(args[1]); err != nil {
			return err
		}
		before, err := s.UserByName(ctx, args[0])
		if err != nil {
			return err
		}
		return u.setEmail(ctx, s, before, args[1])
	})
	return cmd
}

// setEmail tells the old address, too: the new one may be somebody else's.
func (u *userFlags) setEmail(ctx context.Context, s *store.Store, before login.User, address string) error {
	if err := s.SetEmail(ctx, before.Name, address); err != nil {
		return err
	}
	if before.Email == address {
		return nil
	}
	if err := u.record.change(ctx, before, "email_changed", nil); err != nil {
		return err
	}
	if before.Email != "" { // the first one is no change
		after := before
		after.Email = address
		u.record.tell(ctx, after, "email_changed")
	}
	return nil
}

// checkEmail takes a bare address, or none.
func checkEmail(text string) error {
	if text == "" {
		return nil
	}
	if a, err := alert.ParseMailAddress(text); err != nil || a.Address != text {
		return wrong("%.80q is no bare mail address: write name@example.com", text)
	}
	return nil
}

func newUserReset(app *App, u *userFlags) *cobra.Command {
	var origin string
	cmd := userCommand(app, u, "reset NAME", "Make a link, good once and for a day, with which a user chooses a new password; a second factor stays",
		func(ctx context.Context, s *store.Store, name string) error {
			user, err := s.UserByName(ctx, name)
			if err != nil {
				return err
			}
			if user.Disabled {
				return wrong("%s is disabled: enable them first", name)
			}
			return u.startReset(ctx, app, s, user, origin)
		})
	cmd.Flags().StringVar(&origin, "origin", "", "the site's origin, such as https://app.example.com, to print a whole link")
	return cmd
}

// startReset prints the link with which a user chooses a password.
func (u *userFlags) startReset(ctx context.Context, app *App, s *store.Store, user login.User, origin string) error {
	path, err := login.StartReset(ctx, s, user.ID, time.Now(), login.OperatorReset)
	if err != nil {
		return err
	}
	if err := u.record.change(ctx, user, "reset_started", nil); err != nil {
		return err
	}
	_, err = fmt.Fprintln(app.Stdout, strings.TrimSuffix(origin, "/")+path)
	return err
}

// userDetails is what show prints: nothing in it opens anything.
type userDetails struct {
	userRow
	Email        string          `json:"email,omitempty"`
	SecondFactor bool            `json:"second_factor"`
	Credentials  []credentialRow `json:"credentials"`
}

type credentialRow struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Label   string    `json:"label,omitempty"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
}

func newUserShow(app *App, u *userFlags) *cobra.Command {
	var format *output
	cmd := userCommand(app, u, "show NAME", "Show a user and what they sign in with", func(ctx context.Context, s *store.Store, name string) error {
		d, err := details(ctx, s, name)
		if err != nil {
			return err
		}
		if *format == outputJSON {
			return writeJSON(app.Stdout, d)
		}
		if err := printUsers(app.Stdout, []userRow{d.userRow}); err != nil {
			return err
		}
		w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\nKIND\tLABEL\tCREATED\tUSED\tEXPIRES\tID")
		for _, c := range d.Credentials {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Kind, c.Label, stamp(c.Created), stamp(c.Used), stamp(c.Expires), c.ID)
		}
		return w.Flush()
	})
	format = addOutputFlag(cmd)
	return cmd
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func details(ctx context.Context, s *store.Store, name string) (userDetails, error) {
	found, err := s.UserByName(ctx, name)
	if err != nil {
		return userDetails{}, err
	}
	u, err1 := s.UserByID(ctx, found.ID)
	list, err2 := s.Credentials(ctx, found.ID)
	if err := errors.Join(err1, err2); err != nil {
		return userDetails{}, err
	}
	d := userDetails{
		userRow: userRow{u.ID, u.Name, u.Disabled, u.Roles, u.Created, u.Updated},
		Email:   u.Email, SecondFactor: u.SecondFactor, Credentials: []credentialRow{},
	}
	for _, c := range list {
		if c.Active {
			d.Credentials = append(d.Credentials, credentialRow{c.ID, string(c.Kind), c.Label, c.Created, c.Used, c.Expires})
		}
	}
	return d, nil
}
