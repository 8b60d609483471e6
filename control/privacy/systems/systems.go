// Package systems makes the connectors of a data map.
//
// It promises one for each system that Gatehouse does not keep itself, in the
// order of the map, or all that is wrong with the systems at once, and none. It
// connects to nothing.
package systems

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/connector/opendsr"
	"gatehouse/control/privacy/connector/postgres"
	"gatehouse/control/privacy/datamap"
)

// Options of Open. Key is needed.
type Options struct {
	// Key is the secret that pseudonyms and the ids of requests are made with: the
	// pseudonym key.
	Key []byte
	// Poll is the shortest time between two questions to a processor; 0 means a
	// minute.
	Poll time.Duration
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil means slog.Default()
}

// Connectors are those of one edition of the map.
type Connectors []connector.Connector

// Open makes the connectors.
func Open(m datamap.Map, o Options) (Connectors, error) {
	var made Connectors
	var errs []error
	for _, s := range m.Systems {
		var c connector.Connector
		var err error
		switch s.Kind {
		case datamap.PostgreSQL:
			c, err = postgres.New(postgres.Options{System: s, Key: o.Key, Log: o.Log})
		case datamap.OpenDSR:
			c, err = opendsr.New(opendsr.Options{System: s, Key: o.Key, Poll: o.Poll, Now: o.Now, Log: o.Log})
		case datamap.Gatehouse:
			continue
		default:
			err = fmt.Errorf("system %s: nobody knows how to reach a system of kind %q", s.Name, s.Kind)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		made = append(made, c)
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, made.Close())...)
	}
	return made, nil
}

// Close gives their connections back; calls that are under way end with an error.
func (c Connectors) Close() error {
	var errs []error
	for _, one := range c {
		if open, ok := one.(io.Closer); ok {
			errs = append(errs, open.Close())
		}
	}
	return errors.Join(errs...)
}
