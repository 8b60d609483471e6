package policy

import (
	"net/http"
	"slices"
	"strings"

	filterpolicy "gatehouse/filter/policy"
)

func (x *replayer) simpleMethod() bool {
	return slices.Contains([]string{"GET", "HEAD", "POST"}, x.r.Method)
}

// needsPreflight: Fetch section 4.1, "unsafe-request flag".
func (x *replayer) needsPreflight() bool {
	if x.simpleMethod() && len(x.unsafe) == 0 {
		x.step("4.1", "a safelisted method and no header that needs permission", "no preflight", true)
		return false
	}
	x.step("4.1", "the method or a header needs permission", "a preflight goes first", true)
	return true
}

// preflight is Fetch section 4.8. It reads the answer's headers as a browser
// does, and knows nothing of the policy but them.
func (x *replayer) preflight() (passed bool, err error) {
	ask := http.Header{"Origin": {x.f.Origin}, "Access-Control-Request-Method": {x.r.Method}}
	what := "OPTIONS, Origin: " + x.f.Origin + ", Access-Control-Request-Method: " + x.r.Method
	if len(x.unsafe) > 0 {
		list := strings.Join(x.unsafe, ",")
		ask.Set("Access-Control-Request-Headers", list)
		what += ", Access-Control-Request-Headers: " + list
	}
	e, err := x.explain(http.MethodOptions, ask)
	if err != nil {
		return false, err
	}
	if !decides(e) {
		x.step("4.8", what, "the application's affair: policy "+e.Policy+" has no CORS in force", true)
		x.done(false, "the application decides: its own headers would have to answer the preflight")
		return false, nil
	}
	x.step("4.8", what, e.CORS.Answer, true)
	if !x.corsCheck(e.CORS, "the preflight's answer") {
		return false, nil
	}
	if strings.Contains(e.CORS.Answer, "refused") {
		return x.refused("4.8, step 7", "the status", "403 is no ok status"), nil
	}
	x.step("4.8, step 7", "the status", "204 is an ok status", true)
	return x.methodCheck(e.CORS) && x.headerCheck(e.CORS), nil
}

func decides(e *Explanation) bool { return e.CORS != nil && e.CORS.Mode == filterpolicy.Enforce }

// corsCheck is Fetch section 4.10.
func (x *replayer) corsCheck(f *CORSFinding, of string) bool {
	allowed := f.value("access-control-allow-origin")
	switch {
	case allowed == "":
		return x.refused("4.10, step 2", "Access-Control-Allow-Origin of "+of, "none; "+f.Answer)
	case allowed == "*" && !x.f.Credentials:
		return x.step("4.10, step 3", "Access-Control-Allow-Origin of "+of, "* and no credentials: passed", true)
	case allowed != x.f.Origin:
		return x.refused("4.10, step 4", "Access-Control-Allow-Origin of "+of, allowed+" is not "+x.f.Origin+" byte for byte")
	case !x.f.Credentials:
		return x.step("4.10, step 5", "Access-Control-Allow-Origin of "+of, allowed+", no credentials: passed", true)
	case f.value("access-control-allow-credentials") != "true":
		return x.refused("4.10, step 6", "Access-Control-Allow-Credentials of "+of, "there is no true, and credentials go along")
	}
	return x.step("4.10, step 7", "Access-Control-Allow-Origin and -Credentials of "+of, allowed+", true: passed", true)
}

func (x *replayer) methodCheck(f *CORSFinding) bool {
	list := f.value("access-control-allow-methods")
	switch {
	case listed(list, x.r.Method):
		return x.step("4.8, step 7.5", "the method "+x.r.Method, "in Access-Control-Allow-Methods: "+list, true)
	case x.simpleMethod():
		return x.step("4.8, step 7.5", "the method "+x.r.Method, "safelisted", true)
	case !x.f.Credentials && listed(list, "*"):
		return x.step("4.8, step 7.5", "the method "+x.r.Method, "* and no credentials", true)
	}
	return x.refused("4.8, step 7.5", "the method "+x.r.Method, "not in Access-Control-Allow-Methods: "+list)
}

func (x *replayer) headerCheck(f *CORSFinding) bool {
	list := strings.ToLower(f.value("access-control-allow-headers"))
	for _, name := range x.unsafe {
		switch {
		case listed(list, name):
			x.step("4.8, step 7.7", "the header "+name, "in Access-Control-Allow-Headers", true)
		case name == "authorization":
			return x.refused("4.8, step 7.6", "the header authorization", "not named in Access-Control-Allow-Headers, and * does not cover it")
		case !x.f.Credentials && listed(list, "*"):
			x.step("4.8, step 7.7", "the header "+name, "* and no credentials", true)
		default:
			return x.refused("4.8, step 7.7", "the header "+name, "not in Access-Control-Allow-Headers: "+list)
		}
	}
	if age := f.value("access-control-max-age"); age != "" {
		x.step("4.8, step 7.8", "Access-Control-Max-Age", "kept for "+age+" seconds at most; Chromium keeps 7200, Firefox 86400", true)
	} else {
		x.step("4.8, step 7.8", "Access-Control-Max-Age", "there is none: kept for 5 seconds", true)
	}
	return true
}

// actual is the request itself: Fetch section 4.4.
func (x *replayer) actual(e *Explanation) {
	if !decides(e) {
		x.step("4.4", x.r.Method+" goes out", "the application's affair: policy "+e.Policy+" has no CORS in force", true)
		x.done(false, "the application decides: its own headers would have to let the page read")
		return
	}
	x.step("4.4", x.r.Method+" goes out with Origin: "+x.f.Origin, e.CORS.Answer, true)
	if !x.corsCheck(e.CORS, "the answer") {
		return
	}
	seen := "Cache-Control, Content-Language, Content-Length, Content-Type, Expires, Last-Modified, Pragma"
	if more := e.CORS.value("access-control-expose-headers"); more == "*" && !x.f.Credentials {
		seen = "all but Set-Cookie"
	} else if more != "" {
		seen += ", " + more
	}
	x.step("2.2.6", "headers that the script sees", seen, true)
	x.done(true, "the page reads the response, whatever its status")
}

func (f *CORSFinding) value(name string) string {
	for _, h := range f.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

func listed(list, name string) bool {
	for e := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(e) == name {
			return true
		}
	}
	return false
}
