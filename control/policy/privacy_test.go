package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
)

func TestTheDataMapIsReadWithAllThatItInherits(t *testing.T) {
	t.Parallel()
	c, err := Load("/etc/gatehouse/gatehouse.yaml", read(t, "testdata/good/all_keys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Privacy
	if m.ClientData != 30*24*time.Hour || m.Controller != (datamap.Controller{Name: "Example GmbH", Contact: "privacy@example.com", DPO: "dpo@example.com"}) {
		t.Errorf("%+v, %v", m.Controller, m.ClientData)
	}
	shop, _ := m.System("shop")
	if want := (datamap.Database{URLFile: "/etc/gatehouse/secrets/shop_url", Schema: "shop", Timeout: 10 * time.Second, KeysOnly: true}); shop.Database != want {
		t.Errorf("%+v", shop.Database)
	}
	invoices, _ := shop.Collection("invoices")
	if want := (&datamap.Parent{Collection: "customers", Column: "customer", References: "id"}); invoices.Table != "billing.invoices" || !reflect.DeepEqual(invoices.Parent, want) {
		t.Errorf("%+v", invoices)
	}
	decade := datamap.Period{Years: 10}
	want := []datamap.Field{
		{
			Name: "total", Category: "financial", Purposes: []string{"bookkeeping"}, Retention: decade, OnErasure: connector.Keep,
			KeepReason: "Art. 17(3)(b): § 147 AO", Source: datamap.Derived,
		},
		{Name: "remark", Category: "financial", Purposes: []string{"bookkeeping"}, Retention: decade, OnErasure: connector.Mask, Mask: "-", Source: datamap.FromPerson},
		{
			Name: "iban", Category: "financial", Purposes: []string{"bookkeeping"}, Retention: decade, OnErasure: connector.Keep,
			KeepReason: "Art. 17(3)(e): open claims", Source: datamap.FromPerson,
		},
	}
	if !reflect.DeepEqual(invoices.Fields, want) {
		t.Errorf("%+v", invoices.Fields)
	}
	customers, _ := shop.Collection("customers")
	if email, _ := customers.Field("email"); !customers.Deletes() || invoices.Deletes() || email.Retention != (datamap.Period{Years: 3}) || email.OnErasure != connector.Delete {
		t.Errorf("%+v", customers)
	}
}

func TestAProcessorOfTheDataMapHasWhatItIsReachedWith(t *testing.T) {
	t.Parallel()
	c, err := Load("/etc/gatehouse/gatehouse.yaml", read(t, "testdata/good/all_keys.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	mailer, _ := c.Privacy.System("mailer")
	want := datamap.Processor{
		URL: "https://dsr.mailer.example.com", Domain: "mailer.example.com", TokenFile: "/etc/gatehouse/secrets/mailer",
		CertificateFile: "/etc/gatehouse/tls/mailer.pem", CAFile: "/etc/gatehouse/tls/roots.pem",
		CallbackURL: "https://gatehouse.example.com/opendsr/mailer", Deadline: datamap.Period{Days: 20},
		Extensions: []string{"rectification", "restriction"}, ResultsHosts: []string{"files.mailer.example.com"},
		Identities: map[string]datamap.ProcessorIdentity{"email": {Type: "email", Format: "sha256"}, "customer_id": {Type: "controller_customer_id", Format: "raw"}},
	}
	if !reflect.DeepEqual(mailer.Processor, want) {
		t.Errorf("%+v", mailer.Processor)
	}
}

const consentedMap = preamble + `
policies:
  base: {session: required, require_consent: news}
  deaf: {extends: base, require_consent: {gpc: false}}
routes:
  - {name: a, path: /a, upstream: app, policy: base}
  - {name: b, path: /b, upstream: app, policy: deaf}
privacy: {purposes: {news: {basis: consent, notice_version: "1", gpc: true}}}
`

func TestGlobalPrivacyControlObjectsWhereThePurposeSaysSo(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, consentedMap)
	if !c.Authz.Policies["base"].Consent.GPC || c.Authz.Policies["deaf"].Consent.GPC {
		t.Errorf("base %+v, deaf %+v", c.Authz.Policies["base"].Consent, c.Authz.Policies["deaf"].Consent)
	}
}

func TestAnotherDataMapIsAnotherVersion(t *testing.T) {
	t.Parallel()
	plain := apiPolicy
	version := func(text string) string { return mustLoad(t, text).Version }
	if version(plain+"privacy: {}\n") != version(plain) {
		t.Error("an empty section changes the version")
	}
	one := version(plain + "privacy: {purposes: {a: {basis: contract, retention: 1y}}}\n")
	if one == version(plain) || one == version(plain+"privacy: {purposes: {a: {basis: contract, retention: 2y}}}\n") {
		t.Error("the map was changed, and the version stays")
	}
}

func TestWhatTheDataMapNamesForNothingIsWarnedOf(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, apiPolicy+`
privacy:
  purposes: {used: {basis: contract, retention: 1y}, spare: {basis: contract}, news: {basis: consent, notice_version: "1"}}
  retention: {never: 3y}
  systems:
    mailer:
      kind: opendsr
      url: http://127.0.0.1:1
      identities: {email: {format: md5}}
      collections: {list: {fields: {e: {category: contact, purpose: used}}}}
`)
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Path+": "+w.Message)
	}
	want := []string{
		"privacy.purposes.spare: no field is processed for this purpose", "privacy.retention.never: nothing is kept for this period",
		"privacy.systems.mailer.identities.email.format: whoever has the hash can find the value by trying",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
}
