package up

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
)

// People copy envoy/bootstrap.yaml; the pack must run what it tests.
func TestTheBootstrapIsTheOneThatPeopleCopy(t *testing.T) {
	ports := DefaultPorts()
	data, err := bootstrap(address(ports.Admin), address(ports.XDS))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../envoy/bootstrap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	for data, into := range map[*[]byte]*any{&data: &got, &copied: &want} {
		if err := json.Unmarshal(*data, into); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the pack's bootstrap is\n%s\nenvoy/bootstrap.yaml is\n%s", data, copied)
	}
}

func TestABootstrapNeedsWholeAddresses(t *testing.T) {
	for _, addresses := range [][2]string{{"127.0.0.1", "127.0.0.1:1"}, {"127.0.0.1:1", "localhost"}, {"127.0.0.1:x", "127.0.0.1:1"}} {
		if _, err := bootstrap(addresses[0], addresses[1]); err == nil {
			t.Errorf("%v is accepted", addresses)
		}
	}
}
