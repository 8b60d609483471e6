package policy

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"

	filterpolicy "gatehouse/filter/policy"
	"gatehouse/filter/upload"
)

// ScanService is the name of Envoy's cluster at which control serves scans.
const ScanService = "gatehouse_scan"

// ScannerSettings say where the virus scanner is. The zero value is none.
type ScannerSettings struct {
	Kind string `json:"kind"` // clamd or icap
	// Address is host:port, or unix:///path.
	Address string `json:"address"`
	// Service is the name of the ICAP service.
	Service string `json:"service,omitempty"`
	// MaxScans is how many files are scanned at once; 0 leaves it to control/scan.
	MaxScans int `json:"max_scans,omitempty"`
}

type rawScanner struct {
	kind, address, service value[string]
	maxScans               value[int64]
}

func scannerKind() kind[rawScanner] {
	return object(
		required(key("kind", "clamd or icap", word("clamd", "icap"), func(s *rawScanner) *value[string] { return &s.kind })),
		required(key("address", "127.0.0.1:3310, or unix:///run/clamav/clamd.ctl", text(), func(s *rawScanner) *value[string] { return &s.address })),
		key("service", "icap: the service's name, the path of its URI: avscan", text(), func(s *rawScanner) *value[string] { return &s.service }),
		key("max_scans", "files scanned at once, 10 unless told: no more than the scanner has threads", integer(1, 1000),
			func(s *rawScanner) *value[int64] { return &s.maxScans }),
	)
}

func (k *compiler) scanner() {
	set := k.raw.control.v.scanner
	if !set.set {
		return
	}
	raw := set.v
	k.out.Control.Scanner = &ScannerSettings{
		Kind: raw.kind.v, Address: raw.address.v, Service: strings.TrimPrefix(raw.service.v, "/"), MaxScans: int(raw.maxScans.v),
	}
	if raw.address.set && !scannerAddress(raw.address.v) {
		k.d.fail(raw.address.at, "not where a scanner could be", raw.address.v, "write host:port, like 127.0.0.1:3310, or unix:///run/clamav/clamd.ctl")
	}
	switch {
	case raw.kind.v == "icap" && raw.service.v == "":
		k.d.fail(set.at, "an ICAP scanner without service", "", "name the service, like service: avscan: an ICAP server has several")
	case raw.kind.v == "clamd" && raw.service.set:
		k.d.fail(raw.service.at, "clamd has no services", raw.service.v, "leave it out, or write kind: icap")
	case strings.ContainsFunc(raw.service.v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }):
		k.d.fail(raw.service.at, "not the path of a URI", raw.service.v, "write it as it stands in the URI: avscan")
	}
}

func scannerAddress(text string) bool {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		return strings.HasPrefix(path, "/") && len(path) > 1 && len(path) < 108 // sockaddr_un
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func uploadScan(raw value[rawScan], t trace) *filterpolicy.Scan {
	if !raw.set {
		return nil
	}
	t["uploads.scan"] = raw.at
	return &filterpolicy.Scan{
		When:          put(t, "uploads.scan.when", raw.v.when),
		Hold:          put(t, "uploads.scan.hold", raw.v.hold),
		MaxHold:       put(t, "uploads.scan.max_hold", raw.v.maxHold),
		TimeoutMillis: put(t, "uploads.scan.timeout", raw.v.timeout).Milliseconds(),
		OnTimeout:     put(t, "uploads.scan.on_timeout", raw.v.onTimeout),
		OnError:       put(t, "uploads.scan.on_error", raw.v.onError),
	}
}

// ScanFinding says how files are scanned, with all defaults.
type ScanFinding struct {
	filterpolicy.Scan
	Kind    string `json:"kind"`
	Address string `json:"address"`
	From    *Place `json:"from,omitempty"`
}

func (c *Compiled) explainScan(name string, u *filterpolicy.Uploads) *ScanFinding {
	if !scans(u) || c.Control.Scanner == nil {
		return nil
	}
	f := &ScanFinding{Kind: c.Control.Scanner.Kind, Address: c.Control.Scanner.Address, From: c.from(name, "uploads.scan")}
	if u.Scan != nil {
		f.Scan = *u.Scan
	} else {
		f.From = c.from(name, "uploads.on_uncertain")
	}
	f.When, f.Hold = cmp.Or(f.When, filterpolicy.ScanUncertain), cmp.Or(f.Hold, filterpolicy.HoldNone)
	f.OnTimeout, f.OnError = cmp.Or(f.OnTimeout, filterpolicy.Reject), cmp.Or(f.OnError, filterpolicy.Reject)
	f.TimeoutMillis = cmp.Or(f.TimeoutMillis, upload.DefaultScanMillis)
	if f.Hold == filterpolicy.HoldBody {
		f.MaxHold = cmp.Or(f.MaxHold, upload.DefaultMaxHold)
	}
	return f
}

// inheritScan goes by key, as the other settings of uploads do.
func inheritScan(own, parent value[rawScan]) value[rawScan] {
	if !own.set || !parent.set {
		return own.or(parent)
	}
	s, p := own.v, parent.v
	s.when, s.hold, s.maxHold = s.when.or(p.when), s.hold.or(p.hold), s.maxHold.or(p.maxHold)
	s.timeout, s.onTimeout, s.onError = s.timeout.or(p.timeout), s.onTimeout.or(p.onTimeout), s.onError.or(p.onError)
	own.v = s
	return own
}

// scans tells whether any file is scanned under the settings.
func scans(u *filterpolicy.Uploads) bool {
	return u != nil && u.Mode != filterpolicy.Off &&
		(u.OnUncertain == upload.OnUncertainScan || u.Scan != nil && u.Scan.When == filterpolicy.ScanAlways)
}

// scannable checks what the filter's compiler cannot know.
func (k *compiler) scannable(u *filterpolicy.Uploads, raw rawUploads, t trace) {
	if !scans(u) {
		return
	}
	k.scanned = true
	at, _ := t.at("uploads.scan.when")
	if u.OnUncertain == upload.OnUncertainScan {
		at, _ = t.at("uploads.on_uncertain")
	}
	if !k.raw.control.v.scanner.set {
		k.d.fail(at, "files are to be scanned, but there is no scanner", "scan",
			"name one: control: {scanner: {kind: clamd, address: 127.0.0.1:3310}}")
	}
	if s := u.Scan; s != nil && s.Hold == filterpolicy.HoldBody && raw.scan.v.maxHold.set && u.MaxFileSize > s.MaxHold {
		k.d.fail(raw.scan.v.maxHold.at, "no file of max_file_size could be held back: every such upload would be refused", "",
			"raise max_hold, lower max_file_size, or write hold: none")
	}
}

// scanService names the cluster to the filter, if any policy needs it.
func (k *compiler) scanService() {
	switch {
	case k.scanned:
		k.out.Filter.ScanService = ScanService
	case k.raw.control.v.scanner.set && len(k.d.errs) == 0:
		k.d.warn(k.raw.control.v.scanner.at, "no policy has files scanned", "scanner", "write on_uncertain: scan or scan: {when: always} under uploads")
	}
}
