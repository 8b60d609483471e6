package opendsr

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"gatehouse/control/privacy/connector"
)

var _ connector.Checker = (*Connector)(nil)

// Check compares the data map with what the processor says that it can.
func (c *Connector) Check(ctx context.Context) (out []connector.Finding, err error) {
	d, err := c.discover(ctx)
	if err != nil {
		return nil, err
	}
	add := func(level connector.Level, format string, args ...any) {
		out = append(out, connector.Finding{System: c.Name(), Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if !slices.Contains(d.Types, typeErasure) {
		add(connector.Fault, "the processor takes no requests of type erasure: each must be attested")
	}
	for _, kind := range []string{typeAccess, typePortability} {
		if !slices.Contains(d.Types, kind) {
			add(connector.Warning, "the processor takes no requests of type %s: each must be attested, and an erasure may not be read back", kind)
		}
	}
	for name, wanted := range c.system.Processor.Identities {
		taken := slices.ContainsFunc(d.Identities, func(i identity) bool { return i.Type == wanted.Type && i.Format == wanted.Format })
		if !taken {
			add(connector.Fault, "the processor takes no identity of type %s as %s, which the map sends for %s", wanted.Type, wanted.Format, name)
		}
	}
	// "fault" comes before "warning".
	slices.SortFunc(out, func(a, b connector.Finding) int {
		return cmp.Or(strings.Compare(string(a.Level), string(b.Level)), strings.Compare(a.Text, b.Text))
	})
	return out, nil
}
