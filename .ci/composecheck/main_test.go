package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `
services:
  app:
    image: example/app:1.2
    user: "10:10"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 64m
    pids_limit: 16
    restart: always
    environment: {REDIS_PASSWORD_FILE: /run/secrets/redis}
    healthcheck: {test: [CMD, "true"]}
`

func TestComplaints(t *testing.T) {
	tests := []struct{ name, old, new, complaint string }{
		{"a locked-down service passes", "", "", ""},
		{"a writable root is found", "read_only: true", "read_only: false", "root file system is writable"},
		{"kept capabilities are found", "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "capabilities are kept"},
		{"added capabilities are found", "restart: always", "restart: always\n    cap_add: [NET_ADMIN]", "capabilities are added"},
		{"new privileges are found", `["no-new-privileges:true"]`, "[]", "may gain privileges"},
		{"root by number is found", `"10:10"`, `"0:0"`, "runs as root"},
		{"root by name is found", `"10:10"`, "root", "runs as root"},
		{"no user is found", `    user: "10:10"` + "\n", "", "runs as root"},
		{"a privileged service is found", "restart: always", "restart: always\n    privileged: true", "is privileged"},
		{"no health check is found", `{test: [CMD, "true"]}`, "{disable: true}", "no health check"},
		{"no restart is found", "    restart: always\n", "", "not restarted"},
		{"unbounded memory is found", "    mem_limit: 64m\n", "", "memory is unbounded"},
		{"unbounded processes are found", "    pids_limit: 16\n", "", "not counted"},
		{"the latest image is found", "app:1.2", "app:latest", "no version"},
		{"an image without tag is found", "app:1.2", "app", "no version"},
		{"a secret in the environment is found", "REDIS_PASSWORD_FILE: /run/secrets/redis", "REDIS_PASSWORD: x", "use REDIS_PASSWORD_FILE"},
		{"the engine's socket is found", "restart: always", "restart: always\n    volumes: ['/var/run/docker.sock:/s']", "engine's socket"},
		{"an unknown key is refused by the schema", "restart: always", "restrat: always", "restrat"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "docker-compose.yml")
			text := good
			if test.old != "" {
				text = strings.Replace(good, test.old, test.new, 1)
				if text == good {
					t.Fatal("the change changes nothing")
				}
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := check(t.Context(), file)
			switch {
			case test.complaint == "" && err != nil:
				t.Error(err)
			case test.complaint != "" && (err == nil || !strings.Contains(err.Error(), test.complaint)):
				t.Errorf("got %v", err)
			}
		})
	}
}
