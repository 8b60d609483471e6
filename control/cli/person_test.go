package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/audit/verify"
	"gatehouse/control/internal/dsrtest"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/internal/shoptest"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

const (
	personWithin = 90 * time.Second
	dataPlanted  = 200
	pseudonymKey = "0123456789abcdef0123456789abcdef"
)

// mailer is the processor in the data map.
const mailer = `    mailer:
      kind: opendsr
      url: ${URL}
      domain: mailer.test
      token_file: ${TOKEN}
      ca_file: ${CA}
      callback_url: ${CALLBACK}
      identities: {email: {format: sha256}}
      extensions: [rectification, restriction]
      collections:
        subscribers: {fields: {email: {category: contact, purpose: news}, name: {category: identity, purpose: news}, note: {category: content, purpose: news}}}
    gatehouse:
      kind: gatehouse
      collections:
        gatehouse_users: {fields: {name: {category: identity, purpose: orders}}}
`

// estate is everywhere that people's data are: a shop, a processor and Gatehouse,
// which runs as a process of its own.
type estate struct {
	t                    *testing.T
	dir, config, url, at string
	token, key           string
	shop                 *shoptest.Shop
	processor            *dsrtest.Processor
	redis                *redistest.Server
	store                *store.Store
	control              *child
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	ports := pack.ReservePorts(t)
	e := &estate{t: t, dir: t.TempDir(), shop: shoptest.Start(t), processor: dsrtest.Start(t), redis: redistest.Start(t)}
	e.at = "http://" + ports.Addr(0)
	e.config, e.url = filepath.Join(e.dir, "gatehouse.yaml"), "sqlite:"+filepath.Join(e.dir, "gatehouse.db")
	values := strings.NewReplacer("${URL}", e.processor.URL, "${TOKEN}", e.processor.TokenFile, "${CA}", e.processor.CAFile, "${CALLBACK}", e.callback())
	e.write("gatehouse.yaml", goodPolicy+e.shop.YAML()+values.Replace(mailer))
	e.token, e.key = e.write("admin.token", cliToken+"\n"), e.write("audit_key.pub", audittest.Verifier(t))
	e.control = &child{
		log: filepath.Join(e.dir, "control.log"),
		args: []string{
			"serve", "control", "--instance", "control", "--config", e.config, "--state-dir", filepath.Join(e.dir, "state"), "--wasm", "filter.wasm",
			"--redis", "unix://" + e.redis.Socket(), "--xds-listen", "127.0.0.1:0", "--http-listen", ports.Addr(0), "--store", e.url,
			"--admin-token-file", e.token,
		},
		env: []string{
			"GATEHOUSE_AUDIT_KEY_FILE=" + auditKeyFile(t), "GATEHOUSE_PSEUDONYM_KEY_FILE=" + e.write("pseudonym_key", pseudonymKey),
			"GATEHOUSE_MASTER_KEY_FILE=" + e.write("master_key", hex.EncodeToString(bytes.Repeat([]byte{7}, 32))),
		},
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(e.control.log); err == nil && t.Failed() {
			t.Logf("control:\n%s", text)
		}
	})
	e.start()
	var err error
	if e.store, err = store.Open(t.Context(), store.Options{URL: e.url}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.store.Close() })
	return e
}

func (e *estate) callback() string { return e.at + "/opendsr/mailer" }

func (e *estate) write(name, text string) string {
	e.t.Helper()
	path := filepath.Join(e.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
	return path
}

func (e *estate) start() {
	e.t.Helper()
	e.control.start(e.t)
	pack.Ready(e.t, personWithin, e.at+"/readyz")
}

// run is a command against the control that is running.
func (e *estate) run(want int, args ...string) string {
	e.t.Helper()
	cmd := command{env: map[string]string{"GATEHOUSE_CONTROL": e.at, "GATEHOUSE_TOKEN_FILE": e.token}}
	if code := cmd.run(e.t.Context(), args...); code != want {
		log, _ := os.ReadFile(e.control.log)
		e.t.Fatalf("%v: exit code %d, want %d: %s%s\n%s", args, code, want, cmd.stdout.String(), cmd.stderr.String(), log)
	}
	return cmd.stdout.String()
}

// asked is a request as the API shows it.
type asked struct {
	ID    string                                  `json:"id"`
	State string                                  `json:"state"`
	Steps []struct{ System, State, Error string } `json:"steps"`
}

func (e *estate) request(args ...string) asked {
	e.t.Helper()
	var r asked
	out := e.run(ExitDone, append(append([]string{"subject", "request"}, args...), "--output", "json")...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	e.run(ExitDone, "subject", "verify", r.ID, "--how", "passport")
	e.run(ExitDone, "subject", "run", r.ID)
	return r
}

func (e *estate) show(id string) (r asked) {
	e.t.Helper()
	out := e.run(ExitDone, "subject", "show", id, "--output", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	return r
}

// complete waits for the end of a request. The processor calls back, as it must
// on each change.
func (e *estate) complete(id string) asked {
	e.t.Helper()
	var r asked
	pack.Eventually(e.t, personWithin, "the request is completed", func(ctx context.Context) error {
		for _, made := range e.processor.Requests() {
			e.call(ctx, made.ID)
		}
		if r = e.show(id); r.State != "completed" {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	return r
}

func (e *estate) call(ctx context.Context, id string) {
	header, body := e.processor.Callback(id, e.callback())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.callback(), bytes.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		e.t.Errorf("a callback: %d", answer.StatusCode)
	}
}

// somebody is a person with 200 data: 148 in the shop, 20 at the processor, 32
// here.
type somebody struct {
	shoptest.Person
	userID     string
	identities []string
}

func (e *estate) plant(name string) somebody {
	t := e.t
	t.Helper()
	p := somebody{Person: e.shop.Plant(t, name)}
	datum := func() string {
		text := fmt.Sprintf("%s's datum %d", name, len(p.Data)+1)
		p.Data = append(p.Data, text)
		return text
	}
	for range 20 {
		e.processor.Keep(strings.ToLower(p.Email), map[string]any{"email": p.Email, "name": name, "note": datum()})
	}
	hash, err := login.HashPassword("correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	user, err := e.store.AddUser(t.Context(), datum(), hash, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.userID = user.ID
	sessions := session.New(e.redis.Client(), time.Now, rand.Reader)
	for range 10 {
		if _, _, err := sessions.Create(t.Context(), session.User{ID: user.ID, Name: user.Name}, session.Grant{Idle: time.Hour, Absolute: time.Hour, Device: datum()}); err != nil {
			t.Fatal(err)
		}
	}
	names, err := event.NewPseudonymizer([]byte(pseudonymKey))
	if err != nil {
		t.Fatal(err)
	}
	transit, err := event.NewTransit([]byte(pseudonymKey))
	if err != nil {
		t.Fatal(err)
	}
	writer, err := event.NewWriter(event.Options{Redis: e.redis.Client(), Source: "authz", Instance: "authz", Transit: transit})
	if err != nil {
		t.Fatal(err)
	}
	for range 21 {
		writer.Append(event.Event{
			Type: event.FileUploadRejected, Outcome: event.Deny, Subject: names.Subject(user.ID), Personal: map[string]string{"filename": datum()},
		})
	}
	if err := writer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.identities = []string{"--identity", "customer_id=" + p.Number, "--identity", "email=" + p.Email, "--identity", "user_id=" + user.ID}
	pack.Eventually(t, personWithin, "the events are in the log", func(ctx context.Context) error {
		page, err := e.store.SearchEvents(ctx, store.EventQuery{Subject: names.Subject(user.ID), Limit: store.MaxPage})
		if err == nil && len(page.Events) < 21 {
			err = fmt.Errorf("%d of 21", len(page.Events))
		}
		return err
	})
	return p
}

// archive asks for access and takes the archive, which is verified.
func (e *estate) archive(p somebody) map[string]string {
	e.t.Helper()
	r := e.request(append([]string{"access"}, p.identities...)...)
	e.complete(r.ID)
	file := filepath.Join(e.t.TempDir(), "archive.zip")
	e.run(ExitDone, "subject", "export", r.ID, "--out", file)
	if out := e.run(ExitDone, "subject", "verify-export", file, "--key", e.key); !strings.Contains(out, "ok: the answer to request "+r.ID) {
		e.t.Error(out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		e.t.Fatal(err)
	}
	e.expectForgeryFound(file, text)
	return unzipped(e.t, text)
}

// expectForgeryFound changes one byte of the archive's data.
func (e *estate) expectForgeryFound(file string, text []byte) {
	e.t.Helper()
	changed := bytes.Clone(text)
	in, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		e.t.Fatal(err)
	}
	at, err := in.File[1].DataOffset()
	if err != nil {
		e.t.Fatal(err)
	}
	changed[at+int64(in.File[1].CompressedSize64/2)] ^= 1
	if err := os.WriteFile(file+".changed", changed, 0o600); err != nil {
		e.t.Fatal(err)
	}
	e.run(ExitWrong, "subject", "verify-export", file+".changed", "--key", e.key)
}

func unzipped(t *testing.T, text []byte) map[string]string {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

// has are the texts that stand in files of that ending, as JSON writes them.
func has(files map[string]string, ending, text string) bool {
	for name, content := range files {
		if strings.HasSuffix(name, ending) && strings.Contains(content, text) {
			return true
		}
	}
	return false
}

// TestAPersonIsFoundCorrectedHandedOverAndErasedEverywhere is the whole of what
// people's rights are: with control killed twice in the middle of the erasure.
func TestAPersonIsFoundCorrectedHandedOverAndErasedEverywhere(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	if out := e.run(ExitDone, "subject", "check-map", e.config); !strings.Contains(out, "2 systems compared") {
		t.Error(out)
	}
	other := e.plant("Max")
	before, theirs := e.shop.Sums(t, "Erika"), e.processor.Others("erika@example.com")
	person := e.plant("Erika")
	if len(person.Data) != dataPlanted {
		t.Fatalf("%d data", len(person.Data))
	}

	files := e.archive(person)
	for _, datum := range person.Data {
		if !has(files, ".json", datum) || !has(files, ".csv", datum) || !has(files, "index.html", strings.ReplaceAll(datum, "'", "&#39;")) {
			t.Errorf("%q is not in the archive", datum)
		}
	}
	for _, datum := range other.Data {
		if has(files, "", datum) {
			t.Fatalf("the archive has %q", datum)
		}
	}

	correction := e.request(append([]string{"rectification", "--change", "customers.full_name=Erika Right", "--change", "subscribers.name=Erika Right",
		"--change", "gatehouse_users.name=erika.right"}, person.identities...)...)
	e.complete(correction.ID)
	files = e.archive(person)
	for _, name := range []string{"data/shop/customers.json", "data/mailer/subscribers.json", "data/gatehouse/gatehouse_users.json"} {
		if !strings.Contains(strings.ToLower(files[name]), "erika right") && !strings.Contains(files[name], "erika.right") {
			t.Errorf("%s is not corrected: %s", name, files[name])
		}
	}

	e.eraseWithTwoKills(person)
	e.expectForgotten(person, before, theirs)
	for _, datum := range other.Data[:148] {
		if e.shop.Mentions(t, datum) == 0 {
			t.Errorf("%q of another person is gone", datum)
		}
	}
	if files = e.archive(other); !has(files, ".json", other.Data[dataPlanted-1]) {
		t.Error("what others have here is gone")
	}
}

// eraseWithTwoKills kills control while the shop's database makes it wait, and
// again while the processor is at work.
func (e *estate) eraseWithTwoKills(p somebody) {
	t := e.t
	t.Helper()
	e.processor.Is(func(is *dsrtest.Behaviour) { is.Polls = 1 << 30 })
	lock, err := e.shop.DB.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(t.Context(), "SELECT 1 FROM reviews ORDER BY id DESC LIMIT 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	r := e.request(append([]string{"erasure"}, p.identities...)...)
	pack.Eventually(t, personWithin, "the erasure waits in the middle of its transaction", func(context.Context) error {
		if e.shop.Text(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gatehouse' AND wait_event_type = 'Lock'") == "0" {
			return fmt.Errorf("%+v", e.show(r.ID))
		}
		return nil
	})
	e.control.kill(t)
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	e.start()
	pack.Eventually(t, personWithin, "the shop is done and the processor at work", func(context.Context) error {
		now := e.show(r.ID)
		if len(now.Steps) != 3 || now.Steps[0].State != "done" || now.Steps[1].State != "pending" || len(e.processor.Requests()) == 0 {
			return fmt.Errorf("%+v", now)
		}
		for _, made := range e.processor.Requests() {
			if made.Type == "erasure" {
				return nil
			}
		}
		return fmt.Errorf("the processor was not asked: %+v", now)
	})
	e.control.kill(t)
	e.processor.Is(func(is *dsrtest.Behaviour) { is.Polls = 0 })
	e.start()
	e.complete(r.ID)
	erasures := 0
	for _, made := range e.processor.Requests() {
		if made.Type == "erasure" {
			erasures++
		}
	}
	if erasures != 1 {
		t.Errorf("the processor was asked %d times", erasures)
	}
}

// expectForgotten looks for the person in all that there is.
func (e *estate) expectForgotten(p somebody, before map[string]string, theirs string) {
	t := e.t
	t.Helper()
	for _, text := range append([]string{p.Email, p.Number, "Erika Right"}, p.Data...) {
		if n := e.shop.Mentions(t, text); n != 0 {
			t.Errorf("%q stands in %d rows of the shop", text, n)
		}
	}
	for name, sum := range e.shop.Sums(t, p.Name) {
		if sum != before[name] {
			t.Errorf("table %s has another sum than before the person was there", name)
		}
	}
	if has := e.processor.Has(strings.ToLower(p.Email)); has != "null" || e.processor.Others(strings.ToLower(p.Email)) != theirs {
		t.Errorf("at the processor: %s", has)
	}
	e.control.stop(t)
	key, err := verify.ParseKey(audittest.Verifier(t))
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Log(t.Context(), verify.Options{Source: verify.Dir(filepath.Join(e.dir, "state", "audit")), Verifier: key})
	if err != nil || report.Events < 40 {
		t.Errorf("the audit log: %+v %v", report, err)
	}
	if err := filepath.WalkDir(e.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, datum := range append([]string{p.Email, p.Number, p.userID, "Erika", "erika"}, p.Data...) {
			if bytes.Contains(text, []byte(datum)) {
				t.Errorf("%q stands in %s", datum, path)
				break
			}
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	e.start()
}
