package up

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// httpReady asks url once; any status in the 200s is yes.
func httpReady(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, err := get(ctx, client, url)
		if err != nil {
			return err
		}
		if status/100 != 2 {
			return fmt.Errorf("%s answers %d", url, status)
		}
		return nil
	}
}

// envoyReady wants more than Envoy's own opinion: an answer, whatever it is,
// through the listener, so that the whole of the configuration has arrived.
func envoyReady(client *http.Client, adminURL, listenerURL string) func(context.Context) error {
	admin := httpReady(client, adminURL+"/ready")
	return func(ctx context.Context) error {
		if err := admin(ctx); err != nil {
			return err
		}
		_, err := get(ctx, client, listenerURL)
		return err
	}
}

func get(ctx context.Context, client *http.Client, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, err
}

// probeClient trusts nothing kept from before: each probe is a new connection,
// and a redirect is an answer.
func probeClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
