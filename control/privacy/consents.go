package privacy

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/control/store"
)

// Channels of entries that Gatehouse makes itself.
const (
	ChannelGPC       = "gpc"       // Sec-GPC: 1
	ChannelObjection = "objection" // Art. 21
)

var purposes = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$`)

// Entry is what is to be recorded.
type Entry struct {
	Purpose       string
	State         string // store.ConsentGiven or store.ConsentWithdrawn
	NoticeVersion string // what the person was shown; empty takes the data map's
	Channel       string // how; empty is "api"
	By            string // who records it: no person's name
}

// Record appends an entry to the person's ledger (Art. 7(1)). Withdrawing what
// was never given is recorded as well: it is an objection.
func (s *Service) Record(ctx context.Context, p store.Subject, in Entry) (store.Consent, error) {
	if err := s.checkEntry(&in); err != nil {
		return store.Consent{}, err
	}
	t := event.ConsentGiven
	if in.State == store.ConsentWithdrawn {
		t = event.ConsentWithdrawn
	}
	e := s.event(t, p.Pseudonym, map[string]string{
		"purpose": in.Purpose, "notice_version": in.NoticeVersion, "channel": in.Channel, "by": in.By,
	})
	e.Feature = "consent"
	entry, err := s.o.Store.AddConsent(ctx, store.Consent{
		ID: e.ID, SubjectID: p.ID, Purpose: in.Purpose, State: in.State, NoticeVersion: in.NoticeVersion,
		Channel: in.Channel, By: in.By, Time: e.Time.Truncate(time.Millisecond),
	}, e)
	if err != nil {
		return store.Consent{}, told(err)
	}
	s.tell(e)
	// It is recorded; authz hears of it now, or as soon as Redis takes it.
	if err := s.copyNew(ctx); err != nil {
		s.log.WarnContext(ctx, "a consent is recorded and not in force yet: the copy for authz could not be written; it will be", "error", err)
	}
	return entry, nil
}

func (s *Service) checkEntry(in *Entry) error {
	known := s.o.Map().Purposes
	purpose, mapped := known[in.Purpose]
	switch {
	case !purposes.MatchString(in.Purpose):
		return invalid("a purpose is like newsletter: letters, digits, and _ . : -, at most 128")
	case len(known) > 0 && !mapped:
		return invalid("the data map has no such purpose: it has %v", slices.Sorted(maps.Keys(known)))
	case in.State != store.ConsentGiven && in.State != store.ConsentWithdrawn:
		return invalid("a consent is given or withdrawn")
	}
	if in.NoticeVersion == "" {
		in.NoticeVersion = purpose.NoticeVersion
	}
	if in.State == store.ConsentGiven && in.NoticeVersion == "" {
		return invalid("notice_version is missing: a consent is informed only if it is known what the person was shown (Art. 4(11))")
	}
	if in.Channel == "" {
		in.Channel = "api"
	}
	return nil
}

// Objects records what Global Privacy Control says: the person objects to every
// purpose that the data map marks so. What they object to already is left alone.
func (s *Service) Objects(ctx context.Context, p store.Subject, by string) ([]store.Consent, error) {
	known := s.o.Map().Purposes
	var out []store.Consent
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !known[name].GPC {
			continue
		}
		held, _, err := s.o.Store.Consents(ctx, store.ConsentQuery{SubjectID: p.ID, Purpose: name, Limit: 1})
		if err != nil {
			return out, err
		}
		if len(held) == 1 && held[0].State == store.ConsentWithdrawn {
			continue
		}
		entry, err := s.Record(ctx, p, Entry{Purpose: name, State: store.ConsentWithdrawn, Channel: ChannelGPC, By: by})
		if err != nil {
			return out, err
		}
		out = append(out, entry)
	}
	return out, nil
}

// copyPage bounds the entries that are copied at once.
const copyPage = 500

// copyNew brings authz's copy up to the ledger's newest entry. A copy that is not
// there, or is ahead of the ledger, is made anew, wholly, before it counts.
func (s *Service) copyNew(ctx context.Context) error {
	if s.o.Copy == nil {
		return nil
	}
	// The mark first: it was a head once, and so is never after one that is read later.
	mark, ok, err := s.o.Copy.Mark(ctx)
	if err != nil {
		return err
	}
	head, err := s.o.Store.ConsentHead(ctx)
	switch {
	case err != nil:
		return err
	case ok && mark == head:
		return nil
	case ok && mark < head:
		return s.copyFrom(ctx, mark, head, false)
	}
	if err := s.o.Copy.Clear(ctx); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "the copy of consents for authz is made anew", "entries", head)
	return s.copyFrom(ctx, 0, head, true)
}

// copyFrom copies the entries after mark and then says that the copy goes up to
// head; newer ones are for the next time.
func (s *Service) copyFrom(ctx context.Context, mark, head int64, holding bool) error {
	for after := mark; ; {
		page, err := s.o.Store.ConsentsAfter(ctx, after, holding, copyPage)
		if err != nil {
			return err
		}
		if err := s.o.Copy.Put(ctx, copied(page)); err != nil {
			return err
		}
		if len(page) < copyPage {
			return s.o.Copy.SetMark(ctx, head)
		}
		after = page[len(page)-1].Seq
	}
}

// copyOf copies what holds of one person, who has become a user.
func (s *Service) copyOf(ctx context.Context, subjectID string) error {
	if s.o.Copy == nil {
		return nil
	}
	for cursor := ""; ; {
		page, next, err := s.o.Store.Consents(ctx, store.ConsentQuery{SubjectID: subjectID, Limit: copyPage, Cursor: cursor})
		if err == nil {
			err = s.o.Copy.Put(ctx, copied(page))
		}
		if err != nil {
			return fmt.Errorf("bring a person's consents into force: %w", err)
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// copied leaves out people who are no users: nobody asks authz about them.
func copied(page []store.Consent) []consent.Entry {
	var out []consent.Entry
	for _, c := range page {
		if c.UserID != "" {
			out = append(out, consent.Entry{Seq: c.Seq, UserID: c.UserID, Purpose: c.Purpose, Given: c.State == store.ConsentGiven})
		}
	}
	return out
}

// ConsentProof is the proof that an entry's event is in the audit log.
func (s *Service) ConsentProof(ctx context.Context, id string) (string, error) {
	if s.o.Log == nil {
		return "", notFound("this control keeps no audit log that could prove it")
	}
	return s.o.Log.Proof(ctx, id)
}
