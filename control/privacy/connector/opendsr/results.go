package opendsr

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/control/privacy/connector"
)

const (
	maxResults    = 128 << 20 // bytes
	maxOpaque     = 20 << 20  // of a file that is not JSON
	resultsWithin = 10 * time.Minute
)

// errGone says that the processor no longer has the results of a request.
var errGone = errors.New("the processor no longer has the results of the request: make a new one")

// results hands over what a completed request has found, and counts it.
func (c *Connector) results(ctx context.Context, s status, fn func(connector.Record) error) (n int64, err error) {
	if s.Results == "" {
		if s.Count != nil && *s.Count > 0 {
			return 0, c.fail("the processor has found %d records and says not where: ask its operator", *s.Count)
		}
		return 0, nil
	}
	u, err := c.resultsURL(s.Results)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, resultsWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, c.fail("%w", err)
	}
	req.Header.Set("Accept", "application/json, application/jsonl, */*;q=0.5")
	if own, err := url.Parse(c.base); err == nil && origin(u) == origin(own) {
		if err := c.authorize(req); err != nil {
			return 0, err
		}
	}
	got, err := c.send(req, maxResults)
	if err != nil {
		return 0, err
	}
	switch got.code {
	case http.StatusOK:
	case http.StatusNoContent:
		return 0, nil
	case http.StatusNotFound, http.StatusGone:
		return 0, c.fail("%w", errGone)
	default:
		return 0, c.refused("hand over the results", got)
	}
	err = c.records(got, func(r connector.Record) error {
		n++
		return fn(r)
	})
	if err == nil && n == 0 && s.Count != nil && *s.Count > 0 {
		err = c.fail("the processor has found %d records and handed over none: ask its operator", *s.Count)
	}
	return n, err
}

// resultsURL demands the processor's own hosts: what it names is fetched from
// within our network.
func (c *Connector) resultsURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.User != nil || u.Host == "":
		return nil, c.fail("the processor's results are at no URL")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, c.fail("the processor's results are not at https")
	case !c.host(u) && !slices.Contains(c.system.Processor.ResultsHosts, strings.ToLower(u.Hostname())):
		return nil, c.fail("the processor's results are at %.80q: add the host to results_hosts if it is the processor's", u.Hostname())
	}
	return u, nil
}

// records reads JSON of any shape: an array is one collection, an object has
// one for each of its arrays. What is not JSON is one record with the file.
func (c *Connector) records(got reply, fn func(connector.Record) error) error {
	media, _, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	body := trimmed(got.body)
	lines := media == "application/jsonl" || media == "application/x-ndjson" || media == "application/jsonlines"
	switch {
	case len(body) == 0:
		return nil
	case lines:
		return c.lines(body, fn)
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return c.document(body, fn)
	}
	if len(got.body) > maxOpaque {
		return c.fail("the processor's results are a file of more than %d bytes", maxOpaque)
	}
	return fn(c.record(resultsName, "", map[string]any{
		"content_type": got.header.Get("Content-Type"), "base64": base64.StdEncoding.EncodeToString(got.body),
	}))
}

func (c *Connector) lines(body []byte, fn func(connector.Record) error) error {
	d := decoder(body)
	for n := 1; ; n++ {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.fail("line %d of the processor's results is no JSON", n)
		}
		if err := fn(c.item(c.collections()[0], n, v)); err != nil {
			return err
		}
	}
}

func (c *Connector) document(body []byte, fn func(connector.Record) error) error {
	var v any
	d := decoder(body)
	if err := d.Decode(&v); err != nil || d.More() {
		return c.fail("the processor's results are no JSON, though it says so")
	}
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return c.array(c.collections()[0], v, fn)
	case map[string]any:
		return c.object(v, fn)
	}
	return fn(c.item(resultsName, 1, v))
}

func (c *Connector) object(v map[string]any, fn func(connector.Record) error) error {
	rest := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		items, ok := v[name].([]any)
		if !ok {
			rest[name] = v[name]
			continue
		}
		if err := c.array(name, items, fn); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return fn(c.record(resultsName, "", rest))
}

func (c *Connector) array(name string, items []any, fn func(connector.Record) error) error {
	for n, item := range items {
		if err := fn(c.item(name, n+1, item)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Connector) item(collection string, n int, v any) connector.Record {
	fields, ok := v.(map[string]any)
	if !ok {
		fields = map[string]any{"value": v}
	}
	return c.record(collection, strconv.Itoa(n), fields)
}

func (c *Connector) record(collection, key string, fields map[string]any) connector.Record {
	return connector.Record{System: c.Name(), Collection: collection, Key: key, Fields: fields}
}

// decoder keeps numbers as they are written.
func decoder(body []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return d
}
