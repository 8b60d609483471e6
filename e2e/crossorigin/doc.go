// Package crossorigin asks a real Chromium what a page of another origin may do
// with an API behind a real Envoy with the filter: the browser is the judge, as
// it is the one that enforces CORS.
//
// It promises that each scenario is judged by what the page's own script can see.
// It needs Chromium, Envoy and the built module; what the protocol says in the
// corners that a browser never enters is in e2e/verdicts.
package crossorigin
