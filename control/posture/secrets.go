package posture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gatehouse/authz/secret"
)

const (
	// maxLogs bounds how much of the logs is read, in bytes.
	maxLogs = 256 << 20
	// leastSecret is the length in bytes from which a text is looked for: a
	// shorter one would be found by chance.
	leastSecret = 8
)

// secretFiles judges the folder's files as the services do when they read them.
func secretFiles(_ context.Context, p *probe, t *trial) {
	paths := p.secretPaths()
	if len(paths) == 0 {
		t.unknown("no secret's file is known: pass --state-dir")
		return
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.unknown("%v", err)
			continue
		}
		t.saw("mode of "+filepath.Base(path), info.Mode().String(), path)
		if _, err := (secret.File{Name: filepath.Base(path), Path: path}).Read(); err != nil {
			t.fail("%v", err)
		}
	}
	if p.target.StateDir == "" {
		return
	}
	if info, err := os.Stat(p.target.StateDir); err == nil {
		t.saw("mode of the state folder", info.Mode().String(), p.target.StateDir)
		t.want(info.Mode().Perm()&0o077 == 0, "others may look into %s: chmod 0700 it", p.target.StateDir)
	}
}

// secretPaths are the files of the state folder, and those that a process is
// told of.
func (p *probe) secretPaths() []string {
	found := map[string]bool{}
	if p.target.StateDir != "" {
		entries, _ := os.ReadDir(filepath.Join(p.target.StateDir, "secrets")) // none, then
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasSuffix(e.Name(), ".pub") {
				found[filepath.Join(p.target.StateDir, "secrets", e.Name())] = true
			}
		}
		for _, path := range []string{filepath.Join(p.target.StateDir, "tls", "key.pem"), filepath.Join(p.target.StateDir, "up.json")} {
			if _, err := os.Stat(path); err == nil {
				found[path] = true
			}
		}
	}
	for _, proc := range p.processes() {
		for name, value := range proc.environment {
			if secretName.MatchString(strings.TrimSuffix(name, secret.FileSuffix)) && strings.HasSuffix(name, secret.FileSuffix) {
				found[value] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// process is one of the pack's, as /proc shows it.
type process struct {
	name        string
	pid         int
	environment map[string]string
	arguments   string
	err         error // why it cannot be seen
}

func (p *probe) processes() []process {
	var all []process
	for _, name := range slices.Sorted(maps.Keys(p.target.Processes)) {
		pid := p.target.Processes[name]
		proc := process{name: name, pid: pid, environment: map[string]string{}}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		arguments, argErr := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		proc.err = errors.Join(err, argErr)
		for _, entry := range strings.Split(string(environ), "\x00") {
			if name, value, ok := strings.Cut(entry, "="); ok {
				proc.environment[name] = value
			}
		}
		proc.arguments = string(arguments)
		all = append(all, proc)
	}
	return all
}

// secretName is how variables are called that hold secrets.
var secretName = regexp.MustCompile(`(?i)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|PSEUDONYM_KEY|ASSERTION_KEY|MASTER_KEY|AUDIT_KEY|CREDENTIALS?|REDIS_URL|DATABASE_URL)$`)

func plainEnvironment(_ context.Context, p *probe, t *trial) {
	for _, proc := range p.seen(t) {
		files, plain := 0, []string{}
		for name, value := range proc.environment {
			switch {
			case strings.HasSuffix(name, secret.FileSuffix):
				files++
			case secretName.MatchString(name) && value != "":
				plain = append(plain, name)
			}
		}
		slices.Sort(plain)
		t.saw("environment of "+proc.name, fmt.Sprintf("%d variables, %d of them name files, %d look like secrets", len(proc.environment), files, len(plain)),
			fmt.Sprintf("/proc/%d/environ", proc.pid))
		t.want(len(plain) == 0, "%s has %s: write them to files and set NAME_FILE", proc.name, strings.Join(plain, ", "))
	}
}

// seen are the processes that can be looked into; the others are told.
func (p *probe) seen(t *trial) []process {
	all := p.processes()
	if len(all) == 0 {
		t.unknown("no process of the pack is known: only those of `gatehouse up` can be looked into")
	}
	return slices.DeleteFunc(all, func(proc process) bool {
		if proc.err != nil {
			t.unknown("%s: %v", proc.name, proc.err)
		}
		return proc.err != nil
	})
}

// texts are the secrets that are known, by where they come from.
func (p *probe) texts() map[string][]byte {
	all := map[string][]byte{}
	add := func(name string, text []byte) {
		if len(text) >= leastSecret {
			all[name] = text
		}
	}
	for _, path := range p.secretPaths() {
		if filepath.Base(path) == "up.json" {
			continue
		}
		if v, err := (secret.File{Name: filepath.Base(path), Path: path}).Read(); err == nil {
			add(filepath.Base(path), bytes.TrimSpace(v.Reveal()))
		}
	}
	add("the password of "+p.target.Username, p.target.Password.Reveal())
	if p.signedIn != nil {
		add("a session token", []byte(p.signedIn.token))
	}
	return all
}

func secretsInProcesses(_ context.Context, p *probe, t *trial) {
	texts := p.texts()
	if len(texts) == 0 {
		t.unknown("no secret is known: pass --state-dir")
		return
	}
	for _, proc := range p.seen(t) {
		found := []string{}
		for name, text := range texts {
			if strings.Contains(proc.arguments, string(text)) {
				found = append(found, name+" in its arguments")
			}
			for variable, value := range proc.environment {
				if strings.Contains(value, string(text)) {
					found = append(found, name+" in "+variable)
				}
			}
		}
		slices.Sort(found)
		t.saw(fmt.Sprintf("%d secrets in %s", len(texts), proc.name), fmt.Sprintf("%d found", len(found)), fmt.Sprintf("/proc/%d/{environ,cmdline}", proc.pid))
		t.want(len(found) == 0, "%s shows %s", proc.name, strings.Join(found, ", "))
	}
}

func secretsInLogs(_ context.Context, p *probe, t *trial) {
	if p.target.StateDir == "" {
		t.unknown("no log is known: pass --state-dir")
		return
	}
	texts, left, files := p.texts(), int64(maxLogs), 0
	if len(texts) == 0 {
		t.unknown("no secret is known to look for")
		return
	}
	for _, folder := range []string{"logs", filepath.Join("control", "audit")} {
		err := filepath.WalkDir(filepath.Join(p.target.StateDir, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			files++
			names, n, err := searchFile(path, texts, left)
			left -= n
			for _, name := range names {
				t.fail("%s holds %s", path, name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.unknown("%v", err)
		}
	}
	if files == 0 {
		t.unknown("there is no log under %s", p.target.StateDir)
		return
	}
	t.saw(fmt.Sprintf("%d secrets", len(texts)), fmt.Sprintf("searched %d files, %d bytes", files, maxLogs-left), p.target.StateDir+"/{logs,control/audit}")
	if left <= 0 {
		t.unknown("only the first %d MiB were searched", maxLogs>>20)
	}
}

// searchFile reads up to limit bytes of a file and returns which texts it holds
// and how much was read.
func searchFile(path string, texts map[string][]byte, limit int64) (found []string, read int64, err error) {
	if limit <= 0 {
		return nil, 0, nil
	}
	file, err := os.Open(path) //nolint:gosec // a log of the pack's own folder
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = file.Close() }()
	longest := 0
	for _, text := range texts {
		longest = max(longest, len(text))
	}
	hits := map[string]bool{}
	chunk, kept := make([]byte, 1<<20+longest), 0 // the end of a chunk may begin a text
	for read < limit {
		n, err := file.Read(chunk[kept : kept+min(len(chunk)-kept, 1<<20)])
		read += int64(n)
		window := chunk[:kept+n]
		for name, text := range texts {
			if bytes.Contains(window, text) {
				hits[name] = true
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return slices.Sorted(maps.Keys(hits)), read, err
		}
		kept = copy(chunk, window[max(0, len(window)-longest+1):])
	}
	return slices.Sorted(maps.Keys(hits)), read, nil
}

var socketLine = regexp.MustCompile(`(?m)^unixsocket "?([^"\n]+)"?$`)

// socketOf reads where the pack's redis-server listens; empty without one.
func socketOf(config string) (string, error) {
	text, err := os.ReadFile(config) //nolint:gosec // a file of the pack's own folder
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("where Redis is: %w", err)
	}
	m := socketLine.FindSubmatch(text)
	if m == nil {
		return "", nil
	}
	path := string(m[1])
	if _, err := os.Stat(path); err != nil {
		return "", nil //nolint:nilerr // an earlier pack's: this one has no server
	}
	return path, nil
}
