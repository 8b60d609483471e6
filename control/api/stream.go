package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/authz/event"
)

const (
	// beatEvery keeps proxies from closing a quiet stream, and is how soon a
	// caller who may no longer watch is cut off.
	beatEvery = 15 * time.Second
	// streamWithin bounds one write: a reader that is stuck is let go.
	streamWithin = 10 * time.Second
)

type streamInput struct {
	Types []string `query:"type" maxItems:"50" doc:"Only events of these types, separated by commas."`
}

// registerStream serves events as they come (server-sent events, HTML standard
// section 9.2). What a reader is too slow for is left out, and told in a "lost"
// event; the log has it.
func (s *Server) registerStream(hub *Hub) {
	op := Long(Roles(huma.Operation{
		OperationID: "stream-events", Method: http.MethodGet, Path: "/v1/events/stream", Tags: []string{"Events"},
		Summary: "Watch events as the audit log takes them",
		Responses: map[string]*huma.Response{"200": {
			Description: "Server-sent events: \"event\" with an event as JSON, \"lost\" with the number of events that were left out.",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, Auditor, Operator, DPO))
	huma.Register(s.api, op, func(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
		watching, ok := hub.subscribe(in.Types)
		if !ok {
			return nil, tooMany(int(beatEvery / time.Second))
		}
		request, role := requestOf(ctx), CallerFrom(ctx).Role
		return &huma.StreamResponse{Body: func(c huma.Context) {
			defer hub.leave(watching)
			_, w := unwrap(c)
			c.SetHeader("Content-Type", "text/event-stream")
			c.SetHeader("X-Accel-Buffering", "no")
			c.SetStatus(http.StatusOK)
			beat := time.NewTicker(beatEvery)
			defer beat.Stop()
			out := stream{w: w, control: http.NewResponseController(w), beat: beat.C}
			still := func() bool {
				caller, err := s.authenticate(request)
				return err == nil && caller.Role == role && may(&op, caller.Role)
			}
			if err := out.run(ctx, watching, hub.closed, still); err != nil {
				s.log.DebugContext(ctx, "a stream of events ended", "error", err)
			}
		}}, nil
	})
}

type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	beat    <-chan time.Time
}

// run ends with ctx, with the reader, or with their right to read.
func (s stream) run(ctx context.Context, from *subscriber, closed <-chan struct{}, still func() bool) error {
	if err := s.write(": watching\nretry: 2000\n\n"); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-closed:
			return nil
		case e := <-from.events:
			if err := s.event(e, from.takeLost()); err != nil {
				return err
			}
		case <-s.beat:
			if !still() {
				return s.write("event: end\ndata: {}\n\n")
			}
			if err := s.write(": beat\n\n"); err != nil {
				return err
			}
		}
	}
}

// event writes JSON on one line: it has no line ends that are not escaped.
func (s stream) event(e event.Event, lost int) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write event %s: %w", e.ID, err)
	}
	message := "event: event\nid: " + oneLine(e.ID) + "\ndata: " + string(text) + "\n\n"
	if lost > 0 {
		message = fmt.Sprintf("event: lost\ndata: {\"count\":%d}\n\n", lost) + message
	}
	return s.write(message)
}

func (s stream) write(text string) error {
	// A connection without deadlines is one of a test; writing tells the rest.
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWithin))
	if _, err := s.w.Write([]byte(text)); err != nil { // #nosec G705 -- text/event-stream with nosniff; JSON escapes <, > and line ends
		return err
	}
	return s.control.Flush()
}

func oneLine(text string) string {
	out := []byte(text)
	for i, c := range out {
		if c < ' ' {
			out[i] = ' '
		}
	}
	return string(out)
}
