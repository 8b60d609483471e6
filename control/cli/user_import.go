package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/authz/login"
	"gatehouse/control/store"
)

const (
	// maxImport bounds a file of users in bytes.
	maxImport = 64 << 20
	// maxImported bounds how many users one file may have.
	maxImported = 100_000
	// hashExtension is our schema extension of SCIM's user (RFC 7643 section 3.3).
	hashExtension = "urn:gatehouse:params:scim:schemas:extension:1.0:User"
)

// scimUser is what is read of a User resource (RFC 7643 section 4.1). Other
// attributes are passed over, as the RFC has it: there is no place for them here.
type scimUser struct {
	UserName string      `json:"userName"`
	Active   *bool       `json:"active"`
	Emails   []scimValue `json:"emails"`
	Roles    []scimValue `json:"roles"`
	Password string      `json:"password"`
	Hash     struct {
		PasswordHash string `json:"passwordHash"`
	} `json:"urn:gatehouse:params:scim:schemas:extension:1.0:User"`
}

// scimValue is a multi-valued attribute's entry; some write a bare text.
type scimValue struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *scimValue) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &v.Value)
	}
	type plain scimValue
	return json.Unmarshal(text, (*plain)(v))
}

func (u scimUser) email() string {
	for _, e := range u.Emails {
		if e.Primary {
			return e.Value
		}
	}
	if len(u.Emails) > 0 {
		return u.Emails[0].Value
	}
	return ""
}

func (u scimUser) roles() []string {
	roles := []string{}
	for _, r := range u.Roles {
		roles = append(roles, r.Value)
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func (u scimUser) disabled() bool { return u.Active != nil && !*u.Active }

func newUserImport(app *App, u *userFlags) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "import FILE.json",
		Short: "Add or change users as a file says, in the form of SCIM (RFC 7643): a list response, a list, or one user; - reads standard input",
		Long: "Users are found by userName. Of those who are there already active, emails and roles are changed, and never the password;\n" +
			"the sessions of who is disabled or gets other roles end.\n" +
			"New ones sign in with the password hash that " + hashExtension + " has as passwordHash (argon2id, PHC),\n" +
			"else with `gatehouse user reset`. Nothing is changed if anything in the file is wrong.",
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "look at the file and say what would be done")
	u.sessions.add(cmd)
	cmd.RunE = u.with(app, func(ctx context.Context, s *store.Store, args []string) error {
		users, err := readImport(app, args[0])
		if err != nil {
			return err
		}
		ends, err := endsSessions(ctx, s, users)
		if err == nil && ends && !dry {
			err = u.sessions.check(app)
		}
		if err != nil {
			return err
		}
		return u.importAll(ctx, app, s, users, dry)
	})
	return cmd
}

// endsSessions says whether the import ends sessions: of who is disabled, or has
// other roles than before.
func endsSessions(ctx context.Context, s *store.Store, users []scimUser) (bool, error) {
	for _, one := range users {
		if one.disabled() {
			return true, nil
		}
		found, err := s.UserByName(ctx, one.UserName)
		switch {
		case errors.Is(err, login.ErrNoUser):
		case err != nil:
			return false, err
		case one.otherRoles(found):
			return true, nil
		}
	}
	return false, nil
}

func (u scimUser) otherRoles(found login.User) bool {
	return u.Roles != nil && !slices.Equal(found.Roles, u.roles())
}

func readImport(app *App, path string) (users []scimUser, err error) {
	in := app.Stdin
	if path != "-" {
		file, err := os.Open(path) // #nosec G304 -- the argument of who runs the command
		if err != nil {
			return nil, fmt.Errorf("open the users: %w", err)
		}
		defer func() { _ = file.Close() }() // only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return nil, fmt.Errorf("read the users: %w", err)
	}
	if len(text) > maxImport {
		return nil, wrong("%s is larger than %d bytes: split it", path, maxImport)
	}
	if users, err = parseImport(text); err != nil {
		return nil, wrong("%s: %w", path, err)
	}
	return users, checkImport(users)
}

func parseImport(text []byte) ([]scimUser, error) {
	var list []scimUser
	if err := json.Unmarshal(text, &list); err == nil {
		return list, nil
	}
	var response struct {
		Total     int        `json:"totalResults"`
		Resources []scimUser `json:"Resources"`
		scimUser
	}
	if err := json.Unmarshal(text, &response); err != nil {
		return nil, fmt.Errorf("is no SCIM: %w", err)
	}
	if response.Resources == nil && response.UserName != "" {
		return []scimUser{response.scimUser}, nil
	}
	if response.Total > len(response.Resources) { // RFC 7644 section 3.4.2.4
		return nil, fmt.Errorf("has %d of %d users, one page of several: put all into one list", len(response.Resources), response.Total)
	}
	return response.Resources, nil
}

// checkImport finds everything that is wrong.
func checkImport(users []scimUser) error {
	var errs []error
	if len(users) == 0 || len(users) > maxImported {
		return wrong("the file has %d users: it may have 1 to %d", len(users), maxImported)
	}
	seen := map[string]bool{}
	for i, u := range users {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("user %d (%.40q): "+format, append([]any{i + 1, u.UserName}, args...)...))
		}
		name, ok := login.NormalizeName(u.UserName)
		switch key := login.NameKey(name); {
		case !ok:
			fail("has no userName that can be a name")
		case seen[key]:
			fail("comes twice")
		default:
			seen[key], users[i].UserName = true, name
		}
		if u.Password != "" {
			fail("has a password in clear: give its hash as passwordHash of %s, or none", hashExtension)
		}
		if u.Hash.PasswordHash != "" {
			if err := login.CheckHash(u.Hash.PasswordHash); err != nil {
				fail("%w", err)
			}
		}
		if err := checkEmail(u.email()); err != nil {
			fail("%w", err)
		}
		if slices.Contains(u.roles(), "") {
			fail("has an empty role")
		} else if err := checkRoles(u.roles()); err != nil {
			fail("%w", err)
		}
	}
	if len(errs) > 0 {
		return wrong("%w", errors.Join(errs...))
	}
	return nil
}

// importAll may be cut off anywhere and done again.
func (u *userFlags) importAll(ctx context.Context, app *App, s *store.Store, users []scimUser, dry bool) error {
	var added, changed, disabled int
	for _, one := range users {
		found, err := s.UserByName(ctx, one.UserName)
		isNew := errors.Is(err, login.ErrNoUser)
		if err != nil && !isNew {
			return err
		}
		if isNew {
			added++
		} else {
			changed++
		}
		if one.disabled() && !found.Disabled {
			disabled++
		}
		if dry {
			continue
		}
		if err := u.importOne(ctx, app, s, one, isNew); err != nil {
			return fmt.Errorf("user %q: %w", one.UserName, err)
		}
	}
	done := "added %d, changed %d, of them disabled %d\n"
	if dry {
		done = "would add %d, change %d, of them disable %d\n"
	}
	_, err := fmt.Fprintf(app.Stdout, done, added, changed, disabled)
	return err
}

func (u *userFlags) importOne(ctx context.Context, app *App, s *store.Store, one scimUser, isNew bool) error {
	user, err := u.importUser(ctx, s, one, isNew)
	if err != nil {
		return err
	}
	if one.Emails != nil {
		if err := u.setEmail(ctx, s, user, one.email()); err != nil {
			return err
		}
	}
	if one.Active != nil && one.disabled() != user.Disabled {
		if err := s.SetDisabled(ctx, one.UserName, one.disabled()); err != nil {
			return err
		}
		rule := map[bool]string{false: "user_enabled", true: "user_disabled"}[one.disabled()]
		if err := u.record.change(ctx, user, rule, nil); err != nil {
			return err
		}
	}
	if one.disabled() || !isNew && one.otherRoles(user) {
		// Also of who was disabled already: the import before may have been cut off here.
		return u.sessions.endOf(ctx, app, user.ID)
	}
	return nil
}

// importUser adds a user, or gives one that is there the file's roles. The user is
// returned as they were.
func (u *userFlags) importUser(ctx context.Context, s *store.Store, one scimUser, isNew bool) (login.User, error) {
	roles := map[string]string{"roles": strings.Join(one.roles(), " ")}
	if isNew {
		hash := one.Hash.PasswordHash
		if hash == "" {
			hash = login.NoPassword()
		}
		added, err := s.AddUser(ctx, one.UserName, hash, one.roles())
		if err != nil {
			return login.User{}, err
		}
		return added.User, u.record.change(ctx, added.User, "user_added", roles)
	}
	user, err := s.UserByName(ctx, one.UserName)
	if err != nil || !one.otherRoles(user) {
		return user, err
	}
	if err := s.SetRoles(ctx, one.UserName, one.roles()); err != nil {
		return user, err
	}
	return user, u.record.change(ctx, user, "roles_changed", roles)
}
