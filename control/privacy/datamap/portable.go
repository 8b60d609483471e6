package datamap

import (
	"slices"

	"gatehouse/control/privacy/connector"
)

// Portable leaves of a record what the person may take along (Art. 20(1)): what
// they have provided, processed on consent or contract; false if nothing is
// left. What is not in the map, no record gives: nobody has said that the person
// has provided it.
func (m Map) Portable(r connector.Record) (connector.Record, bool) {
	s, _ := m.System(r.System)
	c, ok := s.Collection(r.Collection)
	if !ok {
		return r, false
	}
	left := map[string]any{}
	for _, f := range c.Fields {
		if value, there := r.Fields[f.Name]; there && m.portable(f) {
			left[f.Name] = value
		}
	}
	r.Fields = left
	return r, len(left) > 0
}

func (m Map) portable(f Field) bool {
	return f.Source.Provided() && slices.ContainsFunc(f.Purposes, func(name string) bool { return m.Purposes[name].Basis.Portable() })
}
