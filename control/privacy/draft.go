package privacy

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"
)

// Draft writes the notification of a breach as Markdown: to the authority with
// the parts of Art. 33(3), or to the persons with those of Art. 34(2). What is
// not known yet is said so: it may follow in phases (Art. 33(4)).
func (s *Service) Draft(ctx context.Context, id string, article int) ([]byte, error) {
	b, err := s.Breach(ctx, id)
	if err != nil {
		return nil, err
	}
	switch article {
	case 33:
		return s.draft33(b), nil
	case 34:
		return s.draft34(b), nil
	}
	return nil, invalid("article is 33 or 34")
}

// part is a heading with what is known.
type part struct{ title, text string }

func (s *Service) draft33(b Breach) []byte {
	f, c := b.Facts, s.o.Map().Controller
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Notification of a personal data breach (GDPR Art. 33)\n\n")
	fmt.Fprintf(&out, "- Breach: %s (%s)\n- Controller: %s\n- Aware since: %s\n- The 72 hours end: %s\n- Drafted: %s\n",
		plain(f.Title), b.ID, plain(orNone(c.Name)), stamp(b.Aware), stamp(b.Due), stamp(s.now()))
	parts := []part{
		{"Nature of the breach (Art. 33(3)(a))", f.Nature},
		{"Categories of persons and records concerned (Art. 33(3)(a))", f.Categories},
		{"Approximate number of persons (Art. 33(3)(a))", number(f.Persons)},
		{"Approximate number of records (Art. 33(3)(a))", number(f.Records)},
		{"Contact (Art. 33(3)(b))", first(c.DPO, c.Contact)},
		{"Likely consequences (Art. 33(3)(c))", f.Consequences},
		{"Measures taken or proposed (Art. 33(3)(d))", f.Measures},
	}
	if s.now().After(b.Due) || f.Reason != "" {
		parts = append(parts, part{"Reasons for the delay (Art. 33(1))", f.Reason})
	}
	writeParts(&out, parts)
	return out.Bytes()
}

func (s *Service) draft34(b Breach) []byte {
	f, c := b.Facts, s.o.Map().Controller
	var out bytes.Buffer
	fmt.Fprintf(&out, "# A breach that concerns your data (GDPR Art. 34)\n\n%s tells you of a breach of the security of personal data.\n",
		plain(first(c.Name, "We")))
	if f.Risk != RiskHigh {
		fmt.Fprintf(&out, "\n> The risk is assessed as %q. Art. 34(1) demands this letter where it is high.\n", first(f.Risk, "not yet assessed"))
	}
	writeParts(&out, []part{
		{"What has happened (Art. 34(2))", f.Nature},
		{"Which data", f.Categories},
		{"What may follow (Art. 33(3)(c))", f.Consequences},
		{"What we do, and what you can do (Art. 33(3)(d))", f.Measures},
		{"Whom you can ask (Art. 33(3)(b))", first(c.DPO, c.Contact)},
	})
	return out.Bytes()
}

func writeParts(out *bytes.Buffer, parts []part) {
	for _, p := range parts {
		fmt.Fprintf(out, "\n## %s\n\n%s\n", p.title, plain(orUnknown(p.text)))
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func orUnknown(text string) string {
	return first(text, "Not known yet; it will follow (Art. 33(4)).")
}

// first is the first that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
