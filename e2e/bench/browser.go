package main

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// browserRequest is what Chromium 156 sends for fetch(url, {credentials: "include"})
// to another origin of the same site: its lines, their order, and a cookie split as
// it splits it (RFC 9113 section 8.2.3).
func browserRequest() []hpack.HeaderField {
	return append([]hpack.HeaderField{
		{Name: ":method", Value: "GET"},
		{Name: ":authority", Value: "api.example.com"},
		{Name: ":scheme", Value: "https"},
		{Name: ":path", Value: "/api/orders?page=2"},
		{Name: "sec-ch-ua-platform", Value: `"Linux"`},
		{Name: "user-agent", Value: userAgent},
		{Name: "sec-ch-ua", Value: userAgentHint},
	}, fetching("same-site")...)
}

// browserUpload is what it sends for fetch(url, {method: "POST", body: form}) to its
// own origin.
func browserUpload(b body) []hpack.HeaderField {
	return append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":authority", Value: "app.example.com"},
		{Name: ":scheme", Value: "https"},
		{Name: ":path", Value: "/upload" + b.path},
		{Name: "content-length", Value: strconv.FormatInt(b.size(), 10)},
		{Name: "sec-ch-ua-platform", Value: `"Linux"`},
		{Name: "user-agent", Value: userAgent},
		{Name: "sec-ch-ua", Value: userAgentHint},
		{Name: "content-type", Value: b.contentType},
	}, fetching("same-origin")...)
}

const (
	userAgent     = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	userAgentHint = `"Not:A-Brand";v="8", "Chromium";v="156"`
)

// fetching are the lines that end all its fetches.
func fetching(site string) []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: "sec-ch-ua-mobile", Value: "?0"},
		{Name: "accept", Value: "*/*"},
		{Name: "origin", Value: origin},
		{Name: "sec-fetch-site", Value: site},
		{Name: "sec-fetch-mode", Value: "cors"},
		{Name: "sec-fetch-dest", Value: "empty"},
		{Name: "referer", Value: origin + "/"},
		{Name: "accept-encoding", Value: "gzip, deflate, br, zstd"},
		{Name: "accept-language", Value: "en-US,en;q=0.9"},
		{Name: "cookie", Value: "__Host-session=" + strings.Repeat("c2Vzc2lvbg", 4)},
		{Name: "cookie", Value: "theme=dark"},
		{Name: "priority", Value: "u=1, i"},
	}
}

// applicationAnswer is what an application behind a web server of its own sends: ten
// lines, four of which the strict preset removes or CORS changes.
const applicationAnswer = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx/1.28.0\r\n" +
	"Date: Thu, 26 Nov 2026 08:00:00 GMT\r\n" +
	"Content-Type: application/json; charset=utf-8\r\n" +
	"Content-Length: 241\r\n" +
	"Connection: keep-alive\r\n" +
	"X-Powered-By: Express\r\n" +
	"Vary: Accept-Encoding\r\n" +
	"Cache-Control: private, max-age=0, must-revalidate\r\n" +
	"ETag: W/\"f6-b3uVn1jEnh9k5GQp0dqzW3VYxJk\"\r\n" +
	"X-RateLimit-Remaining: 98\r\n\r\n" +
	`{"page":2,"orders":[{"id":"018f2b6e-7c1a-7f3e-9d52-3b1f0c9d7e21","state":"shipped","total":{"amount":12900,"currency":"EUR"}},` +
	`{"id":"018f2b6e-7c1a-7f3e-9d52-9a0c6d1f4b77","state":"open","total":{"amount":4500,"currency":"EUR"}}],"next":"p3"}`
