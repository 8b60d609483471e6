package pack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// StartICAP runs Debian's c-icap until the test ends, with its service echo,
// which gives back what it gets. It returns host:port, or an error where there is
// no c-icap.
func StartICAP(t TB) (address string, err error) {
	t.Helper()
	binary, root, env, err := icapBinary()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "icap")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address = ReservePorts(t).Addr(0)
	modules, err := filepath.Glob(filepath.Join(root, "usr/lib/*/c_icap"))
	if err != nil || len(modules) == 0 {
		return "", fmt.Errorf("c-icap (%s) has no modules below %s: install Debian's c-icap again", binary, root)
	}
	config := filepath.Join(dir, "c-icap.conf")
	writeFile(t, config, strings.Join([]string{
		"PidFile " + filepath.Join(dir, "pid"), "CommandsSocket " + filepath.Join(dir, "ctl"), "Port " + address,
		"StartServers 1", "MaxServers 2", "ThreadsPerChild 5", "TmpDir " + dir,
		"ModulesDir " + modules[0], "ServicesDir " + modules[0], "TemplateDir " + dir, "TemplateDefaultLanguage en",
		"LoadMagicFile " + filepath.Join(root, "etc/c-icap/c-icap.magic"), "ServerLog " + filepath.Join(dir, "server.log"), "AccessLog " + filepath.Join(dir, "access.log"),
		"Service echo srv_echo.so", "",
	}, "\n"))
	p := newProcess(t, dir, "c-icap", []string{binary, "-N", "-f", config}, env, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	p.Start(t)
	return address, nil
}

// icapBinary is Debian's, or that of make test, below root with what belongs to it.
func icapBinary() (path, root string, env []string, err error) {
	if path, err := exec.LookPath("c-icap"); err == nil {
		return path, "/", nil, nil
	}
	root, env, err = scanners()
	if err != nil {
		return "", "", nil, err
	}
	if path = filepath.Join(root, "usr", "bin", "c-icap"); root != "" && exists(path) {
		return path, root, env, nil
	}
	return "", "", nil, errors.New("no c-icap: install Debian's c-icap, or run make test, which fetches it into .tools/clamav")
}
