package posture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gatehouse/authz/secret"
)

// Target is the pack, and how its parts are reached. What is empty cannot be
// asked: the checks that need it are unknown.
type Target struct {
	HTTP, HTTPS    string // Envoy's listeners, without a path
	CAFile         string // trusted for HTTPS besides the system's
	Control, Authz string // URLs of their HTTP sides
	TokenFile      string // holds a token of control's API
	RedisURL       secret.Value
	RedisPassword  secret.Value
	Store          string // URL of the user store
	StorePassword  *secret.Live
	StateDir       string // of the whole pack; its secrets, logs and up.json
	Processes      map[string]int
	// Username and Password are those of somebody who may sign in.
	Username string
	Password secret.Value
	// Routes of the policy that show its features; found by whoever reads the
	// policy file.
	Routes Routes
	// Rooms of control that are asked within the process; nil if there is none.
	Events Events
	// EventWithin is how long an event may take from the request into the log;
	// 0 means 10 s.
	EventWithin time.Duration
	Verifier    Verifier
	Alerts      AlertRules
}

// Routes are one of each kind. One without a path is not there.
type Routes struct {
	Page      Route // a page that needs no session, with security headers
	Protected Route // needs a session
	Upload    Route // accepts PDF and no session
	ByIP      Route // limited by address, needs no session
	ByUser    Route // limited by user
	CORS      Route // speaks CORS, needs no session
}

// Route is where to send a request.
type Route struct {
	Host, Path string // Host is empty where any will do
}

// Known tells whether there is such a route.
func (r Route) Known() bool { return r.Path != "" }

// Events finds events in the audit log.
type Events interface {
	// OfRequest returns the types of the events of a request.
	OfRequest(ctx context.Context, requestID string) (types []string, err error)
	// Where names the log, for evidence.
	Where() string
}

// Verifier checks the audit log from outside, as `gatehouse audit verify` does.
type Verifier interface {
	// Verify returns what was checked. Its error names the first bad entry, or
	// has ErrNotChecked in its chain if the log could not be read.
	Verify(ctx context.Context) (summary string, err error)
}

// ErrNotChecked says that something could not be seen, rather than that it is
// wrong.
var ErrNotChecked = errors.New("not checked")

// AlertRules names the rules that are in force.
type AlertRules interface {
	Names(ctx context.Context) ([]string, error)
}

// upFile is what is read of up.json.
type upFile struct {
	Addresses   map[string]string `json:"addresses"`
	Credentials *struct {
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"credentials"`
	CAFile     string         `json:"ca_file"`
	ConfigFile string         `json:"config_file"`
	StateDir   string         `json:"state_dir"`
	TokenFile  string         `json:"token_file"`
	Processes  map[string]int `json:"processes"`
}

// ErrNotUp says that no `gatehouse up` runs on a state folder.
var ErrNotUp = errors.New("no pack is up")

// FromUp fills a Target from the up.json of a running `gatehouse up`, and
// returns the path of its policy file. The error is ErrNotUp if there is none.
func FromUp(stateDir string) (t Target, config string, err error) {
	path := filepath.Join(stateDir, "up.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, "", fmt.Errorf("%w on %s: start one, or name its parts by flags", ErrNotUp, stateDir)
	}
	if err != nil {
		return t, "", fmt.Errorf("read what runs: %w", err)
	}
	var up upFile
	if err := json.Unmarshal(text, &up); err != nil {
		return t, "", fmt.Errorf("%s is not what gatehouse up writes: %w", path, err)
	}
	t = Target{
		HTTP: up.Addresses["http"], HTTPS: up.Addresses["https"], CAFile: up.CAFile,
		Control: up.Addresses["control"], Authz: "http://" + up.Addresses["authz"], TokenFile: up.TokenFile,
		StateDir: up.StateDir, Processes: up.Processes, Store: "sqlite:" + filepath.Join(up.StateDir, "gatehouse.db"),
	}
	if up.Credentials != nil {
		t.Username, t.Password = up.Credentials.Username, secret.New([]byte(up.Credentials.Password))
	}
	return t, up.ConfigFile, t.placeRedis()
}

// placeRedis finds the pack's own Redis: its socket and password are in the
// state folder, where a pack without redis-server has no socket.
func (t *Target) placeRedis() error {
	password, err := secret.File{Name: "REDIS_PASSWORD", Path: filepath.Join(t.StateDir, "secrets", "redis_password")}.Read()
	if err != nil {
		return err
	}
	t.RedisPassword = password
	socket, err := socketOf(filepath.Join(t.StateDir, "redis", "redis.conf"))
	if err != nil || socket == "" {
		return err
	}
	t.RedisURL = secret.New([]byte("unix://" + socket))
	return nil
}
