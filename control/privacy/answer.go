package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
)

// answerFor is how long after its end a request's archive can be fetched.
const answerFor = 30 * 24 * time.Hour

// Plan says what carrying a request out would do in each system, as things are
// now, and does nothing. What a system cannot say is in its plan's note.
func (s *Service) Plan(ctx context.Context, id string) ([]connector.Plan, error) {
	r, err := s.Request(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.State.Closed() {
		return nil, conflict("the request is %s: there is nothing left to plan", r.State)
	}
	p, err := s.o.Store.Subject(ctx, r.SubjectID)
	if err != nil {
		return nil, told(err)
	}
	person, err := s.known(ctx, p)
	if err != nil {
		return nil, err
	}
	var plans []connector.Plan
	for _, c := range s.systems() {
		plan, err := c.Plan(ctx, person, r.Kind)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			plan = connector.Plan{Steps: []connector.Step{{Action: connector.Keep, Count: -1, Note: "cannot be planned: " + clip(err.Error())}}}
		}
		plan.System = c.Name()
		plans = append(plans, plan)
	}
	return plans, nil
}

// Answer is what a person gets who has asked for their data.
type Answer struct {
	Request               Request
	ContentType, Filename string
}

// Answer says what the archive of a request will be; Export writes it. It is
// there once every system has handed over what it has, until 30 days after.
func (s *Service) Answer(ctx context.Context, id string) (Answer, error) {
	r, err := s.Request(ctx, id)
	switch {
	case err != nil:
		return Answer{}, err
	case !r.Kind.Reads():
		return Answer{}, conflict("%s is not answered with an archive: access and portability are", r.Kind)
	case r.State != Completed:
		return Answer{}, conflict("the request is %s: its archive is there once it is completed", r.State)
	case s.now().After(r.Closed.Add(answerFor)):
		return Answer{}, conflict("the archive could be fetched for 30 days after the request was completed")
	}
	p, err := s.o.Store.Subject(ctx, r.SubjectID)
	if err != nil {
		return Answer{}, told(err)
	}
	if !p.Erased.IsZero() {
		return Answer{}, conflict("the person's data was erased")
	}
	return Answer{Request: r, ContentType: s.o.Archive.ContentType(), Filename: string(r.Kind) + "-" + r.ID + s.o.Archive.Extension()}, nil
}

// Export writes the archive: the data as they are now. That data leave is told
// before the first byte does; that not all did, after.
func (s *Service) Export(ctx context.Context, a Answer, by string, w io.Writer) error {
	r := a.Request
	if err := s.emit(ctx, s.requestEvent(event.SubjectDataExported, r, map[string]string{"by": by})); err != nil {
		return err
	}
	n, err := s.export(ctx, r, w)
	if err != nil {
		failed := s.requestEvent(event.SubjectDataExported, r, map[string]string{"by": by, "records": strconv.Itoa(n)})
		failed.Severity, failed.Outcome, failed.Reason = event.Warning, event.Failure, "the archive broke off: "+clip(err.Error())
		if told := s.emit(context.WithoutCancel(ctx), failed); told != nil {
			s.log.WarnContext(ctx, "that an archive broke off could not be recorded", "request", r.ID, "error", told)
		}
	}
	return err
}

func (s *Service) emit(ctx context.Context, e event.Event) error {
	if err := s.o.Store.Emit(ctx, e); err != nil {
		return err
	}
	s.tell(e)
	return nil
}

func (s *Service) export(ctx context.Context, r Request, w io.Writer) (n int, err error) {
	p, err := s.o.Store.Subject(ctx, r.SubjectID)
	if err != nil {
		return 0, err
	}
	person, err := s.known(ctx, p)
	if err != nil {
		return 0, err
	}
	known := s.o.Map()
	ctx = connector.WithRequest(ctx, asked(r))
	return n, s.o.Archive.Write(ctx, w, r, func(fn func(connector.Record) error) error {
		for _, c := range s.systems() {
			err := c.Collect(ctx, person, func(record connector.Record) error {
				if r.Kind == connector.Portability && len(known.Systems) > 0 {
					var given bool
					if record, given = known.Portable(record); !given {
						return nil
					}
				}
				n++
				return fn(record)
			})
			if err != nil {
				return fmt.Errorf("collect from %s: %w", c.Name(), err)
			}
		}
		return nil
	})
}

// jsonLines is the plainest archive: a line of JSON for each record (Art. 20(1):
// structured, commonly used, machine-readable).
type jsonLines struct{}

func (jsonLines) ContentType() string { return "application/jsonl" }
func (jsonLines) Extension() string   { return ".jsonl" }

func (jsonLines) Write(_ context.Context, w io.Writer, _ Request, records func(func(connector.Record) error) error) error {
	encoder := json.NewEncoder(w)
	return records(func(r connector.Record) error {
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("write a record: %w", err)
		}
		return nil
	})
}
