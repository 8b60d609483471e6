package totp_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/login/totp"
)

// The vectors are RFC 6238's appendix B for SHA-1, the last six of eight digits.
func TestTheCodesAreThoseOfTheStandard(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		now := time.Unix(at, 0)
		if got := totp.Code(secret, totp.StepAt(now)); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
		if step, ok := totp.Check(secret, want, now, 0); !ok || step != at/30 {
			t.Errorf("at %d: step %d %v", at, step, ok)
		}
	}
}

func TestAStepIsGoodOnceAndCloseToItsTime(t *testing.T) {
	t.Parallel()
	secret, now := totp.NewSecret(), time.Unix(1_800_000_000, 0)
	step := totp.StepAt(now)
	for name, c := range map[string]struct {
		step, last int64
		want       bool
	}{
		"now":                           {step, 0, true},
		"a clock that is late":          {step - 1, 0, true},
		"a clock that is early":         {step + 1, 0, true},
		"two steps late":                {step - 2, 0, false},
		"two steps early":               {step + 2, 0, false},
		"used already":                  {step, step, false},
		"the one before the used one":   {step - 1, step, false},
		"the one after the used one":    {step + 1, step, true},
		"a later one was used":          {step, step + 1, false},
		"used one before, and now next": {step, step - 1, true},
	} {
		code := totp.Code(secret, c.step)
		if got, ok := totp.Check(secret, code, now, c.last); ok != c.want || ok && got != c.step {
			t.Errorf("%s: %d %v", name, got, ok)
		}
	}
}

func TestWhatIsNoCodeIsNotRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"123456": "123456", " 123 456": "123456", "12345": "", "1234567": "", "12345a": "", "": "", "１２３４５６": "", strings.Repeat(" ", 100) + "123456": ""} {
		if got, ok := totp.Read(text); got != want || ok != (want != "") {
			t.Errorf("%.20q: %q %v", text, got, ok)
		}
	}
}

func TestTheURISaysWhoseItIs(t *testing.T) {
	t.Parallel()
	secret := totp.NewSecret()
	u, err := url.Parse(totp.URI(secret, "Acme: the & shop", "anna lee"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Acme  the & shop:anna lee" || q.Get("secret") != totp.Text(secret) ||
		q.Get("issuer") != "Acme  the & shop" || strings.Contains(u.RawQuery, "+") {
		t.Errorf("%s", u)
	}
}

func TestTheQRCodeIsDrawnWithoutText(t *testing.T) {
	t.Parallel()
	svg, err := totp.SVG(totp.URI(totp.NewSecret(), `"><script>alert(1)</script>`, "anna"))
	if err != nil || !strings.HasPrefix(svg, "<svg ") || strings.Contains(svg, "script") || !strings.Contains(svg, "M4 4h7v1h-7z") {
		t.Errorf("%v %.200s", err, svg)
	}
	if _, err := totp.SVG(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that is too long was drawn")
	}
}
