package audit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestWhatTesseraSaysBecomesARecord(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	k := klogLines{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for line, want := range map[string]string{
		"W1125 17:29:21.252571    4740 files.go:230] publishCheckpoint: disk full\n": `level=WARN msg="tessera: publishCheckpoint: disk full"`,
		"E1125 17:29:21.252571    4740 files.go:230] Integrate: x\n":                 `level=ERROR msg="tessera: Integrate: x"`,
		"I1125 17:29:21.252571    4740 files.go:230] Initializing\n":                 `level=DEBUG msg="tessera: Initializing"`,
		"without a head": `level=DEBUG msg="tessera: without a head"`,
	} {
		out.Reset()
		if n, err := k.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("%d %v", n, err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s, want %s", out.String(), want)
		}
	}
}
