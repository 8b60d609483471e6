package control

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/audit/verify"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

const rightsKey = "0123456789abcdef0123456789abcdef"

// startRights is a control that serves people's rights.
func startRights(t *testing.T) *running {
	t.Helper()
	r := prepare(t, good(1))
	r.web = func(o *Options) {
		o.Store = store.Options{URL: "sqlite:" + filepath.Join(r.dir, "gatehouse.db")}
		o.PseudonymKey = secret.New([]byte(rightsKey))
		o.MasterKey = secret.New([]byte(hex.EncodeToString(bytes.Repeat([]byte{9}, 32))))
		o.AdminTokenFile = filepath.Join(r.dir, "admin.token")
	}
	writeSecret(t, filepath.Join(r.dir, "admin.token"), webToken)
	r.start(t)
	r.await(t, "control is ready", func(s readiness) bool { return s.Ready && s.Redis.Reachable })
	return r
}

// call makes a call with a token and reads the answer, which has that status.
func (r *running) call(t *testing.T, token, method, path, body string, status int, into any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	in, err := http.NewRequestWithContext(ctx, method, r.http+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	in.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		in.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status {
		t.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return string(text)
}

// unzipped is all that is in an archive, with the names of its members.
func unzipped(t *testing.T, archive string) string {
	t.Helper()
	in, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(f.Name + "\n")
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

type rightsRequest struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Subject string `json:"subject"`
	Steps   []struct{ System, State, Error string }
}

func (r *running) completed(t *testing.T, id string) {
	t.Helper()
	pack.Eventually(t, within, "the request is completed", func(context.Context) error {
		var now rightsRequest
		r.call(t, webToken, http.MethodGet, "/v1/subject-requests/"+id, "", http.StatusOK, &now)
		if now.State != "completed" {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
}

func TestAPersonSeesTheirDataAndIsForgotten(t *testing.T) {
	r := startRights(t)
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(r.dir, "gatehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := login.HashPassword("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	ann, err := s.AddUser(t.Context(), "ann.planted", hash, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := r.redis.Client()
	token, _, err := session.New(client, time.Now, rand.Reader).Create(t.Context(), session.User{ID: ann.ID, Name: ann.Name},
		session.Grant{Idle: time.Hour, Absolute: 8 * time.Hour, Device: "planted device"})
	if err != nil {
		t.Fatal(err)
	}

	// She consents, and the entry's place in the audit log can be proved.
	var entry struct {
		EventID string `json:"event_id"`
		Subject string `json:"subject"`
	}
	r.call(t, token, http.MethodPost, "/v1/consents", `{"purpose":"news","state":"given","notice_version":"3"}`, http.StatusCreated, &entry)
	if given, err := consent.New(client).Given(t.Context(), ann.ID, "news"); err != nil || !given {
		t.Errorf("authz sees %v %v", given, err)
	}
	var proof struct{ Proof string }
	pack.Eventually(t, within, "the consent is in the audit log", func(context.Context) error {
		if code := r.ask(t, webToken, "/v1/consents/"+entry.EventID+"/proof", &proof); code != http.StatusOK {
			return fmt.Errorf("status %d", code)
		}
		return nil
	})
	verifier := publicHalf(t, audittest.Key(t))
	if proven, err := verify.Inclusion([]byte(proof.Proof), verifier); err != nil || proven.Event.ID != entry.EventID || proven.Event.Type != event.ConsentGiven {
		t.Errorf("%+v %v", proven, err)
	}

	// She asks for her data, which need no other check: she has just signed in.
	var access rightsRequest
	r.call(t, token, http.MethodPost, "/v1/subject-requests", `{"kind":"access"}`, http.StatusCreated, &access)
	if access.State != "verified" {
		t.Fatalf("%+v", access)
	}
	r.call(t, token, http.MethodPost, "/v1/subject-requests/"+access.ID+"/run", "", http.StatusForbidden, nil)
	r.call(t, webToken, http.MethodPost, "/v1/subject-requests/"+access.ID+"/run", "", http.StatusAccepted, nil)
	r.completed(t, access.ID)
	archive := unzipped(t, r.call(t, token, http.MethodGet, "/v1/subject-requests/"+access.ID+"/export", "", http.StatusOK, nil))
	for _, want := range []string{"ann.planted", "planted device", `"purpose":"news"`, "gatehouse_events", "127.0.0.1", "manifest.sig"} {
		if !strings.Contains(archive, want) {
			t.Errorf("%q is not in her data:\n%s", want, archive)
		}
	}

	// She asks to be forgotten.
	var erasure rightsRequest
	r.call(t, token, http.MethodPost, "/v1/subject-requests", `{"kind":"erasure","reason":"planted reason"}`, http.StatusCreated, &erasure)
	r.call(t, webToken, http.MethodPost, "/v1/subject-requests/"+erasure.ID+"/run", "", http.StatusAccepted, nil)
	r.completed(t, erasure.ID)
	r.call(t, token, http.MethodGet, "/v1/subject-requests", "", http.StatusUnauthorized, nil)
	if _, err := s.UserByID(t.Context(), ann.ID); !errors.Is(err, login.ErrNoUser) {
		t.Errorf("the user: %v", err)
	}
	r.awaitEvent(t, "the tombstone is in the log", func(e event.Event) bool { return e.Type == event.SubjectErased && e.Detail["request"] == erasure.ID })
	if err := errors.Join(s.Close(), r.stop()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.log.String(), "planted") {
		t.Error("the log names her")
	}
	report, err := verify.Log(t.Context(), verify.Options{Source: verify.Dir(filepath.Join(r.dir, "state", "audit")), Verifier: verifier})
	if err != nil {
		t.Errorf("the audit log after the erasure: %+v %v", report, err)
	}
}

// What `gatehouse user` leaves in the store gets into the log, also where people's
// rights are not served.
func TestTheEventsOfCommandsReachTheLog(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]bool{"with people's rights": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := prepare(t, good(1))
			url := "sqlite:" + filepath.Join(r.dir, "gatehouse.db")
			left, err := store.Open(t.Context(), store.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = left.Close() })
			e := event.Event{ID: event.NewID(), Time: time.Now(), Type: event.UserChanged, Severity: event.Info, Outcome: event.Success, Source: "control", Rule: "user_added"}
			if err := left.Leave(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			r.web = func(o *Options) {
				o.Store = store.Options{URL: url}
				if keys {
					o.PseudonymKey = secret.New([]byte(rightsKey))
					o.MasterKey = secret.New([]byte(hex.EncodeToString(bytes.Repeat([]byte{9}, 32))))
				}
			}
			r.start(t)
			pack.Eventually(t, within, "the log has it", func(ctx context.Context) error {
				_, err := left.EventLeaf(ctx, e.ID)
				return err
			})
		})
	}
}
