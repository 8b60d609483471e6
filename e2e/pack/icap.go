package pack

import (
	"context"
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
	binary, err := exec.LookPath("c-icap")
	if err != nil {
		return "", fmt.Errorf("no c-icap: install Debian's c-icap: %w", err)
	}
	dir, err := os.MkdirTemp("", "icap")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address = ReservePorts(t).Addr(0)
	modules, err := filepath.Glob("/usr/lib/*/c_icap")
	if err != nil || len(modules) == 0 {
		return "", fmt.Errorf("no modules of c-icap: %w", err)
	}
	config := filepath.Join(dir, "c-icap.conf")
	writeFile(t, config, strings.Join([]string{
		"PidFile " + filepath.Join(dir, "pid"), "CommandsSocket " + filepath.Join(dir, "ctl"), "Port " + address,
		"StartServers 1", "MaxServers 2", "ThreadsPerChild 5", "TmpDir " + dir,
		"ModulesDir " + modules[0], "ServicesDir " + modules[0], "TemplateDir " + dir, "TemplateDefaultLanguage en",
		"LoadMagicFile /etc/c-icap/c-icap.magic", "ServerLog " + filepath.Join(dir, "server.log"), "AccessLog " + filepath.Join(dir, "access.log"),
		"Service echo srv_echo.so", "",
	}, "\n"))
	p := newProcess(t, dir, "c-icap", []string{binary, "-N", "-f", config}, nil, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	p.Start(t)
	return address, nil
}
