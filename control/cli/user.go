package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"gatehouse/authz/login"
	passwords "gatehouse/authz/login/password"
	"gatehouse/control/store"
)

const (
	// minPassword and maxPassword are in characters: ASVS 5.0 6.2.1 asks for 8
	// at least and recommends 15; nothing below 64 may be refused (6.2.9).
	minPassword = 8
	maxPassword = 1024
	// generatedBytes of randomness are in a generated password.
	generatedBytes = 18
)

func newUserCommand(app *App) *cobra.Command {
	var u userFlags
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, list and change the users who can sign in",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	addStoreFlag(cmd.PersistentFlags(), &u.store, defaultStore(), "the users")
	u.mail.add(cmd.PersistentFlags())
	cmd.AddCommand(newUserAdd(app, &u), newUserList(app, &u), newUserShow(app, &u), newUserPassword(app, &u), newUserReset(app, &u),
		newUserDisable(app, &u), newUserEnable(app, &u), newUserSetRoles(app, &u), newUserLink(app, &u), newUserUnlink(app, &u), newUserSetEmail(app, &u), newUserDelete(app, &u),
		newUserImport(app, &u))
	return cmd
}

type userFlags struct {
	store           string
	stdin, generate bool
	sessions        endSessionFlags
	mail            mailFlags
	record          *userRecord // of the command that runs
}

// with opens the store, and what records changes, for as long as run takes.
func (u *userFlags) with(app *App, run func(context.Context, *store.Store, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		log, err := app.logger("text", "warn")
		if err != nil {
			return err
		}
		defer log.close()
		return asWrong(app.withStore(cmd.Context(), u.store, func(s *store.Store) error {
			if u.record, err = u.newRecord(app, s, log); err != nil {
				return err
			}
			u.sessions.record = u.record
			return run(cmd.Context(), s, args)
		}))
	}
}

func (u *userFlags) addPassword(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&u.stdin, "password-stdin", false, "read the password from the first line of standard input")
	cmd.Flags().BoolVar(&u.generate, "generate", false, "make a random password and print it, once")
}

func newUserAdd(app *App, u *userFlags) *cobra.Command {
	var roles []string
	var invite bool
	var origin string
	cmd := &cobra.Command{
		Use:   "add NAME (--invite | --password-stdin | --generate)",
		Short: "Add a user; people are invited, and choose their password themselves",
		Args:  cobra.ExactArgs(1),
	}
	u.addPassword(cmd)
	cmd.Flags().BoolVar(&invite, "invite", false, "print a link, good once and for a day, with which the user chooses a password; none that somebody else knows is ever set")
	cmd.Flags().StringVar(&origin, "origin", "", "with --invite: the site's origin, such as https://app.example.com, to print a whole link")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "a role of the user; may be repeated")
	cmd.RunE = u.with(app, func(ctx context.Context, s *store.Store, args []string) error {
		if err := checkRoles(roles); err != nil {
			return wrong("%w", err)
		}
		var added login.User
		add := func(hash string) (err error) {
			added, err = u.add(ctx, s, args[0], hash, roles)
			return err
		}
		switch {
		case !invite:
			return u.setting(app, args[0], add)
		case u.stdin || u.generate:
			return misuse("--invite goes without a password: the user chooses it")
		}
		if err := add(login.NoPassword()); err != nil {
			return err
		}
		return u.startReset(ctx, app, s, added, origin)
	})
	return cmd
}

func (u *userFlags) add(ctx context.Context, s *store.Store, name, hash string, roles []string) (login.User, error) {
	added, err := s.AddUser(ctx, name, hash, roles)
	if errors.Is(err, store.ErrUserExists) {
		return login.User{}, fmt.Errorf("%w: to change the password, use `gatehouse user password`", err)
	}
	if err != nil {
		return login.User{}, err
	}
	return added.User, u.record.change(ctx, added.User, "user_added", map[string]string{"roles": strings.Join(roles, " ")})
}

func newUserPassword(app *App, u *userFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password NAME (--password-stdin | --generate)",
		Short: "Give a user another password, as for the first of all; for people, use reset, and they choose it themselves",
		Args:  cobra.ExactArgs(1),
	}
	u.addPassword(cmd)
	u.sessions.add(cmd)
	cmd.RunE = u.with(app, func(ctx context.Context, s *store.Store, args []string) error {
		if err := u.sessions.check(app); err != nil {
			return err
		}
		return u.setting(app, args[0], func(hash string) error {
			if err := s.SetPassword(ctx, args[0], hash); err != nil {
				return err
			}
			return errors.Join(u.changed(ctx, s, args[0], "password_set", nil), u.sessions.end(ctx, app, s, args[0]))
		})
	})
	return cmd
}

// changed records a change of the user of that name.
func (u *userFlags) changed(ctx context.Context, s *store.Store, name, rule string, detail map[string]string) error {
	user, err := s.UserByName(ctx, name)
	if err != nil {
		return err
	}
	return u.record.change(ctx, user, rule, detail)
}

// setting gets a password, hands its hash on, and prints it if it was made here.
func (u *userFlags) setting(app *App, name string, set func(hash string) error) error {
	password, err := u.password(app.Stdin)
	if err != nil {
		return err
	}
	hash, err := login.HashPassword(password)
	if err != nil {
		return fmt.Errorf("hash the password: %w", err)
	}
	if err := set(hash); err != nil {
		return err
	}
	if u.generate {
		_, err = fmt.Fprintln(app.Stdout, password)
	} else {
		_, err = fmt.Fprintf(app.Stdout, "set the password of %s\n", name)
	}
	return err
}

// password never comes from an argument: every user of the machine sees those.
func (u *userFlags) password(stdin io.Reader) (string, error) {
	switch {
	case u.stdin == u.generate:
		return "", misuse("say where the password comes from: --password-stdin or --generate; a new user can be added with --invite")
	case u.generate:
		random := make([]byte, generatedBytes)
		_, _ = rand.Read(random) // never fails: it ends the process instead
		return base64.RawURLEncoding.EncodeToString(random), nil
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 4*maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return checkPassword(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
}

func checkPassword(password string) (string, error) {
	n := utf8.RuneCountInString(password)
	if !utf8.ValidString(password) || n < minPassword || n > maxPassword {
		return "", wrong("the password has %d characters: choose %d to %d, better 15 or more", n, minPassword, maxPassword)
	}
	// Those that are tried first; the policy's own list and words are for the pages.
	if normal, ok := passwords.Normalize(password); ok {
		if err := (passwords.Rules{}).Check(context.Background(), normal, ""); errors.Is(err, passwords.ErrCompromised) {
			return "", wrong("%w: choose another", err)
		}
	}
	return password, nil
}

// userRow is a user as it is printed: never with the hash.
type userRow struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Disabled bool      `json:"disabled"`
	Roles    []string  `json:"roles"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`
}

func newUserList(app *App, u *userFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the users", Args: cobra.NoArgs}
	format := addOutputFlag(cmd)
	cmd.RunE = u.with(app, func(ctx context.Context, s *store.Store, _ []string) error {
		users, err := s.Users(ctx)
		if err != nil {
			return err
		}
		rows := make([]userRow, 0, len(users))
		for _, user := range users {
			rows = append(rows, userRow{user.ID, user.Name, user.Disabled, user.Roles, user.Created, user.Updated})
		}
		if *format == outputJSON {
			return writeJSON(app.Stdout, rows)
		}
		return printUsers(app.Stdout, rows)
	})
	return cmd
}

func printUsers(out io.Writer, rows []userRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tROLES\tCREATED\tID")
	for _, r := range rows {
		state := "enabled"
		if r.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, state, strings.Join(r.Roles, ","), r.Created.Format(time.RFC3339), r.ID)
	}
	return w.Flush()
}
