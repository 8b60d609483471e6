// Package demo is the application that `gatehouse up` protects: a page with a
// sign-in and an upload form, a public JSON endpoint, one that tells who asks,
// and one that takes files.
//
// It does nothing for its own safety, on purpose: every protection that a
// visitor sees was put there by Gatehouse. It keeps nothing, and believes the
// header x-gatehouse-subject, which is right only behind Gatehouse and on the
// loopback interface.
package demo

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

//go:embed assets
var assets embed.FS

// SubjectHeader carries the pseudonym of the signed-in user, set by authz.
const SubjectHeader = "X-Gatehouse-Subject"

// Handler serves the application. It fails if its own files are broken.
func Handler(log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	app := application{log: log}
	start, err := newPage()
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /{$}", app.start(start))
	mux.HandleFunc("GET /app.js", app.asset("assets/app.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /style.css", app.asset("assets/style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("/api/test-endpoint", app.test)
	mux.HandleFunc("GET /api/me", app.me)
	mux.HandleFunc("POST /upload", app.upload)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return mux, nil
}

// Serve listens on address until ctx ends, then lets running requests finish.
func Serve(ctx context.Context, address string, log *slog.Logger) error {
	handler, err := Handler(log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("demo application: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("demo application serves", "address", listener.Addr().String())
	select {
	case err := <-ended:
		return fmt.Errorf("demo application: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop the demo application: %w", err)
	}
	return nil
}

type application struct{ log *slog.Logger }

func (a application) asset(name, mediaType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		data, err := assets.ReadFile(name)
		if err != nil {
			http.Error(w, "not found", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		if _, err := w.Write(data); err != nil {
			a.log.Debug("the client went away", "error", err)
		}
	}
}

func (a application) test(w http.ResponseWriter, r *http.Request) {
	a.answer(w, http.StatusOK, map[string]string{"message": "hello from the demo application", "method": r.Method})
}

func (a application) me(w http.ResponseWriter, r *http.Request) {
	a.answer(w, http.StatusOK, map[string]string{"subject": r.Header.Get(SubjectHeader)})
}

// received is what upload answers for the file that arrived.
type received struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// upload reads the multipart field `file` as it streams and keeps none of it.
func (a application) upload(w http.ResponseWriter, r *http.Request) {
	file, err := receive(r)
	if err != nil {
		a.log.Info("an upload did not arrive whole", "error", err)
		a.answer(w, http.StatusBadRequest, map[string]string{"error": "no whole file in the form field `file`"})
		return
	}
	a.log.Info("an upload arrived", "name", file.Name, "size", file.Size)
	a.answer(w, http.StatusOK, file)
}

func receive(r *http.Request) (received, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return received{}, err
	}
	var file received
	found := false
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) && found {
			return file, nil
		}
		if err != nil {
			return received{}, err
		}
		if part.FormName() != "file" || found {
			continue
		}
		sum := sha256.New()
		size, err := io.Copy(sum, part)
		if err != nil {
			return received{}, err
		}
		found = true
		file = received{Name: part.FileName(), Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	}
}

func (a application) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.log.Debug("the client went away", "error", err)
	}
}
