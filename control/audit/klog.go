package audit

import (
	"bytes"
	"context"
	"io"
	"log/slog"

	"k8s.io/klog/v2"
)

// CaptureLog makes what tessera has to say, which it says to klog, records of a
// logger. It is for the process: the last call counts.
func CaptureLog(log *slog.Logger) {
	klog.LogToStderr(false)
	// klog writes each line to the outputs of all lower severities as well.
	for severity, to := range map[string]io.Writer{
		"INFO": klogLines{log}, "WARNING": io.Discard, "ERROR": io.Discard, "FATAL": io.Discard,
	} {
		klog.SetOutputBySeverity(severity, to)
	}
}

// klogLines takes klog's lines: a letter for the severity, time and place, "] ",
// and the message.
type klogLines struct{ log *slog.Logger }

func (k klogLines) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	switch {
	case bytes.HasPrefix(line, []byte("W")):
		level = slog.LevelWarn
	case bytes.HasPrefix(line, []byte("E")), bytes.HasPrefix(line, []byte("F")):
		level = slog.LevelError
	}
	message := line
	if _, after, ok := bytes.Cut(line, []byte("] ")); ok {
		message = after
	}
	k.log.Log(context.Background(), level, "tessera: "+string(bytes.TrimSpace(message)))
	return len(line), nil
}
