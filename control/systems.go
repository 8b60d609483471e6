package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/control/audit"
	"gatehouse/control/policy"
	"gatehouse/control/privacy"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/connector/opendsr"
	"gatehouse/control/privacy/datamap"
	"gatehouse/control/privacy/export"
	"gatehouse/control/privacy/systems"
)

// mapped is one edition of the data map with the connectors to its systems.
type mapped struct {
	known      datamap.Map
	connectors systems.Connectors
}

// systemsInForce are the map and connectors that requests are carried out with.
type systemsInForce struct {
	o   systems.Options
	now atomic.Pointer[mapped]
}

func (s *systemsInForce) open(known datamap.Map) (*mapped, error) {
	if was := s.now.Load(); was != nil && sameSystems(was.known, known) {
		return &mapped{known, was.connectors}, nil
	}
	made, err := systems.Open(known, s.o)
	if err != nil {
		return nil, fmt.Errorf("the systems of the data map: %w", err)
	}
	return &mapped{known, made}, nil
}

// sameSystems says whether the connectors of one map serve the other: what is
// under way goes on, then.
func sameSystems(a, b datamap.Map) bool {
	one, err := json.Marshal(a.Systems)
	other, err2 := json.Marshal(b.Systems)
	return err == nil && err2 == nil && string(one) == string(other)
}

// put brings an edition into force. What is under way in a system that has
// another setting now fails, and is tried again with it.
func (s *systemsInForce) put(m *mapped) error {
	was := s.now.Swap(m)
	if was == nil || slices.Equal(was.connectors, m.connectors) {
		return nil
	}
	return was.connectors.Close()
}

// drop ends an edition that is not going to be in force.
func (s *systemsInForce) drop(m *mapped) error {
	if is := s.now.Load(); is != nil && slices.Equal(is.connectors, m.connectors) {
		return nil // they are of the one that stays
	}
	return m.connectors.Close()
}

// Close implements io.Closer.
func (s *systemsInForce) Close() error { return s.now.Load().connectors.Close() }

func (s *systemsInForce) datamap() datamap.Map { return s.now.Load().known }

func (s *systemsInForce) connectors() []connector.Connector { return s.now.Load().connectors }

// openSystems makes the connectors of the first policy; without people's rights
// there are none.
func (c *control) openSystems() error {
	c.systems.o = systems.Options{Key: c.o.PseudonymKey.Reveal(), Poll: c.o.timing.processors, Now: c.o.Now, Log: c.o.Log}
	first, err := c.systems.open(c.first.compiled.Privacy)
	if err != nil {
		return err
	}
	c.owned = append(c.owned, &c.systems)
	return c.systems.put(first)
}

// prepareSystems makes what a policy's data map needs; nothing is in force yet.
func (c *control) prepareSystems(compiled *policy.Compiled) (*mapped, error) {
	if c.rights == nil {
		return nil, nil //nolint:nilnil // nothing is to be put into force
	}
	return c.systems.open(compiled.Privacy)
}

// conclude puts an edition into force, or drops it.
func (c *control) conclude(m *mapped, do func(*mapped) error) {
	if m == nil {
		return
	}
	if err := do(m); err != nil {
		c.o.Log.Warn("connections to systems of a data map did not end in order", "error", err)
	}
}

// archiver writes the answer to a request as a signed archive.
type archiver struct {
	signer note.Signer
	known  func() datamap.Map
	o      *Options
}

func (c *control) archiver() (archiver, error) {
	signer, err := audit.Signer(c.o.AuditKey)
	return archiver{signer: signer, known: c.systems.datamap, o: &c.o}, err
}

// ContentType implements privacy.Archiver.
func (archiver) ContentType() string { return "application/zip" }

// Extension implements privacy.Archiver.
func (archiver) Extension() string { return ".zip" }

// Write implements privacy.Archiver.
func (a archiver) Write(ctx context.Context, w io.Writer, r privacy.Request, records func(func(connector.Record) error) error) error {
	known := a.known()
	return export.Write(ctx, w, export.About{
		Request: r.ID, Kind: r.Kind, Received: r.Received, Created: a.o.Now(), Controller: known.Controller, Activities: known.Activities(),
	}, a.signer, records)
}

// callbackRoutes let processors tell that something has changed. What they say is
// only taken as a hint to ask.
func (c *control) callbackRoutes(mux *http.ServeMux) {
	if c.rights == nil {
		return
	}
	busy := make(chan struct{}, maxCallbacks)
	mux.HandleFunc("POST /opendsr/{system}", func(w http.ResponseWriter, r *http.Request) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		if err := c.calledBack(r); err != nil {
			c.o.Log.WarnContext(r.Context(), "a callback was refused", "system", r.PathValue("system"), "error", err)
			http.Error(w, "refused", http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// maxCallbacks bounds those that are looked at at once.
const maxCallbacks = 4

func (c *control) calledBack(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	body, err := io.ReadAll(io.LimitReader(r.Body, opendsr.MaxCallback+1))
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	for _, known := range c.systems.connectors() {
		processor, ok := known.(*opendsr.Connector)
		if !ok || known.Name() != r.PathValue("system") {
			continue
		}
		if err := processor.Callback(ctx, r.Header, body); err != nil {
			return err
		}
		return c.rights.Hurry(ctx, known.Name())
	}
	return errors.New("the data map has no processor of that name")
}
