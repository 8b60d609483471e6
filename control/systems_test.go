package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/e2e/pack"
)

const mapText = `privacy:
  controller: {name: Example GmbH, contact: privacy@example.com}
  purposes: {orders: {basis: contract}, %s: {basis: legal_obligation}}
  systems:
    mailer:
      kind: opendsr
      url: https://dsr.example.com
%s      identities: {email: {}}
`

func TestAnEditOfTheDataMapIsInForceAtOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	good := good(1)
	purposes := func(want string) {
		t.Helper()
		pack.Eventually(t, within, "the record has "+want, func(context.Context) error {
			var record struct {
				Activities []struct{ Purpose string }
			}
			if code := r.ask(t, webToken, "/v1/records", &record); code != http.StatusOK {
				return fmt.Errorf("status %d", code)
			}
			var names []string
			for _, a := range record.Activities {
				names = append(names, a.Purpose)
			}
			if got := strings.Join(names, " "); got != want {
				return errors.New(got)
			}
			return nil
		})
	}
	purposes("")
	r.write(t, good+fmt.Sprintf(mapText, "books", ""))
	purposes("books orders")
	// A file that is not there: nothing of this edit is in force.
	r.write(t, good+fmt.Sprintf(mapText, "taxes", "      ca_file: "+filepath.Join(r.dir, "none.pem")+"\n"))
	r.await(t, "the edit is refused", func(s readiness) bool {
		return s.LastError != nil && strings.Contains(fmt.Sprint(s.LastError.Errors), "ca_file")
	})
	purposes("books orders")
	r.write(t, good+fmt.Sprintf(mapText, "taxes", ""))
	purposes("orders taxes")
}

func TestACallbackThatIsNoProcessorsIsRefusedWithoutAReason(t *testing.T) {
	t.Parallel()
	r := startRights(t)
	for _, path := range []string{"/opendsr/nobody", "/opendsr/gatehouse"} {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		in, err := http.NewRequestWithContext(ctx, http.MethodPost, r.http+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(in)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusForbidden || string(text) != "refused\n" {
			t.Errorf("%s: %d %q", path, answer.StatusCode, text)
		}
	}
	if !strings.Contains(r.log.String(), "the data map has no processor of that name") {
		t.Error("the log does not say why")
	}
}
