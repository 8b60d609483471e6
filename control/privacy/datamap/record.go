package datamap

import (
	"maps"
	"slices"
	"strings"
)

// Activity is one processing activity, for the record (Art. 30(1)).
type Activity struct {
	Purpose    string   `json:"purpose"`                                                       // (b)
	Basis      string   `json:"lawful_basis" doc:"Of Art. 6(1): consent, contract, ..."`       // Art. 6(1)
	Persons    []string `json:"categories_of_persons" nullable:"false"`                        // (c)
	Data       []string `json:"categories_of_data" nullable:"false"`                           // (c)
	Recipients []string `json:"recipients" nullable:"false"`                                   // (d)
	Transfers  []string `json:"transfers" nullable:"false" doc:"Third countries, safeguards."` // (e)
	Retention  []string `json:"retention" nullable:"false" doc:"Time limits for erasure."`     // (f)
	Measures   []string `json:"security_measures" nullable:"false"`                            // (g)
	Systems    []string `json:"systems" nullable:"false"`
}

// Activities are the purposes of the map with all that the systems do for them,
// by name.
func (m Map) Activities() []Activity {
	out := []Activity{}
	for _, name := range slices.Sorted(maps.Keys(m.Purposes)) {
		p := m.Purposes[name]
		a := Activity{
			Purpose: name, Basis: string(p.Basis), Persons: p.Persons, Recipients: slices.Clone(p.Recipients),
			Transfers: p.Transfers, Measures: p.Measures,
		}
		if p.Condition != "" {
			a.Basis += ", Art. 9(2): " + p.Condition
		}
		limits := map[string][]string{} // retention to the categories that it is for
		if !p.Retention.IsZero() {
			limits[p.Retention.String()] = nil
		}
		for _, s := range m.Systems {
			uses := false
			for _, c := range s.Collections {
				for _, f := range c.Fields {
					if !slices.Contains(f.Purposes, name) {
						continue
					}
					uses = true
					a.Data = addOnce(a.Data, f.Category)
					if !f.Retention.IsZero() && f.Retention != p.Retention {
						limits[f.Retention.String()] = addOnce(limits[f.Retention.String()], f.Category)
					}
				}
			}
			if uses {
				a.Systems = append(a.Systems, s.Name)
				for _, r := range s.Recipients {
					a.Recipients = addOnce(a.Recipients, r)
				}
			}
		}
		slices.Sort(a.Data)
		for _, limit := range slices.Sorted(maps.Keys(limits)) {
			text := limit
			if of := limits[limit]; len(of) > 0 {
				text += " (" + strings.Join(of, ", ") + ")"
			}
			a.Retention = append(a.Retention, text)
		}
		for _, list := range []*[]string{&a.Persons, &a.Data, &a.Recipients, &a.Transfers, &a.Retention, &a.Measures, &a.Systems} {
			if *list == nil {
				*list = []string{} // JSON has [] for it, and not null
			}
		}
		out = append(out, a)
	}
	return out
}

func addOnce(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}
