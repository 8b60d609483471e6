package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gatehouse/control/up"
)

// parsed is the up command after its flags and variables were read, but not run.
func parsed(t *testing.T, env map[string]string, args ...string) (*cobra.Command, error) {
	t.Helper()
	app := &App{Stdout: io.Discard, Stderr: io.Discard, Env: func(name string) string { return env[name] }}
	cmd := newUpCommand(app)
	if err := cmd.ParseFlags(args); err != nil {
		return cmd, err
	}
	return cmd, fromEnvironment(cmd.Flags(), app.Env)
}

func flagValue(t *testing.T, cmd *cobra.Command, name string) string {
	t.Helper()
	return cmd.Flags().Lookup(name).Value.String()
}

func TestAVariableSetsAFlagThatWasNotGiven(t *testing.T) {
	env := map[string]string{"GATEHOUSE_HTTP_PORT": "1234", "GATEHOUSE_STATE_DIR": "/from/env", "GATEHOUSE_REDIS_SERVER": "embedded"}
	cmd, err := parsed(t, env, "--state-dir", "/from/flag")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"http-port": "1234", "state-dir": "/from/flag", "redis-server": "embedded", "xds-port": "9002"} {
		if got := flagValue(t, cmd, name); got != want {
			t.Errorf("--%s is %s, want %s", name, got, want)
		}
	}
	if _, err := parsed(t, map[string]string{"GATEHOUSE_PORT_BASE": "many"}); err == nil || !strings.Contains(err.Error(), "GATEHOUSE_PORT_BASE") {
		t.Errorf("got %v", err)
	}
}

func TestChoosePorts(t *testing.T) {
	tests := []struct {
		name   string
		config string
		base   int
		args   []string
		want   up.Ports
		fails  bool
	}{
		{name: "nothing said is the usual ones", want: up.DefaultPorts()},
		{
			name: "a base moves all of them", base: 100, args: []string{"--port-base=100"},
			want: up.Ports{HTTP: 100, HTTPS: 101, Admin: 102, Authz: 103, XDS: 104, Control: 105, Metrics: 106, Demo: 107},
		},
		{
			name: "a policy of one's own says where Envoy listens", config: "mine.yaml",
			want: up.Ports{Admin: 9901, Authz: 9001, XDS: 9002, Control: 8081, Metrics: 9090, Demo: 9000},
		},
		{
			name: "a base is stronger than a policy of one's own", config: "mine.yaml", base: 100, args: []string{"--port-base=100"},
			want: up.Ports{HTTP: 100, HTTPS: 101, Admin: 102, Authz: 103, XDS: 104, Control: 105, Metrics: 106, Demo: 107},
		},
		{name: "a base too high is refused", base: 65529, args: []string{"--port-base=65529"}, fails: true},
		{name: "a base of zero is refused", args: []string{"--port-base=0"}, fails: true},
		{name: "a port of zero is refused", args: []string{"--demo-port=0"}, fails: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := newUpCommand(&App{Env: func(string) string { return "" }})
			options := up.Options{Config: test.config, Ports: up.DefaultPorts()}
			if strings.HasPrefix(strings.Join(test.args, ""), "--demo-port") {
				options.Ports.Demo = 0
			}
			if err := cmd.ParseFlags(test.args); err != nil {
				t.Fatal(err)
			}
			err := choosePorts(cmd, &options, test.base)
			if test.fails {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if err != nil || options.Ports != test.want {
				t.Errorf("got %+v %v", options.Ports, err)
			}
		})
	}
}

func TestUpUsedWronglyIsExitCodeTwo(t *testing.T) {
	for _, args := range [][]string{{"up", "--port-base", "x"}, {"up", "--port-base", "70000"}, {"up", "extra"}, {"up", "--output", "xml"}} {
		var stderr bytes.Buffer
		app := &App{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr, Env: func(string) string { return "" }}
		if code := app.Run(t.Context(), args); code != ExitUsage {
			t.Errorf("%v: exit code %d: %s", args, code, &stderr)
		}
	}
}
