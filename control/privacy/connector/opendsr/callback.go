package opendsr

import (
	"context"
	"encoding/json"
	"net/http"
)

// MaxCallback bounds the body of a callback, in bytes.
const MaxCallback = 64 << 10

// Callback says whether a message is the processor's and meant for us (section
// 8.8). What it says is not believed further: the status is asked for.
func (c *Connector) Callback(ctx context.Context, header http.Header, body []byte) error {
	if c.system.Processor.CallbackURL == "" {
		return c.fail("a callback came, and no callback_url is set")
	}
	if len(body) > MaxCallback {
		return c.fail("a callback has more than %d bytes", MaxCallback)
	}
	if err := c.verified(ctx, header, body); err != nil {
		return err
	}
	var s status
	if err := json.Unmarshal(body, &s); err != nil {
		return c.fail("a callback is not what the standard says: %w", err)
	}
	if s.Callback != c.system.Processor.CallbackURL {
		return c.fail("a callback was meant for another address than callback_url")
	}
	return nil
}
