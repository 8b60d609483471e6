package upload

import (
	"strconv"

	"gatehouse/filter/scan"
)

// Tap is given what a policy has scanned: the files of a body as the server will
// see them, without the framing of a form and the body's Content-Encoding.
type Tap interface {
	// Begin begins a file of that type, once it is clear that it is allowed.
	Begin(kind string)
	// Write hands on the file's next bytes, from its first one on.
	Write(b []byte)
	// End ends it, once nothing was found that speaks against it. uncertain says
	// that nobody could see into it.
	End(uncertain bool)
}

// The bounds of what scanning may ask for.
const (
	// DefaultScanMillis is how long a scanner may be silent.
	DefaultScanMillis = 10_000
	maxScanMillis     = 300_000
	// DefaultMaxHold is the size of a body that is held back as a whole.
	DefaultMaxHold = 8 << 20
	maxMaxHold     = 256 << 20
)

// uncertain compiles what becomes of files that nobody can see into, and the
// scanning of files.
func (p *Policy) uncertain(c Config, fail func(key, value, reason string)) {
	switch c.OnUncertain {
	case "", OnUncertainAccept, OnUncertainReject:
		if c.Scan != nil && !c.Scan.Always {
			fail("scan", "", "would never scan: say on_uncertain: scan, or when: always in it")
		}
	case OnUncertainScan:
		if c.Scan == nil {
			fail("on_uncertain", c.OnUncertain, "needs the settings of scan")
		}
	default:
		fail("on_uncertain", c.OnUncertain, "is neither accept, reject nor scan")
	}
	if c.Scan == nil {
		return
	}
	s := *c.Scan
	if s.Millis == 0 {
		s.Millis = DefaultScanMillis
	}
	if s.MaxHold == 0 {
		s.MaxHold = DefaultMaxHold
	}
	if s.Millis < 2*scan.TickMillis || s.Millis > maxScanMillis {
		fail("scan.timeout", strconv.FormatInt(c.Scan.Millis, 10), "is not between half a second and 5 minutes")
	}
	if s.MaxHold < 1 || s.MaxHold > maxMaxHold {
		fail("scan.max_hold", strconv.FormatInt(c.Scan.MaxHold, 10), "is not between 1 byte and 256 MiB")
	}
	if c.Scan.MaxHold != 0 && !s.Hold {
		fail("scan.max_hold", strconv.FormatInt(c.Scan.MaxHold, 10), "does nothing without hold: body")
	}
	p.scan = &s
}

// opaque tells the types of which nothing but the frame is looked at here, although
// they hold other files or are programs.
func (k *kind) opaque() bool { return k.check == nil || k.id == "7z" }

// mayBeOpaque tells the types of which it is clear only at their end whether
// somebody could see into them.
func (k *kind) mayBeOpaque() bool {
	return k.opaque() || k.id == "pdf" || k.group == groupArchive || contentIs("zip", k)
}

// begin gives the file to the tap, if it is to be scanned.
func (f *file) beginScan() {
	if s := f.policy.scan; f.tap == nil || s == nil || !s.Always && !f.kind.mayBeOpaque() {
		f.tap = nil
		return
	}
	f.tap.Begin(f.kind.id)
}

func (f *file) scanned(b []byte) {
	if f.tap != nil {
		f.tap.Write(b)
	}
}

func (f *file) endScan() {
	if f.tap != nil && f.kind != nil {
		f.tap.End(f.kind.opaque() || f.budget.uncertain)
	}
}

// ScanRefusal is what a finding of the scanner means for the request.
func ScanRefusal(found scan.Finding) *Refusal {
	switch found.Outcome {
	case scan.Malicious:
		return refuse("GH-SCAN-001", "the scanner found "+strconv.Quote(found.Text))
	case scan.TimedOut:
		return refuse("GH-SCAN-002", "the scanner did not answer in time: "+found.Text)
	case scan.TooLarge:
		return refuse("GH-SCAN-004", "the scanner does not take so large a file: "+found.Text)
	case scan.Failed, scan.None, scan.Clean:
	}
	return refuse("GH-SCAN-003", "the scanner could not be asked: "+found.Text)
}

// HoldRefusal refuses a body that is to be held back and is too large for it.
func HoldRefusal(limit int64) *Refusal {
	return refuse("GH-SCAN-005", "a body larger than the "+strconv.FormatInt(limit, 10)+" bytes that are held back for the scanner")
}
