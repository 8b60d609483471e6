package secret

import (
	"slices"
	"strings"
)

// Names are the secrets that Gatehouse reads, each from the file that
// NAME_FILE names.
func Names() []string {
	return []string{
		"REDIS_URL", "REDIS_PASSWORD", "GATEHOUSE_PSEUDONYM_KEY", "GATEHOUSE_ASSERTION_KEY", "GATEHOUSE_MASTER_KEY",
		"GATEHOUSE_AUDIT_KEY", "GATEHOUSE_STORE_PASSWORD", "GATEHOUSE_ADMIN_TOKEN",
	}
}

// ForeignError says that a variable which is not ours holds a secret. It may be
// meant for another program: a warning, not a refusal. It never holds the secret.
type ForeignError struct {
	Name string
	Rule string
}

// Error implements error.
func (e ForeignError) Error() string {
	return "the environment variable " + e.Name + " holds a secret (" + e.Rule + ") that every child process and crash report sees, " +
		"and that Gatehouse does not need: start Gatehouse without it (env -u " + e.Name + " gatehouse ...)"
}

// Environ looks through environ (such as os.Environ()) for secrets in plain
// variables. Refused are, as PlainErrors, the names that Gatehouse reads, and
// variables of ours (GATEHOUSE_...) that a name or a rule gives away: somebody
// believes that they are read. Warned of, as ForeignErrors, are others in which
// a rule finds a secret. f may be nil.
func Environ(environ []string, f Finder) (refused, warned []error) {
	ours := Names()
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || value == "" {
			continue
		}
		mine := strings.HasPrefix(name, "GATEHOUSE_")
		if slices.Contains(ours, name) || mine && secretKey(name) {
			refused = append(refused, PlainError{Name: name})
			continue
		}
		rule := ruleFor(f, name, value)
		switch {
		case rule == "":
		case mine:
			refused = append(refused, PlainError{Name: name})
		default:
			warned = append(warned, ForeignError{Name: name, Rule: rule})
		}
	}
	return refused, warned
}

// ruleFor is the rule that finds a secret in the variable, or "". A path is none,
// whatever the variable is called.
func ruleFor(f Finder, name, value string) string {
	if f == nil || strings.HasSuffix(name, FileSuffix) || !disordered(value) {
		return ""
	}
	found := f.Find(name + ` = "` + value + `"`)
	if len(found) == 0 {
		return ""
	}
	return found[0].Rule
}
