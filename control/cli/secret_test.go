package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/secret/scan"
	"gatehouse/control/internal/redistest"
	"gatehouse/e2e/planted"
)

func place(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretScanPrintsWhereAndNotWhat(t *testing.T) {
	t.Parallel()
	secrets := planted.New(1)
	path := place(t, "app.log", "ordinary\n"+secrets[0].Text+"\n", 0o600)
	c := command{}
	if code := c.run(t.Context(), "secret", "scan", path); code != ExitWrong {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
	if want := path + ":2:aws-access-token\n"; c.stdout.String() != want {
		t.Errorf("printed %q, want %q", c.stdout.String(), want)
	}
	if !strings.Contains(c.stderr.String(), "1 secret found") || len(planted.In([]byte(c.stderr.String()), secrets)) > 0 {
		t.Errorf("said %q", c.stderr.String())
	}
}

func TestSecretScanOfOtherInput(t *testing.T) {
	t.Parallel()
	key := planted.New(1)[0].Text
	clean := place(t, "clean.txt", "ordinary\n", 0o600)
	for name, test := range map[string]struct {
		stdin string
		args  []string
		code  int
		out   string
	}{
		"a clean file":              {"", []string{clean}, ExitDone, ""},
		"a clean file as JSON":      {"", []string{clean, "-o", "json"}, ExitDone, "[]\n"},
		"a log on standard input":   {"a\nb " + key, []string{"-"}, ExitWrong, "-:2:aws-access-token\n"},
		"JSON of standard input":    {key, []string{"-", "-o", "json"}, ExitWrong, "\"rule\": \"aws-access-token\""},
		"several":                   {key, []string{clean, "-"}, ExitWrong, "-:1:aws-access-token\n"},
		"binary standard input":     {"\x00", []string{"-"}, ExitWrong, ""},
		"a file that is not there":  {"", []string{clean + "x"}, ExitWrong, ""},
		"nothing":                   {"", nil, ExitUsage, ""},
		"a report without Redis":    {"", []string{clean, "--report"}, ExitUsage, ""},
		"a password in an argument": {"", []string{clean, "--report", "--redis", "redis://:hunter2@r"}, ExitUsage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := command{stdin: strings.NewReader(test.stdin)}
			if code := c.run(t.Context(), append([]string{"secret", "scan"}, test.args...)...); code != test.code {
				t.Errorf("exit code %d: %s", code, c.stderr.String())
			}
			if out := c.stdout.String(); !strings.Contains(out, test.out) || (test.out == "" && out != "") {
				t.Errorf("printed %q", out)
			}
			if strings.Contains(c.stderr.String(), "hunter2") || strings.Contains(c.stderr.String(), key) {
				t.Errorf("it tells the secret: %s", c.stderr.String())
			}
		})
	}
}

func TestSecretScanReportsToTheStream(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	path := place(t, "app.log", "x\n"+planted.New(1)[0].Text+"\n", 0o600)
	c := command{}
	if code := c.run(t.Context(), "secret", "scan", "--report", "--redis", "unix://"+server.Socket(), path); code != ExitWrong {
		t.Fatalf("exit code %d: %s", code, c.stderr.String())
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: server.Socket()})
	defer func() { _ = client.Close() }()
	entries, err := client.XRange(t.Context(), event.StreamKey, "-", "+").Result()
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	var e event.Event
	if err := json.Unmarshal([]byte(fmt.Sprint(entries[0].Values[event.StreamField])), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != event.SecretDetected || e.Rule != "aws-access-token" || e.Detail["place"] != path+":2" {
		t.Errorf("%+v", e)
	}
	gone := command{}
	if code := gone.run(t.Context(), "secret", "scan", "--report", "--redis", "unix:///nowhere/redis.sock", place(t, "clean", "x", 0o600)); code != ExitDone {
		t.Errorf("nothing to report, yet exit code %d: %s", code, gone.stderr.String())
	}
}

func TestOurOwnTreeHasRulesThatHold(t *testing.T) {
	t.Parallel()
	if err := scan.Tree(t.Context(), "../../authz/secret", func(h scan.Hit) error { return fmt.Errorf("%+v", h) }); err != nil {
		t.Error(err)
	}
}

var goodKey = rand.Text()

func TestSecretCheckTellsHowEachIsKept(t *testing.T) {
	t.Parallel()
	good := place(t, "key", goodKey, 0o600)
	for name, test := range map[string]struct {
		env   map[string]string
		code  int
		state string // of the pseudonym key
		says  string
	}{
		"well kept":               {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": good}, ExitDone, "ok", ""},
		"not set":                 {nil, ExitWrong, "missing", "set GATEHOUSE_PSEUDONYM_KEY_FILE"},
		"not there":               {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": good + "x"}, ExitWrong, "bad", "no such file"},
		"open to all":             {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": place(t, "open", goodKey, 0o644)}, ExitWrong, "bad", "chmod 0600"},
		"short":                   {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": place(t, "short", "short", 0o600)}, ExitWrong, "bad", "give it at least 16"},
		"one byte":                {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": place(t, "same", strings.Repeat("a", 32), 0o600)}, ExitWrong, "bad", "again and again"},
		"in the environment":      {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": good, "REDIS_PASSWORD": goodKey}, ExitWrong, "ok", "unset REDIS_PASSWORD"},
		"a URL that is none":      {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": good, "REDIS_URL_FILE": place(t, "url", "redis/"+goodKey, 0o600)}, ExitWrong, "ok", "is no URL of Redis"},
		"a URL that is one":       {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": good, "REDIS_URL_FILE": place(t, "url", "redis://:"+goodKey+"@r:1", 0o600)}, ExitDone, "ok", ""},
		"another that is too bad": {map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": good, "GATEHOUSE_MASTER_KEY_FILE": place(t, "m", "short", 0o600)}, ExitWrong, "ok", "GATEHOUSE_MASTER_KEY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := command{env: test.env}
			if code := c.run(t.Context(), "secret", "check"); code != test.code {
				t.Errorf("exit code %d: %s", code, c.stderr.String())
			}
			if !strings.Contains(c.stderr.String(), test.says) || !strings.Contains(c.stdout.String(), "STATE") {
				t.Errorf("said %s%s", c.stdout.String(), c.stderr.String())
			}
			j := command{env: test.env}
			if code := j.run(t.Context(), "secret", "check", "-o", "json"); code != test.code {
				t.Errorf("as JSON, exit code %d", code)
			}
			var r secretReport
			if err := json.Unmarshal([]byte(j.stdout.String()), &r); err != nil || r.OK != (test.code == ExitDone) || r.Secrets[2].State != test.state {
				t.Errorf("%v: %s", err, j.stdout.String())
			}
			if out := c.stdout.String() + c.stderr.String() + j.stdout.String(); strings.Contains(out, goodKey) {
				t.Errorf("it tells the secret: %s", out)
			}
		})
	}
}

func TestSecretsOfOthersInTheEnvironmentAreWarnedOf(t *testing.T) {
	t.Parallel()
	secrets := planted.New(1)
	c := command{env: map[string]string{"GATEHOUSE_PSEUDONYM_KEY_FILE": place(t, "key", goodKey, 0o600)}}
	app := &App{
		Stdin: strings.NewReader(""), Stdout: &c.stdout, Stderr: &c.stderr, Env: func(name string) string { return c.env[name] },
		Environ: func() []string { return []string{"AWS_ACCESS_KEY_ID=" + secrets[0].Text} },
	}
	if code := app.Run(t.Context(), []string{"secret", "check"}); code != ExitDone {
		t.Errorf("exit code %d: %s", code, c.stderr.String())
	}
	app.Environ = func() []string {
		return []string{"AWS_ACCESS_KEY_ID=" + secrets[0].Text, "GATEHOUSE_API_TOKEN=" + secrets[0].Text}
	}
	if code := app.Run(t.Context(), []string{"serve", "authz", "--redis", "redis://r"}); code != ExitWrong {
		t.Errorf("serve: exit code %d: %s", code, c.stderr.String())
	}
	for _, want := range []string{"env -u AWS_ACCESS_KEY_ID", "set GATEHOUSE_API_TOKEN_FILE"} {
		if !strings.Contains(c.stderr.String(), want) {
			t.Errorf("%q is missing in %s", want, c.stderr.String())
		}
	}
	if came := planted.In([]byte(c.stdout.String()+c.stderr.String()), secrets); len(came) > 0 {
		t.Errorf("it tells %q", came)
	}
}

func TestAServiceThatPanicsSaysSoWithoutItsSecretsAndEndsWithTwo(t *testing.T) {
	t.Parallel()
	secrets := planted.New(planted.Kinds())
	for _, s := range secrets {
		c := command{}
		app := &App{Stderr: &c.stderr, Env: func(string) string { return "" }}
		log, err := app.logger("json", "info")
		if err != nil {
			t.Fatal(err)
		}
		err = log.contained("gatehouse serve", func() error { panic(fmt.Errorf("cannot go on: %s", s.Text)) })
		log.close()
		app.printError(&c.stderr, err)
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != ExitCrash {
			t.Errorf("%v", err)
		}
		if text := c.stderr.String(); len(planted.In([]byte(text), secrets)) > 0 || !strings.Contains(text, "secret_test.go") || !strings.Contains(text, "cannot go on") {
			t.Errorf("%s: %s", s.Kind, text)
		}
	}
}

func TestCheckRefusesSecretsInTheEnvironmentToo(t *testing.T) {
	t.Parallel()
	config := place(t, "gatehouse.yaml", goodPolicy, 0o600)
	for name, test := range map[string]struct {
		env  map[string]string
		code int
		says string
	}{
		"none":        {nil, ExitDone, ""},
		"one of ours": {map[string]string{"REDIS_PASSWORD": goodKey}, ExitWrong, "set REDIS_PASSWORD_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, format := range []string{"table", "json"} {
				c := command{env: test.env}
				code := c.run(t.Context(), "check", config, "-o", format)
				out := c.stdout.String() + c.stderr.String()
				if code != test.code || !strings.Contains(out, test.says) || strings.Contains(out, goodKey) {
					t.Errorf("%s: exit code %d: %s", format, code, out)
				}
			}
		})
	}
}
