package session

import (
	"sort"
	"strconv"
)

// living are the sessions of a user's hash that are live.
func living(fields map[string]string, known *generations, now int64) ([]Session, error) {
	generation, err := generationOf(fields["g"])
	if err != nil {
		return nil, err
	}
	floor := known.floor(fields["t"])
	var live []Session
	for id, text := range fields {
		if len(id) != 32 {
			continue
		}
		f, err := read([]string{id, text, fields["u"], fields["n"], fields["t"], fields["d"+id[:shortLength]]})
		if err != nil {
			return nil, err
		}
		r := f.record
		ended := r.flags&(flagEnded|flagReplaced) != 0 || r.generation < generation || r.born < floor
		if !ended && now < r.absolute && now-r.seen < r.idle {
			live = append(live, f.Session)
		}
	}
	sort.Slice(live, func(i, j int) bool {
		if !live[i].Created.Equal(live[j].Created) {
			return live[i].Created.Before(live[j].Created)
		}
		return live[i].ID < live[j].ID
	})
	return live, nil
}

func generationOf(text string) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, errDamaged
	}
	return uint32(n), nil
}
