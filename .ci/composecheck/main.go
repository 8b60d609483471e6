// Command composecheck reads a compose file with the library that docker compose
// itself reads it with, and then checks what the schema cannot know: that every
// service is locked down and that no secret is in its environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: composecheck FILE...")
		os.Exit(2)
	}
	if err := check(context.Background(), os.Args[1:]...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check lays the files over each other, as docker compose does.
func check(ctx context.Context, files ...string) error {
	file := strings.Join(files, " + ")
	options, err := cli.NewProjectOptions(files, cli.WithName("gatehouse"), cli.WithProfiles([]string{"*"}))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var errs []error
	for _, name := range project.ServiceNames() {
		for _, complaint := range complaints(project.Services[name]) {
			errs = append(errs, fmt.Errorf("%s: service %s: %s", file, name, complaint))
		}
	}
	for name, secret := range project.Secrets {
		if secret.File == "" && !bool(secret.External) {
			errs = append(errs, fmt.Errorf("%s: secret %s is neither a file nor external", file, name))
		}
	}
	if len(errs) == 0 {
		fmt.Printf("%s: %d services, all locked down\n", file, len(project.Services))
	}
	return errors.Join(errs...)
}

// complaints lists what a service leaves open.
func complaints(s types.ServiceConfig) []string {
	var out []string
	demand := func(holds bool, complaint string) {
		if !holds {
			out = append(out, complaint)
		}
	}
	demand(s.ReadOnly, "the root file system is writable (read_only: true)")
	demand(slices.Contains(s.CapDrop, "ALL"), "capabilities are kept (cap_drop: [ALL])")
	demand(len(s.CapAdd) == 0, "capabilities are added")
	demand(slices.Contains(s.SecurityOpt, "no-new-privileges:true"), "it may gain privileges (security_opt: [no-new-privileges:true])")
	demand(!s.Privileged, "it is privileged")
	demand(s.User != "" && s.User != "0" && s.User != "root" && !strings.HasPrefix(s.User, "0:"), "it runs as root (user:)")
	demand(s.HealthCheck != nil && !s.HealthCheck.Disable, "it has no health check")
	demand(s.Restart != "", "it is not restarted (restart:)")
	demand(s.MemLimit > 0, "its memory is unbounded (mem_limit:)")
	demand(s.PidsLimit > 0, "its processes are not counted (pids_limit:)")
	demand(pinned(s), "its image has no version")
	for name, value := range s.Environment {
		demand(value == nil || !looksSecret(name), "the variable "+name+" holds a secret: use "+name+"_FILE")
	}
	for _, volume := range s.Volumes {
		demand(!strings.Contains(volume.Source, "docker.sock"), "it holds the engine's socket")
	}
	return out
}

func pinned(s types.ServiceConfig) bool {
	if s.Build != nil {
		return true
	}
	name := s.Image[strings.LastIndex(s.Image, "/")+1:]
	_, tag, found := strings.Cut(name, ":")
	return found && tag != "latest"
}

func looksSecret(name string) bool {
	name = strings.ToUpper(name)
	if strings.HasSuffix(name, "_FILE") {
		return false
	}
	return slices.ContainsFunc([]string{"PASSWORD", "SECRET", "TOKEN", "_KEY"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}
