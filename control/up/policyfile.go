package up

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"text/template"
	"time"
)

//go:embed gatehouse.yaml.tmpl
var demoPolicyText string

// demoPolicy renders the demo's gatehouse.yaml.
func demoPolicy(s state, ports Ports) ([]byte, error) {
	tmpl, err := template.New("gatehouse.yaml").Option("missingkey=error").Parse(demoPolicyText)
	if err != nil {
		return nil, fmt.Errorf("the demo's policy template: %w", err)
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]string{
		"HTTP":        address(ports.HTTP),
		"HTTPS":       address(ports.HTTPS),
		"Demo":        "http://" + address(ports.Demo),
		"Control":     "http://" + address(ports.Control),
		"Certificate": strconv.Quote(s.path("tls", "cert.pem")),
		"Key":         strconv.Quote(s.path("tls", "key.pem")),
	})
	return out.Bytes(), err
}

// placeDemoPolicy writes the demo's policy file and returns its path. A file
// that the user has edited since it was last written is kept under another
// name, which is returned too.
func placeDemoPolicy(s state, data []byte, now time.Time) (path, kept string, err error) {
	path, mark := s.path("gatehouse.yaml"), s.path("gatehouse.yaml.sha256")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", "", fmt.Errorf("read the last policy file: %w", err)
	}
	if err == nil && edited(old, mark) && !bytes.Equal(old, data) {
		kept = s.path("gatehouse.edited-" + now.UTC().Format("20060102-150405") + ".yaml")
		if err := os.Rename(path, kept); err != nil {
			return "", "", fmt.Errorf("keep the edited policy file: %w", err)
		}
	}
	return path, kept, errors.Join(writeFile(path, data), writeFile(mark, []byte(digest(data)+"\n")))
}

func edited(data []byte, mark string) bool {
	recorded, err := os.ReadFile(mark)
	return err == nil && string(trimNewline(recorded)) != digest(data)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
