package systems

import (
	"strings"
	"testing"

	"gatehouse/control/privacy/datamap"
)

var key = []byte(strings.Repeat("k", 32))

func TestEachSystemButOurOwnHasAConnectorInTheOrderOfTheMap(t *testing.T) {
	t.Parallel()
	made, err := Open(datamap.Map{Systems: []datamap.System{
		{Name: "mailer", Kind: datamap.OpenDSR, Processor: datamap.Processor{URL: "https://127.0.0.1:1"}},
		{Name: "gatehouse", Kind: datamap.Gatehouse},
		{Name: "shop", Kind: datamap.PostgreSQL},
	}}, Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 2 || made[0].Name() != "mailer" || made[1].Name() != "shop" {
		t.Errorf("%v", made)
	}
	if err := made.Close(); err != nil {
		t.Error(err)
	}
}

func TestAllThatIsWrongWithSystemsIsToldAtOnce(t *testing.T) {
	t.Parallel()
	made, err := Open(datamap.Map{Systems: []datamap.System{
		{Name: "mailer", Kind: datamap.OpenDSR, Processor: datamap.Processor{URL: "https://127.0.0.1:1", CAFile: "/none.pem"}},
		{Name: "shop", Kind: datamap.PostgreSQL},
		{Name: "odd", Kind: "ldap"},
	}}, Options{Key: key})
	if err == nil || made != nil || !strings.Contains(err.Error(), "system mailer: ca_file") || !strings.Contains(err.Error(), `system odd: nobody knows how to reach a system of kind "ldap"`) {
		t.Errorf("%v %v", made, err)
	}
}
