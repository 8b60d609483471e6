package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit"
	"gatehouse/control/posture"
)

// postureFlags are those of posture. What is empty comes from up.json.
type postureFlags struct {
	stateDir, config               string
	envoy, envoyTLS, caFile        string
	control, authz, store          string
	tokenFile, auditKey            string
	username, passwordFile         string
	page, protected, upload, limit string
	strict, verbose                bool
	within                         time.Duration
	redis                          commonFlags
}

func newPostureCommand(app *App) *cobra.Command {
	var f postureFlags
	cmd := &cobra.Command{
		Use:   "posture",
		Short: "Ask a running pack whether it keeps the audit's checklists",
		Long: "Makes the audit's checklists as checks against a running pack, each with what was asked, what came and\n" +
			"where. What cannot be seen from here is unknown, and counts as neither passed nor failed. Without flags\n" +
			"the pack is that of `gatehouse up`. The exit code is 1 if a check fails.",
		Example: "  gatehouse posture\n  gatehouse posture --output json\n" +
			"  gatehouse posture --envoy http://edge:8080 --control http://control:8081 --config gatehouse.yaml",
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.stateDir, "state-dir", defaultState, "folder of the whole pack, with up.json, secrets and logs (GATEHOUSE_STATE_DIR)")
	flags.StringVarP(&f.config, "config", "c", "", "policy file, in which routes to ask are found")
	flags.StringVar(&f.envoy, "envoy", "", "URL of Envoy's plain listener")
	flags.StringVar(&f.envoyTLS, "envoy-tls", "", "URL of Envoy's TLS listener")
	flags.StringVar(&f.caFile, "ca-file", "", "certificate authority to trust besides the system's")
	flags.StringVar(&f.control, "control", "", "URL of control")
	flags.StringVar(&f.authz, "authz", "", "URL of authz' HTTP side")
	addStoreFlag(flags, &f.store, "", "the users")
	flags.StringVar(&f.redis.redis, "redis", "", "redis://HOST:PORT/DB or unix:///PATH, without a password (REDIS_PASSWORD_FILE)")
	flags.StringVar(&f.redis.redisURLFile, "redis-url-file", "", "file that holds the URL of Redis")
	flags.StringVar(&f.tokenFile, "token-file", "", "file with a token of control's API")
	flags.StringVar(&f.auditKey, "audit-key", "", "file of the audit log's public key")
	flags.StringVar(&f.username, "username", "", "somebody who may sign in")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with their password")
	flags.StringVar(&f.page, "page", "", "path of a page that needs no session")
	flags.StringVar(&f.protected, "protected", "", "path that requires a session")
	flags.StringVar(&f.upload, "upload", "", "path that takes uploads of PDF without a session")
	flags.StringVar(&f.limit, "limited", "", "path that is limited by address and needs no session")
	flags.BoolVar(&f.strict, "strict", false, "exit with 1 also if something is unknown")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "print all evidence")
	flags.DurationVar(&f.within, "timeout", 2*time.Minute, "how long all of it may take")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(cmd.Flags(), app.Env); err != nil {
			return misuse("%w", err)
		}
		return app.posture(cmd.Context(), &f, *format)
	}
	return cmd
}

func (app *App) posture(ctx context.Context, f *postureFlags, format output) error {
	target, err := app.postureTarget(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.within)
	defer cancel()
	report, err := posture.Run(ctx, target, time.Now)
	if err != nil {
		return wrong("%w", err)
	}
	if err := app.printPosture(report, format, f.verbose); err != nil {
		return err
	}
	if report.Failed() || f.strict && report.Counts[posture.Unknown] > 0 {
		return &ExitError{Code: ExitWrong}
	}
	return nil
}

// postureTarget takes what runs from up.json, and what the flags say instead.
func (app *App) postureTarget(f *postureFlags) (posture.Target, error) {
	target, config, err := posture.FromUp(f.stateDir)
	if errors.Is(err, posture.ErrNotUp) && (f.envoy != "" || f.envoyTLS != "") {
		target, err = posture.Target{}, nil
		if f.stateDir != defaultState {
			target.StateDir = f.stateDir
		}
	}
	if err != nil {
		return target, wrong("%w", err)
	}
	for into, value := range map[*string]string{
		&target.HTTP: f.envoy, &target.HTTPS: f.envoyTLS, &target.CAFile: f.caFile, &target.Control: f.control,
		&target.Authz: f.authz, &target.Store: f.store, &target.TokenFile: f.tokenFile, &target.Username: f.username, &config: f.config,
	} {
		if value != "" {
			*into = value
		}
	}
	for _, url := range []*string{&target.HTTP, &target.HTTPS, &target.Control, &target.Authz} {
		*url = strings.TrimSuffix(*url, "/")
	}
	if err := app.postureSecrets(f, &target); err != nil {
		return target, err
	}
	if err := f.routes(&target, config); err != nil {
		return target, err
	}
	if target.StateDir != "" {
		target.Events = auditEvents{auditDir(target.StateDir)}
		if target.Verifier, err = newAuditVerifier(target.StateDir, f.auditKey); err != nil {
			return target, wrong("%w", err)
		}
	}
	return target, nil
}

func (app *App) postureSecrets(f *postureFlags, target *posture.Target) error {
	kept, err := app.storeOptions(target.Store, nil)
	if err != nil {
		return err
	}
	target.StorePassword = kept.LivePassword
	if f.passwordFile != "" {
		v, err := secret.File{Name: "--password-file", Path: f.passwordFile}.Read()
		if err != nil {
			return wrong("%w", err)
		}
		target.Password = v
	}
	url, err := app.redisURL(&f.redis, slog.New(slog.DiscardHandler)) // read once: nothing is followed
	if err != nil || url == nil {
		return err
	}
	target.RedisURL = url.Value()
	target.RedisPassword, err = secret.Load(app.Env, "REDIS_PASSWORD")
	if err != nil && !errors.Is(err, secret.ErrNotSet) {
		return wrong("%w", err)
	}
	return nil
}

// auditEvents finds events in the log of a folder.
type auditEvents struct{ dir string }

// maxOfRequest bounds the events of one request that are looked at.
const maxOfRequest = 20

func (a auditEvents) Where() string { return a.dir }

func (a auditEvents) OfRequest(ctx context.Context, requestID string) ([]string, error) {
	found, err := audit.Last(ctx, a.dir, maxOfRequest, func(e event.Event) bool { return e.RequestID == requestID })
	types := make([]string, len(found))
	for i, e := range found {
		types[i] = string(e.Type)
	}
	return types, err
}

func (app *App) printPosture(r posture.Report, format output, verbose bool) error {
	if format == outputJSON {
		return writeJSON(app.Stdout, r)
	}
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	section := ""
	for _, result := range r.Results {
		if result.Section != section {
			section = result.Section
			fmt.Fprintf(w, "\n%s\n", strings.ToUpper(section))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", result.ID, said(result.Status), result.Title)
		for _, reason := range result.Reasons {
			fmt.Fprintf(w, "\t\t  %s\n", printable(reason))
		}
		if verbose || result.Status == posture.Fail {
			for _, e := range result.Evidence {
				fmt.Fprintf(w, "\t\t  %s -> %s (%s)\n", printable(e.Asked), printable(e.Came), printable(e.Where))
			}
		}
	}
	list := ""
	for _, l := range r.Lines {
		if l.Checklist != list {
			list = l.Checklist
			fmt.Fprintf(w, "\nCHECKLIST: %s\n", list)
		}
		by := strings.Join(l.Checks, " ")
		if l.Elsewhere != "" {
			by = "not by this command: " + l.Elsewhere
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", said(l.Status), l.Text, by)
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d unknown, %d not applicable\n",
		r.Counts[posture.Pass], r.Counts[posture.Fail], r.Counts[posture.Unknown], r.Counts[posture.NotApplicable])
	return w.Flush()
}

func said(s posture.Status) string {
	return map[posture.Status]string{posture.Pass: "pass", posture.Fail: "FAIL", posture.Unknown: "unknown", posture.NotApplicable: "n/a"}[s]
}
